/** docs/cli.md is the reference of the terminal: its blocks are run as they stand, and its tables are held against the program. */
import { readFileSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { clientOf } from "./support/airlock-api.ts";
import { type Documentation, openDocumentation } from "./support/documentation.ts";
import { typed } from "./support/terminal.ts";

const guide = readFileSync(new URL("../docs/cli.md", import.meta.url), "utf8");
const nowhere = { url: "http://127.0.0.1:9" };

let reader: Documentation;
beforeAll(async () => {
  reader = await openDocumentation({
    parts: [
      { prompt: "Start inside.sh", commands: ["sh /workspace/inside.sh"] },
      {
        prompt: "into /workspace/out",
        commands: ["mkdir -p /workspace/out; echo 2 > /workspace/out/count.txt"],
      },
      { prompt: "Say hello", commands: [] },
    ],
  });
});
afterAll(() => reader.close());

describe("docs/cli.md", () => {
  it("shows commands that do what they say, from the first block to the last", async () => {
    await reader.follow("cli.md");
    const client = clientOf(reader.gateway);
    for await (const { id } of client.runs()) {
      const { status, submission } = await client.wait(id);
      expect([submission.prompt, status]).toEqual([submission.prompt, "succeeded"]);
      if (submission.outputDirs !== undefined) expect(await client.outputs(id)).not.toEqual([]);
    }
    const said = await reader.sh(
      'airlock list --limit 1 --json | grep -o "run_[0-9a-z]*" | head -n 1',
    );
    const events = await reader.sh(`airlock show ${said.trim()}`);
    expect(events).toContain("/airlock/airlock proxy <endpoint>");
    expect(await reader.sh("cat results/*")).toContain("2");
  }, 480_000);

  it("has every command of the program, and no other", async () => {
    const { out } = await typed(["--help"], nowhere);
    const commands = [...out.matchAll(/^ {2}([a-z][a-z-]*)(?= (?:\[|<)| {2,})/gm)].map(
      ([, name]) => name,
    );
    expect(commands.length).toBeGreaterThan(30);
    for (const command of commands)
      expect(guide, command).toMatch(new RegExp(`\`${command}\\b|\\b${command} …`));
    const rows = [...guide.matchAll(/^\| `([a-z][a-z-]*)/gm)].map(([, name]) => name ?? "");
    const known = [...commands, "prompt", "files", "mcp"];
    expect(rows.filter((name) => !known.includes(name))).toEqual([]);
  });

  it("has every option of run, and no other", async () => {
    const { out } = await typed(["run", "--help"], nowhere);
    const section = /^### run\n([\s\S]*?)^### /m.exec(guide)?.[1] ?? "";
    const options = [...out.matchAll(/^ {2}(?:-h, )?(--[a-z-]+)/gm)].map(([, name = ""]) => name);
    const everywhere = [
      "--help",
      "--version",
      "--json",
      "--url",
      "--token",
      "--data-dir",
      "--debug",
    ];
    const own = options.filter(
      (name) => !everywhere.includes(name) && !/^--\w+-api-key$/.test(name),
    );
    for (const name of own) expect(section, name).toContain(`\`${name}`);
    for (const [, name = ""] of section.matchAll(/`(--[a-z-]+)/g)) {
      if (name !== "--json") expect(out, name).toContain(`  ${name}`);
    }
  });
});
