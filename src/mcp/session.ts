import { z } from "zod";
import type { Clock } from "../base/clock.ts";
import { limits } from "../base/limits.ts";
import { version } from "../version.ts";
import type { Budget } from "./answer.ts";
import { Complaint, exchange, post, type Reach } from "./exchange.ts";
import { McpError } from "./mcp-error.ts";

/** The version in which each request stands for itself, and those with a handshake and a session, newest first. */
export const stateless = "2026-07-28";
export const withSession = ["2025-11-25", "2025-06-18", "2025-03-26", "2024-11-05"] as const;

/** How requests are made from now on. */
export interface Session {
  version: string;
  /** null: there is none, or the server needs none. */
  id: string | null;
}

const clientInfo = { name: "airlock", version };

/** What every request says of itself. */
export function headersOf(
  session: Session,
  method: string,
  params: Record<string, unknown>,
): Record<string, string> {
  const headers: Record<string, string> = { "mcp-protocol-version": session.version };
  if (session.version !== stateless) {
    return session.id === null ? headers : { ...headers, "mcp-session-id": session.id };
  }
  headers["mcp-method"] = method;
  if (typeof params.name === "string") headers["mcp-name"] = headerValue(params.name);
  return headers;
}

export function paramsOf(session: Session, params: Record<string, unknown>) {
  if (session.version !== stateless) return params;
  const said = {
    "io.modelcontextprotocol/protocolVersion": session.version,
    "io.modelcontextprotocol/clientCapabilities": {},
    "io.modelcontextprotocol/clientInfo": clientInfo,
  };
  return { ...params, _meta: { ...(params._meta as object | undefined), ...said } };
}

/** A text as a header carries it: what is not plain ASCII is encoded, as the protocol says how. */
export function headerValue(text: string): string {
  const isPlain = /^[\x21-\x7e]([\x20-\x7e]*[\x21-\x7e])?$/.test(text);
  if (isPlain && !/^=\?base64\?.*\?=$/.test(text)) return text;
  return `=?base64?${Buffer.from(text).toString("base64")}?=`;
}

/** What a handshake is made with. */
export interface Hands {
  reach: Reach;
  clock: Pick<Clock, "sleep">;
  budget: Budget;
  nextId: () => number;
}

const Discovered = z.object({ supportedVersions: z.array(z.string()) });

/**
 * Whether the server speaks the version without sessions. One that does not know the question complains, in one of many
 * ways, or keeps silent; what keeps any server from answering is thrown on.
 */
export async function discover(hands: Hands, signal: AbortSignal): Promise<Session | undefined> {
  const session = { version: stateless, id: null };
  const method = "server/discover";
  const late = AbortSignal.timeout(limits.mcpDiscoverMs);
  try {
    const found = await exchange(
      hands,
      {
        ...{ id: hands.nextId(), method, params: paramsOf(session, {}) },
        ...{ headers: headersOf(session, method, {}), budget: hands.budget, hasSession: false },
      },
      AbortSignal.any([signal, late]),
    );
    const { data } = Discovered.safeParse(found);
    return data?.supportedVersions.includes(stateless) ? session : undefined;
  } catch (error) {
    signal.throwIfAborted();
    if (late.aborted || error instanceof Complaint) return undefined;
    if (error instanceof McpError && error.code === "protocol") return undefined;
    throw error;
  }
}

const Initialized = z.object({ protocolVersion: z.string() });

/** The handshake of the versions with a session. Throws `McpError`s. */
export async function initialize(hands: Hands, signal: AbortSignal): Promise<Session> {
  const { budget } = hands;
  let id: string | null = null;
  const reach: Reach = async (request) => {
    const answer = await hands.reach(request);
    id ??= answer.headers.get("mcp-session-id");
    return answer;
  };
  const params = { protocolVersion: withSession[0], capabilities: {}, clientInfo };
  const result = await exchange(
    { ...hands, reach },
    { id: hands.nextId(), method: "initialize", params, headers: {}, budget, hasSession: true },
    signal,
  );
  const session: Session = { version: spokenIn(result), id };
  if (id !== null && !/^[\x21-\x7e]{1,1024}$/.test(id)) {
    throw new McpError("protocol", "The server gave the session an id that no header can carry");
  }
  const method = "notifications/initialized";
  const headers = headersOf(session, method, {});
  const body = { jsonrpc: "2.0", method };
  const answer = await post(hands.reach, { headers, body, budget }, signal);
  await answer.body?.cancel();
  return session;
}

function spokenIn(result: unknown): string {
  const answered = Initialized.safeParse(result).data?.protocolVersion;
  const spoken = withSession.find((one) => one === answered);
  if (spoken !== undefined) return spoken;
  const shown = JSON.stringify(answered ?? null).slice(0, 100);
  const known = [stateless, ...withSession].join(", ");
  throw new McpError("protocol", `The server speaks version ${shown} of MCP; expected ${known}`);
}
