/**
 * The client against servers on loopback: those that keep to the specification, and those that do not.
 */
import type { ServerResponse } from "node:http";
import { afterEach, describe, expect, it } from "vitest";
import {
  type McpTestOptions,
  type McpTestServer,
  openMcpServer,
} from "../../test/support/mcp-server.ts";
import type { Arrived } from "../../test/support/upstream.ts";
import { systemClock } from "../base/clock.ts";
import { limits } from "../base/limits.ts";
import { openLog } from "../base/log.ts";
import { type McpClient, McpError, openMcpClient } from "./mcp.ts";

const opened: { close(): Promise<void> }[] = [];
afterEach(async () => {
  for (const one of opened.splice(0)) await one.close();
});
const never = new AbortController().signal;

async function open(
  options: Partial<McpTestOptions> = {},
): Promise<{ server: McpTestServer; client: McpClient }> {
  const server = await openMcpServer({ tools: [], ...options });
  const client = openMcpClient({
    async reach(init) {
      try {
        return await fetch(server.url, { ...init, redirect: "manual" });
      } catch (cause) {
        init.signal.throwIfAborted();
        throw new McpError("unreachable", "It is gone", { cause });
      }
    },
    ...{ clock: systemClock, log: openLog("silent") },
  });
  opened.push(client, server);
  return { server, client };
}

function callOf(tool: string, more: object = {}) {
  return { tool, arguments: {}, inputSchema: {}, ms: 5_000, ...more };
}

const codeOf = (work: Promise<unknown>) =>
  work.then(
    () => "nothing",
    (error: unknown) => (error instanceof McpError ? `${error.code}: ${error.message}` : error),
  );

/** Answers tools/call in its own way, and everything else as a server should. */
function onCall(answer: (message: { id: number }, response: ServerResponse) => void) {
  return (request: Arrived, response: ServerResponse): boolean => {
    if (request.method !== "POST") return false;
    const message = JSON.parse(request.body.toString());
    if (message.method !== "tools/call") return false;
    answer(message, response);
    return true;
  };
}

const json = (response: ServerResponse, body: unknown, status = 200) =>
  response
    .writeHead(status, { "content-type": "application/json" })
    .end(typeof body === "string" ? body : JSON.stringify(body));
const stream = (response: ServerResponse, ...events: string[]) => {
  response.writeHead(200, { "content-type": "text/event-stream" });
  for (const event of events) response.write(`${event}\n\n`);
  return response;
};
const data = (message: object) => `data: ${JSON.stringify({ jsonrpc: "2.0", ...message })}`;
const done = { content: [{ type: "text", text: "done" }] };

describe("a handshake", () => {
  it.each(["2025-11-25", "2025-06-18", "2025-03-26"])(
    "agrees on %s, says so in every request after it, and ends the session",
    async (version) => {
      const { server, client } = await open({ version, tools: [{ name: "a" }] });
      const listed = await client.listTools(never);
      expect(listed).toMatchObject({ protocol: version, tools: [{ name: "a" }] });
      await client.callTool(callOf("a"), never);
      await client.close();
      expect(server.faults).toEqual([]);
      const [, begin] = server.arrived.map(({ body }) => JSON.parse(body.toString() || "{}"));
      expect(begin).toMatchObject({
        ...{ jsonrpc: "2.0", method: "initialize" },
        params: {
          ...{ protocolVersion: "2025-11-25", capabilities: {} },
          clientInfo: { name: "airlock", version: expect.any(String) },
        },
      });
      expect(server.arrived[1]?.headers["mcp-session-id"]).toBeUndefined();
      expect(server.methods.slice(1)).toEqual([
        ...["initialize", "notifications/initialized", "tools/list", "tools/call", "DELETE"],
      ]);
    },
  );

  it("is not needed in the version without sessions, whose every request stands for itself", async () => {
    const inputSchema = { properties: { region: { type: "string", "x-mcp-header": "Region" } } };
    const { server, client } = await open({ stateless: true, tools: [{ name: "é" }] });
    expect(await client.listTools(never)).toMatchObject({ protocol: "2026-07-28" });
    const given = { inputSchema, arguments: { region: "eu west" } };
    await client.callTool(callOf("é", given), never);
    expect(server.calls[0]?.headers).toMatchObject({
      ...{ "mcp-param-region": "eu west", "mcp-name": "=?base64?w6k=?=" },
    });
    await client.close();
    expect(server.methods).toEqual(["server/discover", "tools/list", "tools/call"]);
    expect(server.faults).toEqual(["mcp-name"]);
  });

  it("is made anew when the server has forgotten the session, and nothing is called twice", async () => {
    let forgotten = false;
    const { server, client } = await open({
      tools: [{ name: "a" }],
      instead: (request, response) => {
        if (forgotten || !request.body.includes("tools/call")) return false;
        forgotten = true;
        response.writeHead(404).end();
        return true;
      },
    });
    await client.callTool(callOf("a"), never);
    expect(server.calls).toHaveLength(1);
    expect(server.methods.filter((method) => method === "initialize")).toHaveLength(2);
  });

  it("ends with a server that speaks none of the versions", async () => {
    const { client } = await open({ version: "1999-01-01" });
    expect(await codeOf(client.listTools(never))).toMatch(/^protocol: .*"1999-01-01"/);
  });
});

