/**
 * MCP servers that are not there, are slow, lie about where they are, or are cut off: the run goes on, and the model is
 * told what is known.
 */
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { isEvent } from "../src/sdk/sdk.ts";
import { call, clientOf, historyOf } from "./support/airlock-api.ts";
import { type DirectedRun, type Director, openDirector } from "./support/directed-run.ts";
import { type McpTestServer, openMcpServer } from "./support/mcp-server.ts";
import { untilEvent } from "./support/results-of.ts";
import { type StartedGateway, startGateway } from "./support/start-gateway.ts";

const token = "mcp-token-35fe20bb71";
let director: Director;
let gateway: StartedGateway;
let tickets: McpTestServer;
/** A port at which a server is only sometimes. */
let sometimes: number;
let visits = 0;
let inner: Server;
/** What the slow tool of the moment has to say, and whether its caller has gone. */
let gone = Promise.withResolvers<void>();

beforeAll(async () => {
  inner = createServer((_, response) => {
    visits += 1;
    response.end("{}");
  });
  await new Promise<void>((resolve) => inner.listen(0, "127.0.0.1", resolve));
  const innerUrl = `http://127.0.0.1:${(inner.address() as AddressInfo).port}/`;
  [director, tickets] = await Promise.all([
    openDirector(),
    openMcpServer({
      token,
      tools: [
        { name: "list" },
        {
          name: "slow",
          answer: (_, tell) => {
            tell({ progress: 1, message: `at work with ${token}` });
            return new Promise(() => undefined);
          },
        },
      ],
      instead: (request, response) => {
        if (request.url === "/redirect") response.writeHead(307, { location: innerUrl }).end();
        if (request.body.includes('"slow"')) response.once("close", () => gone.resolve());
        return response.headersSent;
      },
    }),
  ]);
  const spare = await openMcpServer({ tools: [] });
  sometimes = Number(spare.host.split(":")[1]);
  await spare.close();
  const hosts = `${tickets.host},127.0.0.1:${sometimes}`;
  gateway = await startGateway({ env: { ...director.env, AIRLOCK_PRIVATE_HOSTS: hosts } });
});
afterAll(async () => {
  await gateway.stop();
  inner.close();
  for (const one of [director, tickets]) await one.close();
});

const declared = (more: object = {}) => [
  { name: "tickets", url: tickets.url, secret: "TICKETS", preapproved: ["*"], ...more },
];
const secrets = { env: { TICKETS: token } };
const systemOf = (run: Director) =>
  String(run.requests.at(-1)?.messages.find(({ role }) => role === "system")?.content);
const listings = async (run: DirectedRun) =>
  (await historyOf(gateway, run.id))
    .filter((event) => isEvent(event, "mcp.listed"))
    .map(({ data }) => data);

describe("a server that is not there", () => {
  const mcpServers = () => [{ name: "late", url: `http://127.0.0.1:${sometimes}/` }];

  it("is told to the model, asked again three times in all, and ends nothing", async () => {
    const run = await director.open(gateway, { mcpServers: mcpServers() });
    for (let turn = 0; turn < 5; turn++) {
      await run.call("content_write", { name: "a.txt", content: `${turn}` });
    }
    expect(systemOf(director)).toContain("The tools of the MCP server late");
    expect(await run.end()).toMatchObject({ status: "succeeded" });
    const errors = (await listings(run)).map(({ error }) => error?.code);
    expect(errors).toEqual(["unreachable", "unreachable", "unreachable"]);
  });

  it("is there for the model as soon as it is there", async () => {
    const run = await director.open(gateway, { mcpServers: mcpServers() });
    await untilEvent(run.run, "mcp.listed");
    const { port, close } = await openAt(sometimes);
    try {
      expect(port).toBe(sometimes);
      await run.call("content_write", { name: "a.txt", content: "a" });
      await run.call("content_write", { name: "a.txt", content: "b" });
      const names = director.requests.at(-1)?.tools?.map((tool) => tool.function.name);
      expect(names).toContain("mcp_late_hello");
      expect(systemOf(director)).not.toContain("The tools of the MCP server late");
      await run.end();
    } finally {
      await close();
    }
  });
});

