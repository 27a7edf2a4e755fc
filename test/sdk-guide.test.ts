/** docs/sdk.md is followed from its first block to its last, and what it says that there is, is held against the code. */
import { execFileSync } from "node:child_process";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { zstdCompressSync } from "node:zlib";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import * as compat from "../src/sdk/compat.ts";
import * as sdk from "../src/sdk/sdk.ts";
import { skillOf } from "./support/agent-folder.ts";
import { clientOf } from "./support/airlock-api.ts";
import { type Documentation, openDocumentation } from "./support/documentation.ts";

const guide = readFileSync(new URL("../docs/sdk.md", import.meta.url), "utf8");
let reader: Documentation;

beforeAll(async () => {
  const model = "anthropic/claude-sonnet-4-5";
  reader = await openDocumentation({
    files: {
      "sales.csv": "amount\n1\n2\n",
      "main.py": "import sys\nprint(sys.argv)\n",
      "my-agent/SKILL.md": skillOf({ id: "my-agent", model }),
    },
  });
  const deps = join(reader.dir, "deps");
  mkdirSync(deps);
  writeFileSync(join(deps, "lib.py"), "answer = 42\n");
  const tar = execFileSync("tar", ["--format=posix", "-C", deps, "-c", "lib.py"]);
  writeFileSync(join(reader.dir, "deps.tar.zst"), zstdCompressSync(tar));
}, 180_000);
afterAll(() => reader?.close());

describe("docs/sdk.md", () => {
  it("can be followed from its first block to its last", async () => {
    await reader.follow("sdk.md");
    const { runs } = await clientOf(reader.gateway).listRuns();
    const ends = runs.map(({ status }) => status);
    // All that was submitted by the last line; what is still at work was not waited for.
    expect(ends.filter((status) => status === "succeeded").length).toBeGreaterThan(4);
    expect(ends.filter((status) => status === "failed" || status === "terminated")).toEqual([]);
    expect(ends).toContain("cancelled");
    expect(readFileSync(join(reader.dir, "total.txt"), "utf8")).not.toBe("");
    for (const file of ["result.zip", "run-archive.zip"]) {
      expect(readFileSync(join(reader.dir, file)).subarray(0, 2).toString()).toBe("PK");
    }
  }, 180_000);

  it("names every class of errors and every guard that there is", () => {
    const named = new Set(
      [...guide.matchAll(/`(is[A-Z]\w+|\w+(?:Error|Problem))`/g)].map(([, name]) => name),
    );
    const there = Object.keys(sdk).filter((name) => /^is[A-Z]|(Error|Problem)$/.test(name));
    expect(there.filter((name) => name !== "isEnd" && !named.has(name)).sort()).toEqual([
      "isEvent",
    ]);
    const known = new Set([...Object.keys(sdk), ...Object.keys(compat), "TypeError"]);
    expect([...named].filter((name) => name && !known.has(name))).toEqual([]);
  });

  it("names every method of the compatibility layer", () => {
    const section = guide.slice(guide.indexOf("## Programs for 0.8"));
    const own = Object.getOwnPropertyNames(compat.AntpathClient.prototype);
    const missing = own.filter((name) => name !== "constructor" && !section.includes(`\`${name}`));
    expect(missing.sort()).toEqual([]);
  });
});
