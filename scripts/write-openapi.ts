/** Writes docs/openapi.json and the tables of docs/http.md from the route table: `node scripts/write-openapi.ts` after a change of the API. */
import { readFileSync, writeFileSync } from "node:fs";
import { openApiDocument } from "../src/http/openapi.ts";
import { withReference } from "../src/http/reference.ts";

const { version } = JSON.parse(readFileSync(new URL("../package.json", import.meta.url), "utf8"));
const file = new URL("../docs/openapi.json", import.meta.url);
writeFileSync(file, `${JSON.stringify(openApiDocument(version), null, 2)}\n`);

const reference = new URL("../docs/http.md", import.meta.url);
writeFileSync(reference, withReference(readFileSync(reference, "utf8")));
