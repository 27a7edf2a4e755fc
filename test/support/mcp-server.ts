/**
 * An MCP server on loopback, over streamable HTTP as its specification has it: with sessions (2025-11-25) or without
 * (2026-07-28), answering in JSON or in a stream. It is strict: what a conforming server may refuse, it refuses, and
 * `faults` says what it did not like.
 */
import { randomUUID } from "node:crypto";
import type { IncomingHttpHeaders, ServerResponse } from "node:http";
import { type Arrived, openUpstream } from "./upstream.ts";

export interface McpCall {
  tool: string;
  arguments: Record<string, unknown>;
  headers: IncomingHttpHeaders;
}

export interface McpTestTool {
  name: string;
  description?: string;
  inputSchema?: unknown;
  /** What it answers; a promise that never settles: it is slow. */
  answer?: (call: McpCall, tell: (progress: object) => void) => unknown;
}

export interface McpTestOptions {
  tools: McpTestTool[];
  /** Default: with a session. */
  stateless?: boolean;
  /** How results travel. Default: `json`. */
  answers?: "json" | "stream";
  /** The token that every request must carry. */
  token?: string;
  pageSize?: number;
  version?: string;
  /** Default: any that is free. */
  port?: number;
  /** Instead of everything: for servers that do what no server should. */
  instead?: (request: Arrived, response: ServerResponse) => boolean;
}

export interface McpTestServer {
  url: string;
  host: string;
  /** Every JSON-RPC method that came, in order; `DELETE` for the end of a session. */
  methods: string[];
  calls: McpCall[];
  faults: string[];
  arrived: Arrived[];
  close(): Promise<void>;
}

interface Message {
  id?: string | number;
  method?: string;
  params?: Record<string, unknown>;
}

const page = (tools: McpTestTool[]) =>
  tools.map(({ answer: _, ...tool }) => ({ inputSchema: { type: "object" }, ...tool }));

export async function openMcpServer(options: McpTestOptions): Promise<McpTestServer> {
  const { tools, stateless = false, answers = "json", version = "2025-11-25" } = options;
  const sessions = new Set<string>();
  const methods: string[] = [];
  const calls: McpCall[] = [];
  const faults: string[] = [];

  const take = (request: Arrived, response: ServerResponse) => {
    if (options.instead?.(request, response)) return;
    void answerTo(request, response).catch((error: unknown) => {
      faults.push(String(error));
      response.destroy();
    });
  };
  const upstream = await openUpstream(take, undefined, options.port);

  async function answerTo(request: Arrived, response: ServerResponse): Promise<void> {
    const { headers, method } = request;
    if (options.token !== undefined && headers.authorization !== `Bearer ${options.token}`) {
      return void response.writeHead(401).end("who are you");
    }
    const session = headers["mcp-session-id"];
    if (method === "DELETE") {
      methods.push("DELETE");
      return void response.writeHead(sessions.delete(String(session)) ? 204 : 404).end();
    }
    if (method !== "POST") return void response.writeHead(405).end();
    if (!/json.*event-stream/.test(headers.accept ?? "")) faults.push("accept");
    const message = JSON.parse(request.body.toString()) as Message;
    methods.push(message.method ?? "(answer)");
    if (stateless) checkStateless(message, headers);
    else if (message.method === "server/discover") return complain(response, message, -32601, 404);
    else if (message.method !== "initialize") {
      if (!sessions.has(String(session))) return void response.writeHead(404).end("no session");
      if (headers["mcp-protocol-version"] !== version) faults.push("version");
    }
    if (message.id === undefined) return void response.writeHead(202).end();
    await resultOf(message, headers, response);
  }

  function checkStateless({ method, params }: Message, headers: IncomingHttpHeaders): void {
    const meta = (params?._meta ?? {}) as Record<string, unknown>;
    if (headers["mcp-protocol-version"] !== "2026-07-28") faults.push("version");
    if (meta["io.modelcontextprotocol/protocolVersion"] !== "2026-07-28") faults.push("meta");
    if (headers["mcp-method"] !== method) faults.push("mcp-method");
    if (method === "tools/call" && headers["mcp-name"] !== params?.name) faults.push("mcp-name");
    if (headers["mcp-session-id"] !== undefined) faults.push("session");
  }

  async function resultOf(
    message: Message,
    headers: IncomingHttpHeaders,
    response: ServerResponse,
  ): Promise<void> {
    const { method, params = {} } = message;
    const send = opened(response, message, answers);
    switch (method) {
      case "server/discover":
        return send.result({ supportedVersions: ["2026-07-28"], capabilities: { tools: {} } });
      case "initialize": {
        const id = randomUUID();
        sessions.add(id);
        response.setHeader("mcp-session-id", id);
        const serverInfo = { name: "test", version: "1" };
        return send.result({ protocolVersion: version, capabilities: { tools: {} }, serverInfo });
      }
      case "tools/list": {
        const { pageSize = tools.length || 1 } = options;
        const from = Number(params.cursor ?? 0);
        const next = from + pageSize;
        const more = next < tools.length ? { nextCursor: String(next) } : {};
        return send.result({ tools: page(tools.slice(from, next)), ...more });
      }
      case "tools/call": {
        const call = {
          ...{ tool: String(params.name), headers },
          arguments: params.arguments as Record<string, unknown>,
        };
        calls.push(call);
        const tool = tools.find(({ name }) => name === call.tool);
        if (tool === undefined) return complain(response, message, -32602, 200);
        const { progressToken } = (params._meta ?? {}) as { progressToken?: unknown };
        const told = await tool.answer?.(call, (progress) =>
          send.progress(progressToken, progress),
        );
        const text = told ?? `${call.tool} ${JSON.stringify(call.arguments)}`;
        const isPlain = typeof text === "string";
        return send.result(isPlain ? { content: [{ type: "text", text }] } : (text as object));
      }
      default:
        return complain(response, message, -32601, 200);
    }
  }

  return { ...upstream, url: `${upstream.url}/mcp`, methods, calls, faults };
}

/** How the answer travels; what was said before the result makes it a stream. */
function opened(response: ServerResponse, { id }: Message, answers: "json" | "stream") {
  const event = (message: object) => {
    if (!response.headersSent) response.writeHead(200, { "content-type": "text/event-stream" });
    response.write(`event: message\ndata: ${JSON.stringify({ jsonrpc: "2.0", ...message })}\n\n`);
  };
  return {
    progress(progressToken: unknown, progress: object) {
      event({ method: "notifications/progress", params: { progressToken, ...progress } });
    },
    result(result: object) {
      if (answers === "stream" || response.headersSent) {
        event({ id, result });
        response.end();
        return;
      }
      response.writeHead(200, { "content-type": "application/json; charset=utf-8" });
      response.end(JSON.stringify({ jsonrpc: "2.0", id, result }));
    },
  };
}

function complain(response: ServerResponse, { id }: Message, code: number, status: number): void {
  const error = { code, message: "There is no such thing here" };
  response.writeHead(status, { "content-type": "application/json" });
  response.end(JSON.stringify({ jsonrpc: "2.0", id, error }));
}
