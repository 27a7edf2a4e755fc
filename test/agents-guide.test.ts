/** docs/agents.md is what people write agents by: what it says is held against the code, and docs.test.ts does what it shows. */
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { describe, expect, it } from "vitest";
import { z } from "zod";
import { coerceInput, loadReferenceAgents, parseAgent } from "../src/agents/agents.ts";
import { limits } from "../src/base/limits.ts";
import { Capability } from "../src/contract/agent.ts";
import { AgentManifest } from "../src/contract/manifest.ts";
import { findTool } from "../src/tools/tools.ts";
import { tempDirUntilExit } from "./support/temp-dir.ts";
import { typed } from "./support/terminal.ts";

const guide = readFileSync(new URL("../docs/agents.md", import.meta.url), "utf8");
const blocks = (language: string) =>
  [...guide.matchAll(/^```(\w+)(?: \S+)?\n([\s\S]*?)^```/gm)]
    .filter(([, found]) => found === language)
    .map(([, , body = ""]) => body);
const [skill = ""] = blocks("markdown");
const agent = parseAgent({ skill, files: [] });
const section = (heading: string) =>
  guide.split(/^##+ /m).find((part) => part.startsWith(heading)) ?? "";
const rows = (heading: string) =>
  [...section(heading).matchAll(/^\| (.*) \|$/gm)]
    .map(([, row = ""]) => row.split(/(?<!\\) *\| */).map((cell) => cell.trim()))
    .slice(1);
const quoted = (cell = "") => [...cell.matchAll(/`([^`]+)`/g)].map(([, word = ""]) => word);
const url = "http://127.0.0.1:9";

describe("docs/agents.md", () => {
  it("shows an agent that is right, in every shape that it tells of", () => {
    expect(agent.notes).toEqual([]);
    expect(agent.manifest.agent.id).toBe("weather.default");
    const { manifest } = agent;
    const { description } = agent.manifest.agent;
    const shapes = [
      { name: "weather.default", description, metadata: { autonoetic: manifest } },
      { name: "weather-default", metadata: JSON.stringify({ airlock: manifest }) },
      { name: "weather-default", metadata: { airlock: JSON.stringify(manifest) } },
      { license: "MIT", compatibility: "x", "allowed-tools": "y", metadata: { airlock: manifest } },
      manifest,
    ];
    for (const shape of shapes) {
      const text = `---\n${JSON.stringify(shape)}\n---\n${agent.instructions}\n`;
      expect(parseAgent({ skill: text, files: [] }).manifest).toEqual(manifest);
    }
  });

  it("has a row for every key of the manifest, and says which are in force", () => {
    const told = rows("The manifest").filter(([cell = ""]) => cell.startsWith("`"));
    const table = told.map(([key = "", force]) => [quoted(key)[0], force]);
    const nested = ["agent", "llm_config", "limits", "io"];
    const keys = Object.entries(AgentManifest.shape).flatMap(([key, schema]) => {
      const inner = schema instanceof z.ZodOptional ? schema.unwrap() : schema;
      const below = nested.includes(key) && inner instanceof z.ZodObject ? inner.shape : {};
      return [key, ...Object.keys(below).map((name) => `${key}.${name}`)];
    });
    expect(table.map(([key]) => key)).toEqual(keys);
    const idle = table.filter(([, force]) => force === "no").map(([key]) => key);
    const full = `---
agent: {id: x}
llm_config:
  {provider: a, model: b, temperature: 1, fallback_provider: c, fallback_model: d, chat_only: true, context_window_tokens: 9}
capabilities: [{type: SandboxFunctions, allowed: [mcp_]}]
limits: {max_memory_mb: 64, max_execution_time_sec: 60, token_budget_monthly: 1}
background: {enabled: true}
disclosure: {rules: []}
io: {accepts: {type: object}, returns: {type: object}, output_policy: {min_artifact_builds: 1}}
middleware: {pre_process: x}
validation: strict
remote_access: {approval_mode: deny}
credential_env: [KEY]
mcp_servers: [{name: a, url: "https://example.org"}]
---
Go.
`;
    const older = full
      .replace(/, output_policy: .*$/m, "}")
      .replace("---\nGo", "response_contract: {}\n---\nGo");
    const noted = [full, older].flatMap((text) =>
      parseAgent({ skill: text, files: [] }).notes.map(({ path }) => path),
    );
    expect([...new Set(noted)].sort()).toEqual([...idle].sort());
  });

  it("has a row for every capability with its members, and names tools that there are", () => {
    const told = rows("Capabilities").filter(([cell = ""]) => cell.startsWith("`"));
    const table = told.map(([type, members]) => [quoted(type)[0], quoted(members)]);
    const options = Capability.options.map((option) => [
      option.shape.type.value,
      Object.keys(option.shape).filter((key) => key !== "type"),
    ]);
    expect([...table].sort()).toEqual([...options].sort());
    for (const name of told.flatMap(([, , opens]) => quoted(opens))) {
      if (/^[a-z]+_[a-z_]*[a-z]$/.test(name)) expect(findTool(name)?.name, name).toBe(name);
    }
  });

  it("gives inputs that are the same for the agent above", () => {
    const [given = ""] = blocks("json");
    for (const one of JSON.parse(given)) {
      for (const mode of ["reasoning", "script"] as const) {
        const answer = coerceInput(agent.manifest.io?.accepts, one, { mode });
        expect(answer).toMatchObject({ ok: true, input: { city: "Ghent", days: 3 } });
      }
    }
    expect(guide).toContain(`at most ${limits.inputSchemaBytes / 1024} KiB`);
    expect(limits.inputCheckMs).toBe(500);
    const most = `${limits.agentFiles} files and ${limits.agentBytes / 1024 ** 2} MiB`;
    expect(guide).toContain(`A folder has at most ${most}`);
  });

  it("shows what the terminal says of an agent that is wrong", async () => {
    const folder = join(tempDirUntilExit("guide"), "weather.default");
    mkdirSync(folder);
    const wrong = skill
      .replace("      model:", "      modle:")
      .replace("ReadAccess", "ReadAcces")
      .replace("api.weather.example", "https://api.weather.example");
    writeFileSync(join(folder, "SKILL.md"), wrong);
    const { code, out } = await typed(["agents", "validate", folder], { url });
    expect(code).toBe(1);
    const [shown = ""] = blocks("text");
    expect(out.replaceAll(`${dirname(folder)}/`, "")).toBe(
      `${shown}✗ weather.default: 3 problems\n`,
    );
  });

  it("names the agents that come along, each and no other", async () => {
    const told = rows("Agents that come along").map(([id]) => quoted(id)[0]);
    const there = (await loadReferenceAgents()).map(({ manifest }) => manifest.agent.id);
    expect(told.filter(Boolean).sort()).toEqual(there);
  });

  it("has a table of commands that the terminal knows, with options that they have", async () => {
    const lines = rows("Installing")
      .flatMap(([cell]) => quoted(cell))
      .flatMap((line) => [...line.matchAll(/^airlock ([^<|]*)/g)].map(([, own = ""]) => own));
    expect(lines.length).toBeGreaterThan(4);
    for (const own of lines) {
      const [first = "", second = ""] = own.split(" ");
      const command = first === "agents" ? [first, second] : [first];
      const { code, out } = await typed([...command, "--help"], { url });
      expect(code, own).toBe(0);
      expect(out, own).toContain(`Usage: airlock ${command.join(" ")}`);
      for (const [option] of own.matchAll(/(?<=\s)--[a-z-]+/g)) expect(out, own).toContain(option);
    }
  });
});
