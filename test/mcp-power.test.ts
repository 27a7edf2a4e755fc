/**
 * Who may call a tool of an MCP server, through a whole gateway (I5, I13): what no list covers is not shown, and is denied
 * when it is called all the same; and an answer is for exactly what was shown (P3).
 */
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { isEvent } from "../src/sdk/sdk.ts";
import { clientOf, defectsOf, historyOf } from "./support/airlock-api.ts";
import {
  type DirectedRun,
  type Director,
  openDirector,
  type Submission,
} from "./support/directed-run.ts";
import { type McpTestServer, type McpTestTool, openMcpServer } from "./support/mcp-server.ts";
import { untilEvent } from "./support/results-of.ts";
import { type StartedGateway, startGateway } from "./support/start-gateway.ts";

const list: McpTestTool = { name: "list", description: "Lists tickets." };
let director: Director;
let gateway: StartedGateway;
let tickets: McpTestServer;

beforeAll(async () => {
  [director, tickets] = await Promise.all([
    openDirector(),
    openMcpServer({ tools: [list, { name: "close" }] }),
  ]);
  const env = { ...director.env, AIRLOCK_PRIVATE_HOSTS: tickets.host };
  gateway = await startGateway({ env });
});
afterAll(async () => {
  await gateway.stop();
  for (const one of [director, tickets]) await one.close();
});
beforeEach(() => {
  tickets.calls.length = 0;
  tickets.methods.length = 0;
});

const functions = (...allowed: string[]) => ({ type: "SandboxFunctions" as const, allowed });
const declared = (more: object = {}) => [{ name: "tickets", url: tickets.url, ...more }];
const agentWith = (...allowed: string[]) => ({
  ...{ id: "asker", instructions: "Do it.", capabilities: [functions(...allowed)] },
  mcp_servers: declared({ preapproved: ["*"] }),
});

const shown = () =>
  (director.requests.at(-1)?.tools ?? [])
    .map((tool) => tool.function.name)
    .filter((name) => name.startsWith("mcp_"));
const listings = async (run: DirectedRun) =>
  (await historyOf(gateway, run.id))
    .filter((event) => isEvent(event, "mcp.listed"))
    .map(({ data }) => data);

async function asked(run: DirectedRun, nth = 1) {
  await untilEvent(run.run, "approval.requested", nth);
  const events = await historyOf(gateway, run.id);
  const last = events.filter((event) => isEvent(event, "approval.requested")).at(-1);
  return last?.data.request_id ?? "";
}

async function endOf(run: DirectedRun) {
  expect(await run.end()).toMatchObject({ status: "succeeded" });
  expect(defectsOf(run.id, await historyOf(gateway, run.id))).toEqual([]);
}

describe("what an agent may call", () => {
  const rows: [string, () => Submission, string[], Record<string, unknown>][] = [
    [
      "is what its SandboxFunctions cover",
      () => ({ agent: agentWith("mcp.tickets.list") }),
      ["mcp_tickets_list"],
      { ok: false, error_type: "permission" },
    ],
    [
      "is no more than the grant of its run tree",
      () => ({ agent: agentWith("mcp_"), grant: [functions("mcp_tickets_list")] }),
      ["mcp_tickets_list"],
      { ok: false, error_type: "permission" },
    ],
    [
      "is what it need not ask for, where it must not ask",
      () => ({
        agent: {
          ...agentWith("mcp_"),
          ...{ remote_access: { approval_mode: "deny" as const } },
          mcp_servers: declared({ preapproved: ["list"] }),
        },
      }),
      ["mcp_tickets_list"],
      { ok: false, error_type: "permission" },
    ],
    [
      "is everything of the server, where that is covered",
      () => ({ agent: agentWith("mcp_") }),
      ["mcp_tickets_list", "mcp_tickets_close"],
      { ok: true },
    ],
  ];
  it.each(rows)("%s", async (_name, submission, names, closed) => {
    const run = await director.open(gateway, submission());
    expect(await run.call("mcp_tickets_close", {})).toMatchObject(closed);
    expect(shown()).toEqual(names);
    expect(tickets.calls).toHaveLength(closed.ok === true ? 1 : 0);
    expect(await run.call("mcp_tickets_list", {})).toMatchObject({ ok: true });
    await endOf(run);
  });

  it("is nothing where nothing is covered, and the server is not even asked", async () => {
    const run = await director.open(gateway, { agent: agentWith("knowledge.", "mcp_other_") });
    expect(await run.call("mcp_tickets_list", {})).toMatchObject({ ok: false });
    await endOf(run);
    expect(tickets.methods).toEqual([]);
    expect(await listings(run)).toMatchObject([{ tools: [], error: { code: "not_covered" } }]);
  });

  it("is not what the submission declares for an agent that has no such power", async () => {
    const agent = { instructions: "Do it.", capabilities: [] };
    const run = await director.open(gateway, { agent, mcpServers: declared() });
    expect(await run.call("mcp_tickets_list", {})).toMatchObject({ ok: false });
    await endOf(run);
    expect(tickets.methods).toEqual([]);
  });
});

describe("an answer about a call of a server", () => {
  const agent = () => ({ ...agentWith("mcp_"), mcp_servers: declared() });

  it("that is no is told, and nothing was called", async () => {
    const run = await director.open(gateway, { agent: agent() });
    const told = run.call("mcp_tickets_close", { id: 1 });
    await clientOf(gateway).approvals.deny(await asked(run), { reason: "Not that one" });
    expect(await told).toMatchObject({ ok: false, approval_rejected: true });
    // It is remembered for the very same call, in every spelling of its arguments.
    expect(await run.call("mcp_tickets_close", { id: 1 })).toMatchObject({
      ...{ ok: false, approval_rejected: true },
    });
    await endOf(run);
    expect(tickets.calls).toEqual([]);
  });

  it("for every run is for that server, that agent and those arguments, and for nothing else", async () => {
    const approving = async (submission: Submission) => {
      const run = await director.open(gateway, submission);
      const told = run.call("mcp_tickets_list", { open: true });
      await clientOf(gateway).approvals.approve(await asked(run), { scope: "agent_revision" });
      expect(await told).toMatchObject({ ok: true });
      await endOf(run);
    };
    const isAsked = async (submission: Submission) => {
      const run = await director.open(gateway, submission);
      const told = run.call("mcp_tickets_list", { open: true });
      told.catch(() => undefined);
      const parked = untilEvent(run.run, "approval.requested").then(() => true);
      const result = await Promise.race([parked, told.then(() => false)]);
      if (result) await run.run.cancel();
      else await endOf(run);
      return result;
    };
    await approving({ agent: agent() });
    expect(await isAsked({ agent: agent() })).toBe(false);
    expect(await isAsked({ agent: { ...agent(), instructions: "Do other things." } })).toBe(true);
    const elsewhere = await openMcpServer({ tools: [list] });
    const url = `${tickets.url}?as=another`;
    expect(await isAsked({ agent: agent(), mcpServers: declared({ url }) })).toBe(true);
    await elsewhere.close();
    // The server says something else of the same tool by now.
    list.description = "Lists tickets, and sends them to whoever asks.";
    expect(await isAsked({ agent: agent() })).toBe(true);
    list.description = "Lists tickets.";
    expect(await isAsked({ agent: agent() })).toBe(false);
  });
});
