/** Agents as people write them: every shape of the founding documents, the agents that come along, and any text at all. */
import { mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { stringify } from "yaml";
import {
  agentTemplate,
  exportSkill,
  loadAgent,
  loadReferenceAgents,
  parseAgent,
} from "../src/agents/agents.ts";
import { AgentManifest, scriptLanguages } from "../src/contract/manifest.ts";
import { Problem } from "../src/contract/problem.ts";
import { findTool } from "../src/tools/tools.ts";
import { foundingManifests, manifestShapes } from "./support/founding-manifests.ts";
import { tempDirUntilExit } from "./support/temp-dir.ts";
import { typed } from "./support/terminal.ts";

const [coder] = foundingManifests;
const url = "http://127.0.0.1:9";

describe("the founding manifests", () => {
  it.each(Object.entries(manifestShapes))("say the same in every shape: %s", (_, write) => {
    for (const one of foundingManifests) {
      const { manifest, instructions } = parseAgent({ skill: write(one), files: [] });
      expect(manifest).toEqual(one.manifest);
      expect(instructions).toBe("# Work\n\nDo it.");
    }
  });

  it("are told what of them has no effect yet, and nothing of what has", () => {
    const skill = manifestShapes["YAML below metadata.autonoetic"]?.(coder as never) ?? "";
    const { notes } = parseAgent({ skill, files: [] });
    expect(notes.map(({ path }) => path)).toEqual(["name", "io.output_policy"]);
    for (const { line, message, remedy } of notes) {
      expect(line).toBeGreaterThan(1);
      expect(message.length + remedy.length).toBeGreaterThan(20);
    }
  });

  it("of the older kind have their response_contract read as io.output_policy", () => {
    const { io: _, ...manifest } = coder?.manifest ?? {};
    const response_contract = {
      ...{ max_reply_length_chars: 2000, min_artifact_builds: 1 },
      ...{ validation_max_loops: 2, validation_max_duration_ms: 60_000 },
    };
    const frontmatter = stringify({ ...manifest, response_contract });
    const read = parseAgent({ skill: `---\n${frontmatter}---\nDo it.\n`, files: [] });
    expect(read.manifest).toEqual(coder?.manifest);
  });

  it.each([
    ...["content.write", "content.read", "sandbox.exec", "artifact.build", "artifact.inspect"],
    ...["artifact.exec", "artifact.resolve_ref", "workflow.state", "workflow.wait"],
    ...["workflow.cancel_task", "agent.spawn", "agent.message", "agent.exists", "agent.discover"],
    ...["user.ask", "user.interaction.status", "execution.search", "approval.status"],
    ...["session.escalate"],
  ])("may name a tool in either spelling: %s", (dotted) => {
    const underscore = dotted.replaceAll(".", "_");
    expect(findTool(dotted)?.name).toBe(underscore);
    expect(findTool(underscore)).toBe(findTool(dotted));
  });
});

describe("the agents that come with the gateway", async () => {
  const agents = await loadReferenceAgents();
  const byId = new Map(agents.map((agent) => [agent.manifest.agent.id, agent]));
  const typesOf = (id: string) => byId.get(id)?.manifest.capabilities.map(({ type }) => type);

  it("are these, and nothing is to be said against one", () => {
    expect([...byId.keys()]).toEqual(
      ["architect", "coder", "debugger", "executor", "packager", "planner", "researcher"].map(
        (role) => `${role}.default`,
      ),
    );
    for (const { notes, manifest } of agents) expect(notes, manifest.agent.id).toEqual([]);
  });

  it("have the power that their work needs and no more", () => {
    expect(typesOf("planner.default")?.sort()).toEqual([
      ...["AgentMessage", "AgentSpawn", "ReadAccess", "WriteAccess"],
    ]);
    expect(typesOf("architect.default")?.sort()).toEqual(["ReadAccess", "WriteAccess"]);
    const reaching = agents.filter(({ manifest: { capabilities } }) =>
      capabilities.some(({ type }) => type === "NetworkAccess"),
    );
    expect(reaching.map(({ manifest }) => manifest.agent.id)).toEqual(["packager.default"]);
    const patterns = byId
      .get("packager.default")
      ?.manifest.capabilities.flatMap((one) => (one.type === "CodeExecution" ? one.patterns : []));
    expect(patterns).toEqual(expect.arrayContaining(["go ", "cargo ", "pip ", "npm install"]));
    const policy = byId.get("packager.default")?.manifest.remote_access;
    expect(policy).toMatchObject({ approval_mode: "preapproved", targets: [{ kind: "any" }] });
  });

  it("name only tools that there are, and only agents that there are", () => {
    const fields = new Set(["agent_id", "agent_bundle", "artifact_ref", "execution_mode"]);
    const tool = /`((?:agent|artifact|content|execution|sandbox|session|user|workflow)_[a-z_]+)/g;
    let named = 0;
    for (const { instructions, manifest } of agents) {
      for (const [, name = ""] of instructions.matchAll(tool)) {
        if (fields.has(name)) continue;
        expect(findTool(name)?.name, `${manifest.agent.id}: ${name}`).toBe(name);
        named += 1;
      }
      for (const [, id = ""] of instructions.matchAll(/`([a-z]+\.default)`/g)) {
        expect(byId.has(id), `${manifest.agent.id}: ${id}`).toBe(true);
      }
    }
    expect(named).toBeGreaterThan(30);
  });

  it("fail loudly when one is wrong, or lies where another belongs", async () => {
    const folder = tempDirUntilExit("reference");
    const one = join(folder, "odd.default");
    mkdirSync(one);
    const skill = (id: string) => `---\nagent: {id: ${id}}\ncapabilities: {}\n---\nGo.\n`;
    writeFileSync(join(one, "SKILL.md"), skill("odd.default"));
    await expect(loadReferenceAgents(folder)).rejects.toThrow(/odd\.default is wrong: SKILL\.md/);
    const [planner] = agentTemplate({ id: "other.default" });
    writeFileSync(join(one, "SKILL.md"), planner?.text ?? "");
    await expect(loadReferenceAgents(folder)).rejects.toThrow('has the id "other.default"');
  });
});

describe("a new agent", () => {
  it.each([undefined, ...scriptLanguages])("of the kind %s is right as it is", async (script) => {
    const folder = join(tempDirUntilExit("init"), "my.agent");
    const flags = script === undefined ? [] : ["--script", script];
    const made = await typed(["agents", "init", folder, ...flags], { url });
    expect(made).toMatchObject({ code: 0, err: "" });
    expect(made.out).toContain("SKILL.md");
    const { manifest, notes } = await loadAgent(folder);
    expect(manifest.agent.id).toBe("my.agent");
    expect(manifest.execution_mode).toBe(script === undefined ? undefined : "script");
    expect(notes).toEqual([]);
    const again = await typed(["agents", "init", folder, ...flags], { url });
    expect(again.code).toBe(1);
    expect(again.err).toContain("is there already");
    const checked = await typed(["agents", "validate", folder], { url });
    expect(checked).toMatchObject({ code: 0, err: "" });
    expect(checked.out).toContain("✓ my.agent can be installed");
  });

  it("is told in the terminal what is wrong with it, by line, and as JSON", async () => {
    const folder = tempDirUntilExit("validate");
    const file = join(folder, "SKILL.md");
    const [one] = agentTemplate({ id: "my.agent" });
    writeFileSync(file, one?.text.replace("patterns:", "paterns:") ?? "");
    const told = await typed(["agents", "validate", folder], { url });
    expect(told.code).toBe(1);
    expect(told.out).toContain(`${file}:19:9  error  "paterns" is no key of capabilities.2`);
    expect(told.out).toContain("→ Did you mean patterns?");
    const json = await typed(["agents", "validate", file, "--json"], { url });
    expect(json.code).toBe(1);
    expect(JSON.parse(json.out)).toMatchObject({
      ...{ path: file, ok: false, agent: null, notes: [] },
      problems: [{ line: 19, column: 9, path: "capabilities.2.paterns" }],
    });
    const tty = await typed(["agents", "validate", folder], { url, tty: true });
    expect(tty.out).toContain("\u001b[31merror");
    const nowhere = await typed(["agents", "validate", join(folder, "none")], { url });
    expect(nowhere.code).toBe(2);
  });

  it("brings no symbolic link", async () => {
    const folder = tempDirUntilExit("link");
    const [one] = agentTemplate({ id: "my.agent" });
    writeFileSync(join(folder, "SKILL.md"), one?.text ?? "");
    symlinkSync("/etc/passwd", join(folder, "notes.txt"));
    await expect(loadAgent(folder)).rejects.toThrow("is a symbolic link");
  });
});

/** Anything that the contract calls a manifest, filled with what a person may write. */
const manifests = fc
  .record(
    {
      id: fc.stringMatching(/^[A-Za-z0-9_-]{1,12}(\.[a-z0-9]{1,8})?$/),
      name: fc.string({ minLength: 1, maxLength: 40 }),
      description: fc.string({ maxLength: 200 }),
      model: fc.string({ minLength: 1, maxLength: 30 }),
      patterns: fc.array(fc.string({ minLength: 1, maxLength: 30 }), {
        minLength: 1,
        maxLength: 4,
      }),
      accepts: fc.constantFrom({ type: "object" }, true, { enum: ["no", "~", "1"] }),
      validation: fc.constantFrom("soft" as const, "strict" as const),
      instructions: fc.string({ minLength: 1, unit: "grapheme" }),
    },
    { requiredKeys: ["id", "name", "description", "model", "patterns", "instructions"] },
  )
  .map(({ id, name, description, model, patterns, accepts, validation, instructions }) => ({
    instructions: `Go.\n${instructions}`.replaceAll(/\r\n?/g, "\n").trimEnd(),
    manifest: AgentManifest.parse({
      agent: { id, name, description },
      llm_config: { provider: "anthropic", model },
      capabilities: [{ type: "CodeExecution", patterns }],
      ...(accepts === undefined ? {} : { io: { accepts } }),
      ...(validation === undefined ? {} : { validation }),
    }),
  }));

describe("any text", () => {
  const outcome = (skill: string) => {
    try {
      return parseAgent({ skill, files: [] });
    } catch (error) {
      if (!(error instanceof Problem) || error.code !== "agent_invalid") throw error;
      expect(error.details?.problems).not.toHaveLength(0);
      return undefined;
    }
  };

  it("is an agent, or agent_invalid with at least one problem", () => {
    const yaml = fc.oneof(fc.string(), fc.json(), fc.string({ unit: "binary" }));
    fc.assert(
      fc.property(yaml, fc.string(), (head, body) => {
        outcome(head);
        outcome(`---\n${head}\n---\n${body}`);
        outcome(`---\nmetadata: ${head}\n---\n${body}`);
      }),
      { numRuns: 500 },
    );
  });

  it("that was right and had a piece cut out or put in is an agent, or agent_invalid", () => {
    const skill = manifestShapes["YAML below metadata.autonoetic"]?.(coder as never) ?? "";
    const at = fc.nat({ max: skill.length });
    const pieces = [
      "",
      "\t",
      "- ",
      ": ",
      "{",
      "[",
      '"',
      "'",
      "*",
      "&a ",
      "!!set ",
      "#",
      "? ",
      "|",
      "\0",
    ];
    fc.assert(
      fc.property(at, fc.nat({ max: 12 }), fc.constantFrom(...pieces), (from, length, piece) => {
        outcome(skill.slice(0, from) + piece + skill.slice(from + length));
      }),
      { numRuns: 500 },
    );
  });

  it("as JSON of any value below metadata is an agent, or agent_invalid", () => {
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        for (const metadata of [{ autonoetic: value }, { airlock: { capabilities: value } }]) {
          outcome(`---\n${stringify({ name: "x", metadata })}---\nGo.\n`);
          outcome(`---\n${stringify({ metadata: JSON.stringify(metadata) })}---\nGo.\n`);
        }
      }),
      { numRuns: 200 },
    );
  });

  it("that is written in canonical form is the same agent when it is read again", () => {
    fc.assert(
      fc.property(manifests, (agent) => {
        const { manifest, instructions } = parseAgent({ skill: exportSkill(agent), files: [] });
        expect({ manifest, instructions }).toEqual(agent);
      }),
      { numRuns: 300 },
    );
  });
});
