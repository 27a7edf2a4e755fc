/**
 * MCP servers of installed agents, in a tree of runs: a task has the servers of its own agent's manifest, within the grant
 * of the tree (I13), and none of those that the run has which gave it.
 */
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { isEvent } from "../src/sdk/sdk.ts";
import { call, clientOf, historyOf } from "./support/airlock-api.ts";
import { type McpTestServer, openMcpServer } from "./support/mcp-server.ts";
import { resultsOf } from "./support/results-of.ts";
import { type StartedGateway, startGateway } from "./support/start-gateway.ts";
import { installAgents, plannerPower, skillOf } from "./support/workflow-agents.ts";

const token = "desk-token-90b1d7725c";
const spawn = { tool: "agent_spawn", arguments: { agent_id: "desk.default", message: "Look" } };
const scripts = {
  planner: { turns: [{ calls: [spawn] }, { text: "Done." }] },
  desk: {
    turns: [
      {
        calls: [
          { tool: "mcp_tickets_list", arguments: { open: true } },
          { tool: "mcp_other_list", arguments: {} },
        ],
      },
      { text: "Looked." },
    ],
  },
};
const functions = { type: "SandboxFunctions" as const, allowed: ["mcp_"] };
let gateway: StartedGateway;
let tickets: McpTestServer;
let other: McpTestServer;

beforeAll(async () => {
  [tickets, other] = await Promise.all([
    openMcpServer({ token, tools: [{ name: "list" }] }),
    openMcpServer({ tools: [{ name: "list" }] }),
  ]);
  const env = { AIRLOCK_PRIVATE_HOSTS: `${tickets.host},${other.host}` };
  gateway = await startGateway({ script: { scripts }, env });
  await call(gateway, "PUT", "/api/secrets/DESK_TOKEN", { value: token });
  const mcp_servers = [
    { name: "tickets", url: tickets.url, secret: "DESK_TOKEN", preapproved: ["list"] },
  ];
  await installAgents(gateway, [
    { id: "planner.default", capabilities: plannerPower },
    { id: "desk.default", capabilities: [functions], more: { mcp_servers } },
  ]);
});
afterAll(async () => {
  await gateway.stop();
  for (const one of [tickets, other]) await one.close();
});
beforeEach(() => {
  tickets.methods.length = 0;
  other.methods.length = 0;
});

/** What the task was told of its calls. */
async function told(submission: object): Promise<Record<string, unknown>[]> {
  const run = await clientOf(gateway).submitRun({ prompt: "go", ...submission });
  expect(await run.wait()).toMatchObject({ status: "succeeded" });
  const [answer] = await resultsOf(gateway, run.id);
  const task = answer?.task_id;
  return resultsOf(gateway, typeof task === "string" ? task : run.id);
}

describe("an installed agent", () => {
  it("has the servers of its manifest, with a secret of its workspace", async () => {
    const results = await told({ agent: "desk.default" });
    expect(results).toMatchObject([{ ok: true, server: "tickets" }, { ok: false }]);
    expect(tickets.calls.at(-1)?.headers.authorization).toBe(`Bearer ${token}`);
  });

  it("has them as a task of another agent, which has none, and nothing of that one's", async () => {
    const mcpServers = [{ name: "other", url: other.url, preapproved: ["*"] }];
    const results = await told({ agent: "planner.default", mcpServers });
    expect(results).toMatchObject([{ ok: true, server: "tickets" }, { ok: false }]);
    expect(other.methods).toEqual([]);
  });

  it("has no more of them than the grant of its tree (I13)", async () => {
    const results = await told({ agent: "planner.default", grant: plannerPower });
    expect(results).toMatchObject([{ ok: false }, { ok: false }]);
    expect(tickets.methods).toEqual([]);
    const grant = [...plannerPower, functions];
    expect(await told({ agent: "planner.default", grant })).toMatchObject([
      ...[{ ok: true }, { ok: false }],
    ]);
  });

  it("is refused at submission when its secret is not there, and ends nothing later", async () => {
    await call(gateway, "DELETE", "/api/secrets/DESK_TOKEN");
    const refused = await call(gateway, "POST", "/api/runs", {
      agent: "desk.default",
      prompt: "x",
    });
    expect([refused.status, JSON.stringify(refused.body)]).toEqual([
      ...[400, expect.stringContaining("agent.mcp_servers[0].secret")],
    ]);
    const results = await told({ agent: "planner.default" });
    expect(results).toMatchObject([{ ok: false }, { ok: false }]);
    await call(gateway, "PUT", "/api/secrets/DESK_TOKEN", { value: token });
  });

  it("may have its server replaced by the submission, which then counts", async () => {
    const mcpServers = [{ name: "tickets", url: other.url, preapproved: ["list"] }];
    const run = await clientOf(gateway).submitRun({
      agent: "desk.default",
      prompt: "x",
      mcpServers,
    });
    await run.wait();
    expect([tickets.methods, other.methods.includes("tools/call")]).toEqual([[], true]);
    const listed = (await historyOf(gateway, run.id)).filter((event) =>
      isEvent(event, "mcp.listed"),
    );
    expect(listed.map(({ data }) => data.host)).toEqual([other.host]);
  });

  it("is not installed with servers that cannot be told apart", async () => {
    const url = tickets.url;
    const mcp_servers = [
      { name: "git", url },
      { name: "git_hub", url },
    ];
    const more = { mcp_servers };
    const content = skillOf({ id: "two.default", capabilities: [functions], more });
    const { status, body } = await call(gateway, "POST", "/api/agents", {
      files: [{ path: "SKILL.md", content }],
    });
    expect([status, JSON.stringify(body)]).toEqual([400, expect.stringMatching(/git.*git_hub/)]);
  });
});
