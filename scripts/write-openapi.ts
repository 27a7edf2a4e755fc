/** Writes docs/openapi.json from the route table: `node scripts/write-openapi.ts` after a change of the API. */
import { readFileSync, writeFileSync } from "node:fs";
import { openApiDocument } from "../src/http/openapi.ts";

const { version } = JSON.parse(readFileSync(new URL("../package.json", import.meta.url), "utf8"));
const file = new URL("../docs/openapi.json", import.meta.url);
writeFileSync(file, `${JSON.stringify(openApiDocument(version), null, 2)}\n`);
