/** What an agent finds out about the calls of its tree: everything of its own, the outcome of others', nothing of another tree. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { clientOf } from "./support/airlock-api.ts";
import { everyCommand } from "./support/every-command.ts";
import { openPlayingModel, type PlayingModel } from "./support/playing-model.ts";
import { resultsOf } from "./support/results-of.ts";
import { type StartedGateway, startGateway } from "./support/start-gateway.ts";
import { installAgents, plannerPower } from "./support/workflow-agents.ts";

const runs = (command: string) => ({ tool: "sandbox_exec", arguments: { command } });
const search = (more = {}) => ({ tool: "execution_search", arguments: more });

interface Found {
  tool_name: string;
  command: string | null;
  success: boolean;
  session_id: string;
  agent_id: string;
  exit_code: number | null;
  arguments?: string;
  result?: string;
  message?: string;
}

let model: PlayingModel;
let gateway: StartedGateway;
beforeAll(async () => {
  model = await openPlayingModel({
    parent: [
      [{ tool: "agent_spawn", arguments: { agent_id: "coder.default", message: "play child" } }],
      [
        search({ limit: 100 }),
        search({ tool_name: "sandbox.exec", success: false }),
        search({ command_pattern: "100%_SURE" }),
        search({ command_pattern: "100%" }),
        search({ agent_id: "coder.default", limit: 2 }),
        search({ error_type: "permission" }),
        search({ session_id: "run_00000000000000000000000000" }),
        search({ limit: 101 }),
      ],
      "Done.",
    ],
    child: [
      [runs("echo child-secret-output"), runs("exit 3"), runs("echo 100%_sure")],
      [{ tool: "agent_spawn", arguments: { agent_id: "x.y", message: "no" } }],
      [search({ tool_name: "sandbox_exec" })],
      "Done.",
    ],
    stranger: [[runs("echo 100%_sure of another tree")], [search({ limit: 100 })], "Done."],
  });
  gateway = await startGateway({ env: model.env });
  const more = { llm_config: { provider: "compatible", model: "agents" } };
  await installAgents(gateway, [
    { id: "planner.default", capabilities: plannerPower, more },
    {
      ...{ id: "coder.default", more },
      capabilities: [{ type: "CodeExecution", patterns: everyCommand }],
    },
  ]);
});
afterAll(async () => {
  await gateway.stop();
  await model.close();
});

describe("execution_search", () => {
  it("finds the calls of the tree, newest first, and tells of others' only what became of them", async () => {
    const stranger = await clientOf(gateway).submitRun({
      ...{ agent: "coder.default", message: "play stranger" },
    });
    await stranger.wait();
    const made = { name: "other", scopes: ["runs" as const], workspace: "elsewhere" };
    const other = await clientOf(gateway).tokens.create(made);
    const elsewhere = { url: gateway.url, token: other.secret };
    const code = { type: "CodeExecution" as const, patterns: everyCommand };
    const foreign = await clientOf(elsewhere).submitRun({
      ...{ model: "compatible/agents", prompt: "play stranger" },
      agent: { instructions: "Look.", capabilities: [code] },
    });
    await foreign.wait();
    // Two trees that do the same, in two workspaces (I14): each finds its own call and no other.
    for (const [at, { id }] of [[gateway, stranger] as const, [elsewhere, foreign] as const]) {
      const [, seen] = await resultsOf(at, id);
      expect(seen).toMatchObject({ count: 1, results: [{ session_id: id }] });
    }
    const run = await clientOf(gateway).submitRun({
      ...{ agent: "planner.default", message: "play parent" },
    });
    await run.wait();
    const child = (await run.tree()).root.children[0]?.run.id;
    const [spawned, ...searches] = await resultsOf(gateway, run.id);
    expect(spawned).toMatchObject({ ok: true });
    const found = searches.map((one) => (one.results ?? []) as Found[]);
    const [all, failed, literal, percent, ofCoder, denied, nobody] = found;
    // Five calls of the child and the spawn itself; the stranger's are nowhere.
    expect(all?.map((one) => one.tool_name)).toEqual([
      ...["agent_spawn", "execution_search", "agent_spawn"],
      ...["sandbox_exec", "sandbox_exec", "sandbox_exec"],
    ]);
    expect(all?.[0]).toMatchObject({ session_id: run.id, success: true });
    expect(all?.[0]?.arguments).toContain("play child");
    const others = all?.filter((one) => one.session_id === child) ?? [];
    expect(others.length).toBe(5);
    expect(others.every((one) => one.arguments === undefined && one.result === undefined)).toBe(
      true,
    );
    expect(JSON.stringify(others)).not.toContain("child-secret-output\\n");
    expect(failed).toMatchObject([{ command: "exit 3", exit_code: 3, success: false }]);
    expect(literal?.map((one) => one.command)).toEqual(["echo 100%_sure"]);
    expect(percent?.length).toBe(1);
    expect(ofCoder?.length).toBe(2);
    expect(denied).toMatchObject([{ tool_name: "agent_spawn", agent_id: "coder.default" }]);
    expect(denied?.[0]?.message).toContain("AgentSpawn");
    expect(nobody).toEqual([]);
    expect(searches.at(-1)).toMatchObject({ ok: false, error_type: "validation" });
    const own = (await resultsOf(gateway, child ?? "")).at(-1)?.results as Found[];
    expect(own.map((one) => one.command)).toEqual([
      ...["echo 100%_sure", "exit 3", "echo child-secret-output"],
    ]);
    expect(own[2]?.result).toContain("child-secret-output");
    expect(await clientOf(gateway).verify()).toMatchObject({ ok: true, defects: [] });
  });
});