describe("a list of tools", () => {
  it("is read page by page", async () => {
    const tools = Array.from({ length: 7 }, (_, n) => ({ name: `t${n}` }));
    const { client } = await open({ tools, pageSize: 3, answers: "stream" });
    const listed = await client.listTools(never);
    expect(listed.tools.map(({ name }) => name)).toEqual(tools.map(({ name }) => name));
  });

  it("has an end, whatever the server says", async () => {
    const instead = (request: Arrived, response: ServerResponse) => {
      const { id, method, params } = JSON.parse(request.body.toString() || "{}");
      if (method !== "tools/list") return false;
      json(response, {
        jsonrpc: "2.0",
        id,
        result: { tools: [], nextCursor: next(params.cursor) },
      });
      return true;
    };
    let next = (_cursor?: string): string => "again";
    const { client } = await open({ instead });
    expect(await codeOf(client.listTools(never))).toMatch(/^protocol: .*no end/);
    next = (cursor = "") => `${cursor}x`;
    expect(await codeOf(client.listTools(never))).toMatch(/^too_large: .*64 pages/);
  });

  it("of which there is too much is not read, and holds nobody up", async () => {
    const answering = (tools: string) => (request: Arrived, response: ServerResponse) => {
      if (request.method !== "POST") return false;
      const { id, method } = JSON.parse(request.body.toString());
      if (method !== "tools/list") return false;
      response.setHeader("content-type", "application/json");
      response.end(`{"jsonrpc":"2.0","id":${id},"result":{"tools":[${tools}]}}`);
      return true;
    };
    const many = Array.from({ length: 250_000 }, (_, at) => `{"name":"${at.toString(36)}"}`).join();
    const { client } = await open({ instead: answering(many.slice(0, many.lastIndexOf("{") - 1)) });
    expect(await codeOf(client.listTools(never))).toMatch(/^too_large/);
    const some = Array.from({ length: 5_000 }, (_, at) => `{"name":"t${at}"}`).join();
    const other = await open({ instead: answering(some) });
    expect(await codeOf(other.client.listTools(never))).toMatch(/^too_large: .*4096 tools/);
  });
});

