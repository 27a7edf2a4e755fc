import { z } from "zod";
import type { Clock } from "../base/clock.ts";
import { limits } from "../base/limits.ts";
import type { Log } from "../base/log.ts";
import type { Budget } from "./answer.ts";
import { type Asked, exchange, type Progress, type Reach, SessionGone } from "./exchange.ts";
import { openFarewells } from "./farewell.ts";
import { McpError } from "./mcp-error.ts";
import { parameterHeaders } from "./parameter-headers.ts";
import { discover, headersOf, initialize, paramsOf, type Session, stateless } from "./session.ts";

export type { Progress, Reach } from "./exchange.ts";

export interface McpClientOptions {
  /** Sends a request to the server and to nobody else, and spends its credential. What it throws are `McpError`s. */
  reach: Reach;
  clock: Pick<Clock, "sleep">;
  log: Log;
}

/** A tool as a server tells of it. */
export const ServerTool = z.object({
  name: z.string(),
  description: z.string().optional(),
  inputSchema: z.unknown().optional(),
});
export type ServerTool = z.infer<typeof ServerTool>;

export interface ToolCall {
  tool: string;
  arguments: Record<string, unknown>;
  /** As it was listed: a parameter that a server wants in a header, too, is named there. */
  inputSchema: Record<string, unknown>;
  /** The longest that it may take, milliseconds. */
  ms: number;
  onProgress?: (progress: Progress) => void;
}

/** One server of one run. A session is made when it is needed; calls are made one at a time. */
export interface McpClient {
  /** Every tool that the server has, and the version that was agreed on. Throws `McpError`s, or the signal's reason. */
  listTools(signal: AbortSignal): Promise<{ tools: ServerTool[]; protocol: string }>;
  /**
   * Calls a tool once, and gives the server's result as it is. When it ends without one, by an `McpError` or by the signal's
   * reason, the call may have been made: the server is told that nobody waits any more.
   */
  callTool(call: ToolCall, signal: AbortSignal): Promise<Record<string, unknown>>;
  /** Ends the session. */
  close(): Promise<void>;
}

interface Request {
  method: string;
  params: Record<string, unknown>;
  headers?: Record<string, string>;
  budget: Budget;
  onProgress?: ((progress: Progress) => void) | undefined;
}

export function openMcpClient({ reach, clock, log }: McpClientOptions): McpClient {
  let session: Session | undefined;
  let lastId = 0;
  const nextId = () => {
    lastId += 1;
    return lastId;
  };
  const farewells = openFarewells(reach, log);

  async function connected(budget: Budget, signal: AbortSignal): Promise<Session> {
    const hands = { reach, clock, budget, nextId };
    session ??= (await discover(hands, signal)) ?? (await initialize(hands, signal));
    return session;
  }

  async function once(request: Request, signal: AbortSignal): Promise<Record<string, unknown>> {
    const { method, budget, onProgress } = request;
    const open = await connected(budget, signal);
    const id = nextId();
    const params = onProgress
      ? { ...request.params, _meta: { progressToken: id } }
      : request.params;
    const asked: Asked = {
      ...{ id, method, budget, onProgress, hasSession: open.version !== stateless },
      params: paramsOf(open, params),
      headers: {
        ...headersOf(open, method, params),
        ...(open.version === stateless ? request.headers : {}),
      },
    };
    try {
      return await exchange({ reach, clock }, asked, signal);
    } catch (error) {
      if (signal.aborted) farewells.cancelled(open, id);
      throw error;
    }
  }

  async function ask(request: Request, signal: AbortSignal): Promise<Record<string, unknown>> {
    try {
      return await once(request, signal);
    } catch (error) {
      if (!(error instanceof SessionGone)) throw error;
      // The server did not know the session, so it has done nothing: a new one may ask the same.
      session = undefined;
      return await once(request, signal);
    }
  }

  return {
    listTools: (signal) =>
      within(limits.mcpListMs, signal, async (soon) => {
        const budget = { left: limits.mcpListAnswerBytes };
        const tools = await allPages((params) =>
          ask({ method: "tools/list", params, budget }, soon),
        );
        return { tools, protocol: session?.version ?? stateless };
      }),

    callTool: ({ tool, arguments: args, inputSchema, ms, onProgress }, signal) =>
      within(ms, signal, (soon) => {
        const params = { name: tool, arguments: args };
        const headers = parameterHeaders(inputSchema, args);
        const budget = { left: limits.mcpAnswerBytes };
        return ask({ method: "tools/call", params, headers, budget, onProgress }, soon);
      }),

    async close() {
      if (session) farewells.ended(session);
      session = undefined;
      await farewells.said();
    },
  };
}

/** Throws `timed_out` when the time was over first, and the signal's reason when that was. */
async function within<T>(
  ms: number,
  signal: AbortSignal,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const late = AbortSignal.timeout(ms);
  try {
    return await work(AbortSignal.any([signal, late]));
  } catch (error) {
    signal.throwIfAborted();
    if (late.aborted) {
      throw new McpError("timed_out", `The server did not answer within ${ms / 1000} seconds`);
    }
    if (error instanceof SessionGone) {
      throw new McpError("protocol", "The server ends every session at once");
    }
    throw error;
  }
}

const Page = z.object({ tools: z.array(z.unknown()), nextCursor: z.string().nullish() });

async function allPages(
  ask: (params: Record<string, unknown>) => Promise<Record<string, unknown>>,
): Promise<ServerTool[]> {
  const tools: ServerTool[] = [];
  let told = 0;
  const seen = new Set<string>();
  let cursor: string | undefined;
  for (let page = 0; page < limits.mcpPages; page++) {
    const given = Page.safeParse(await ask(cursor === undefined ? {} : { cursor }));
    if (!given.success) throw new McpError("protocol", "The server's list of tools is no list");
    told += given.data.tools.length;
    if (told > limits.mcpToolsTold) {
      const most = `The server tells of more than ${limits.mcpToolsTold} tools`;
      throw new McpError("too_large", most);
    }
    for (const one of given.data.tools) {
      const tool = ServerTool.safeParse(one);
      // One that nobody can call by its name is no tool; the others are.
      if (tool.success) tools.push(tool.data);
    }
    cursor = given.data.nextCursor ?? undefined;
    if (cursor === undefined) return tools;
    if (seen.has(cursor)) throw new McpError("protocol", "The server's list of tools has no end");
    seen.add(cursor);
  }
  throw new McpError("too_large", `The list of tools has more than ${limits.mcpPages} pages`);
}
