/** What docs/layers.md says is held against the code; docs.test.ts does what it shows. */
import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { limits } from "../src/base/limits.ts";
import { findTool, parseArguments } from "../src/tools/tools.ts";

const guide = readFileSync(new URL("../docs/layers.md", import.meta.url), "utf8");

describe("docs/layers.md", () => {
  it("has recipes whose paths can be captured", () => {
    const rows = [...guide.matchAll(/^\| (\w+) \| `([^`]+)` \| `([^`]+)` \| `([^`]+)` \|/gm)];
    expect(rows.map(([, language]) => language)).toEqual(["Python", "Node", "Go", "Rust"]);
    for (const [, , command, path, mount_as] of rows) {
      const tool = findTool("sandbox_exec");
      const args = { command, capture_paths: [{ path, mount_as }] };
      expect(tool && parseArguments(tool, args)).toMatchObject({ ok: true });
    }
  });

  it("names the limits that there are", () => {
    const GiB = 1024 ** 3;
    for (const words of [
      `at most ${limits.capturePaths}`,
      `${limits.layerEntries.toLocaleString("en")} entries`,
      `${limits.layerTotalBytes / GiB} GiB, and ${limits.layerFileBytes / GiB} GiB for one file`,
      `${limits.buildInputEntries.toLocaleString("en")} entries or ${limits.buildInputBytes / 1024 ** 2} MiB`,
    ]) {
      expect(guide.replaceAll(/\s+/g, " ")).toContain(words);
    }
    expect(limits.buildLivesMs).toBe(24 * 60 * 60_000);
  });
});