describe("a server's address", () => {
  it("is the only one that is ever asked: no redirect leads inside", async () => {
    const url = `http://${tickets.host}/redirect`;
    const run = await director.open(gateway, { mcpServers: declared({ url }), secrets });
    await run.call("content_write", { name: "a.txt", content: "a" });
    await run.end();
    const [first] = await listings(run);
    expect(first?.error).toMatchObject({ code: "refused" });
    expect(visits).toBe(0);
  });
});

describe("a credential", () => {
  it("that is wrong or gone is told by its name alone", async () => {
    await call(gateway, "PUT", "/api/secrets/SHARED", { value: token });
    const mcpServers = declared({ secret: "SHARED" });
    const run = await director.open(gateway, { mcpServers });
    expect(await run.call("mcp_tickets_list", {})).toMatchObject({ ok: true });
    await call(gateway, "PUT", "/api/secrets/SHARED", { value: "rotated-value-99120" });
    expect(await run.call("mcp_tickets_list", {})).toMatchObject({
      ...{ ok: false, error_type: "resource", error_kind: "mcp_unauthorized" },
    });
    await call(gateway, "DELETE", "/api/secrets/SHARED");
    expect(await run.call("mcp_tickets_list", {})).toMatchObject({
      ...{ ok: false, error_kind: "mcp_secret_missing", message: expect.stringMatching(/SHARED/) },
    });
    await run.end();
    const said = JSON.stringify([await historyOf(gateway, run.id), gateway.log()]);
    expect(said).not.toMatch(/rotated-value|mcp-token/);
  });
});

describe("a call that takes long", () => {
  const open = (more: object = {}) =>
    director.open(gateway, { mcpServers: declared(), secrets, ...more });

  it("ends with the time of a call, and the server is cut off", async () => {
    gone = Promise.withResolvers();
    const run = await open({ limits: { callSeconds: 1 } });
    expect(await run.call("mcp_tickets_slow", {})).toMatchObject({
      ...{ ok: false, error_type: "resource", error_kind: "mcp_timed_out" },
    });
    await gone.promise;
    await run.end();
    expect(tickets.methods).toContain("notifications/cancelled");
  });

  it("ends with its run, at once", async () => {
    gone = Promise.withResolvers();
    const run = await open();
    run.call("mcp_tickets_slow", {}).catch(() => undefined);
    await untilEvent(run.run, "call.started");
    await run.run.cancel();
    await gone.promise;
    expect(await run.run.wait()).toMatchObject({ status: "cancelled" });
    const events = await historyOf(gateway, run.id);
    const finished = events.find((event) => isEvent(event, "call.finished"));
    expect(finished?.data).toMatchObject({ outcome: "cancelled" });
  });

  it("ends with the approval by which it runs, and says how far it is meanwhile", async () => {
    gone = Promise.withResolvers();
    const run = await open({ mcpServers: declared({ preapproved: [] }) });
    const told = run.call("mcp_tickets_slow", {});
    await untilEvent(run.run, "approval.requested");
    const events = await historyOf(gateway, run.id);
    const request = events.find((event) => isEvent(event, "approval.requested"))?.data;
    const id = request?.request_id ?? "";
    const progress = firstProgress(run);
    await clientOf(gateway).approvals.approve(id, { scope: "run" });
    const seen = await progress;
    expect(seen).toMatchObject({ call_id: request?.call_id, progress: 1, total: null });
    expect(JSON.stringify(seen)).toContain("at work with");
    expect(JSON.stringify(seen)).not.toContain(token);
    await clientOf(gateway).approvals.revoke(id);
    await gone.promise;
    expect(await told).toMatchObject({ ok: false, approval_revoked: true });
    await run.end();
  });
});

async function firstProgress(run: DirectedRun): Promise<unknown> {
  for await (const event of run.run.stream({ live: true })) {
    if (event.type === "call.progress") return event.data;
  }
  return undefined;
}

/** A server at a port that was free a moment ago. */
async function openAt(port: number): Promise<{ port: number; close(): Promise<void> }> {
  const server = await openMcpServer({ tools: [{ name: "hello" }], port });
  return { port: Number(server.host.split(":")[1]), close: server.close };
}
