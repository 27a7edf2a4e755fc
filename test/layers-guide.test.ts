/** docs/layers.md tells agents and people what to write; what it says is held against the tools and the terminal. */
import { readFileSync } from "node:fs";
import { PassThrough, Readable } from "node:stream";
import { text } from "node:stream/consumers";
import { describe, expect, it } from "vitest";
import { limits } from "../src/base/limits.ts";
import { runCli } from "../src/cli/cli.ts";
import { findTool, parseArguments } from "../src/tools/tools.ts";

const guide = readFileSync(new URL("../docs/layers.md", import.meta.url), "utf8");

const blocks = (language: string) =>
  [...guide.matchAll(/^```(\w+) ?(\w*)\n([\s\S]*?)^```/gm)]
    .filter(([, found]) => found === language)
    .map(([, , tool = "", body = ""]) => ({ tool, body }));

describe("docs/layers.md", () => {
  it("shows calls that the tools take as they stand", () => {
    const calls = blocks("json");
    expect(calls.map(({ tool }) => tool)).toEqual(
      expect.arrayContaining(["sandbox_exec", "artifact_build", "artifact_exec"]),
    );
    for (const { tool: name, body } of calls) {
      const tool = findTool(name);
      if (tool === undefined) throw new Error(`There is no tool ${name}`);
      expect(parseArguments(tool, JSON.parse(body)), body).toMatchObject({ ok: true });
    }
  });

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

  it("shows commands that the terminal knows, with options that they have", async () => {
    const lines = blocks("sh").flatMap(({ body }) => body.replaceAll("\\\n", " ").split("\n"));
    const used = lines.flatMap((line) => [
      ...line.matchAll(/\bairlock(?: --url \S+)? (\w+) (\w+)([^)]*)/g),
    ]);
    expect(used.length).toBeGreaterThan(5);
    for (const [, group = "", command = "", rest = ""] of used) {
      const help = await helpOf(group, command);
      const own = rest.split(" -- ")[0] ?? "";
      for (const [option] of own.matchAll(/(?<=\s)--[a-z-]+/g)) expect(help).toContain(option);
    }
  });
});

async function helpOf(group: string, command: string): Promise<string> {
  const [stdout, stderr] = [new PassThrough(), new PassThrough()];
  const out = text(stdout);
  const code = await runCli([group, command, "--help"], {
    stdin: Readable.from([]),
    ...{ stdout, stderr },
    env: {},
    onSignal: () => () => undefined,
    exit: () => undefined,
  });
  expect(code, `${group} ${command}`).toBe(0);
  stdout.end();
  return out;
}