describe("a call", () => {
  const hostile: [string, (message: { id: number }, response: ServerResponse) => void, RegExp][] = [
    ["what is no JSON", (_, response) => json(response, "{"), /^protocol: .*no JSON/],
    ["what is no message", (_, response) => json(response, [1]), /^protocol: .*JSON-RPC/],
    [
      "JSON that is nested too deeply",
      (_, response) => json(response, `${"[".repeat(1e5)}${"]".repeat(1e5)}`),
      /^protocol: .*nested/,
    ],
    ["a page", (_, r) => r.writeHead(200, { "content-type": "text/html" }).end("hi"), /^protocol/],
    [
      "a redirect",
      (_, r) => r.writeHead(307, { location: "http://127.0.0.1:1/" }).end(),
      /^refused/,
    ],
    ["that it is not allowed", (_, response) => json(response, {}, 403), /^unauthorized/],
    ["a failure", (_, response) => json(response, {}, 500), /^server_error: .*HTTP 500/],
    [
      "a complaint",
      ({ id }, response) => json(response, { id, error: { code: 7, message: "Full" } }, 400),
      /^server_error: The server says: Full \(7\)$/,
    ],
    ["nothing", (_, response) => response.writeHead(202).end(), /^protocol/],
    ["an answer to nobody", (_, r) => json(r, { id: 99, result: {} }), /^protocol: .*complete/],
    ["half a stream", (_, response) => stream(response, "data: {").end(), /^protocol/],
    ["a broken stream", (_, response) => stream(response, ": x").destroy(), /^unreachable/],
    [
      "questions without end",
      (_, response) =>
        stream(response, ...Array.from({ length: 40 }, (_, id) => data({ id, method: "ping" }))),
      /^protocol: .*asks back/,
    ],
  ];
  it.each(hostile)("that is answered with %s fails, and says why", async (_name, answer, why) => {
    const { client } = await open({ instead: onCall(answer) });
    expect(await codeOf(client.callTool(callOf("a"), never))).toMatch(why);
  });

  it("is cut when the answer is larger than any should be", async () => {
    let written = 0;
    let gone = Promise.resolve();
    const endless = onCall((_, response) => {
      const { promise, resolve } = Promise.withResolvers<void>();
      gone = promise;
      response.writeHead(200, { "content-type": "text/event-stream" }).on("close", resolve);
      const more = () => {
        while (!response.destroyed && written < 256 * 1024 * 1024) {
          written += 65_536;
          if (!response.write(`: ${"x".repeat(65_533)}\n`)) break;
        }
      };
      response.on("drain", more);
      more();
    });
    const { client } = await open({ instead: endless });
    expect(await codeOf(client.callTool(callOf("a"), never))).toMatch(/^too_large/);
    await gone;
    expect(written).toBeLessThan(limits.mcpAnswerBytes + 64 * 1024 * 1024);
  });

  it("answers a ping and refuses every other question while it waits", async () => {
    const { server, client } = await open({
      instead: onCall(({ id }, response) => {
        const asks = [
          data({ id: "p", method: "ping" }),
          data({ id: "s", method: "sampling/createMessage" }),
        ];
        stream(response, ...asks, data({ id, result: done })).end();
      }),
    });
    expect(await client.callTool(callOf("a"), never)).toEqual(done);
    const sent = server.arrived.map(({ body }) => JSON.parse(body.toString() || "{}"));
    expect(sent.find(({ id }) => id === "p")).toEqual({ jsonrpc: "2.0", id: "p", result: {} });
    expect(sent.find(({ id }) => id === "s")).toMatchObject({ error: { code: -32601 } });
  });

  it("is taken up where its stream broke off, and made once", async () => {
    let calls = 0;
    let id = 0;
    const begin = onCall((message, response) => {
      calls += 1;
      id = message.id;
      stream(response, "id: 5\nretry: 100\ndata:").end();
    });
    const { server, client } = await open({
      instead(request, response) {
        if (request.method !== "GET") return begin(request, response);
        expect(request.headers["last-event-id"]).toBe("5");
        stream(response, data({ id, result: done })).end();
        return true;
      },
    });
    expect(await client.callTool(callOf("a"), never)).toEqual(done);
    expect([calls, server.faults]).toEqual([1, []]);
  });

  it("tells of progress that is its own", async () => {
    const told: object[] = [];
    const { client } = await open({
      tools: [
        {
          name: "a",
          answer: (_, tell) => {
            tell({ progress: 1, total: 4, message: "one" });
            tell({ progress: 2, progressToken: "another's" });
            tell({ progress: "all" });
          },
        },
      ],
    });
    const onProgress = (progress: object) => void told.push(progress);
    await client.callTool(callOf("a", { onProgress }), never);
    expect(told).toEqual([{ progress: 1, total: 4, message: "one" }]);
  });

  it("ends with its time, and with its signal, and the server is told", async () => {
    const slow = () => new Promise(() => undefined);
    const { server, client } = await open({ tools: [{ name: "slow", answer: slow }] });
    expect(await codeOf(client.callTool(callOf("slow", { ms: 100 }), never))).toMatch(
      /^timed_out: .*0.1 seconds/,
    );
    const abort = new AbortController();
    const asked = client.callTool(callOf("slow"), abort.signal);
    const reason = new Error("enough");
    setTimeout(() => abort.abort(reason), 50);
    expect(await codeOf(asked)).toBe(reason);
    await client.close();
    const cancelled = server.methods.filter((method) => method === "notifications/cancelled");
    expect(cancelled).toHaveLength(2);
  });
});
