import { createHash } from "node:crypto";
import { canonicalJson } from "../../src/base/canonical-json.ts";
import type { RunEvent } from "../../src/sdk/sdk.ts";
import { AirlockClient } from "../../src/sdk/sdk.ts";

export interface Reachable {
  url: string;
  token: string;
}

export function clientOf({ url, token }: Reachable): AirlockClient {
  return new AirlockClient({ baseUrl: url, token });
}

/** One request as any HTTP client would make it. */
export async function call(
  { url, token }: Reachable,
  method: string,
  path: string,
  body?: unknown,
  headers: Record<string, string> = {},
): Promise<{ status: number; body: Record<string, unknown>; headers: Headers }> {
  const response = await fetchAgain(`${url}${path}`, {
    method,
    headers: {
      authorization: `Bearer ${token}`,
      ...(body === undefined ? {} : { "content-type": "application/json" }),
      ...headers,
    },
    ...(body === undefined ? {} : { body: typeof body === "string" ? body : JSON.stringify(body) }),
  });
  const text = await response.text();
  return { status: response.status, body: JSON.parse(text || "{}"), headers: response.headers };
}

/**
 * A connection that was kept open may be closed by the gateway in the very moment in which it is used again; what means the
 * same when it is said twice is then said again (RFC 9112, section 9.3.1).
 */
async function fetchAgain(url: string, request: RequestInit): Promise<Response> {
  try {
    return await fetch(url, request);
  } catch (error) {
    const { code } = ((error as Error).cause ?? {}) as { code?: string };
    if (code !== "ECONNRESET" || request.method === "POST") throw error;
    return await fetch(url, request);
  }
}

/** All events of a run, read page by page. */
export async function historyOf(gateway: Reachable, runId: string): Promise<RunEvent[]> {
  return Array.fromAsync(clientOf(gateway).events(runId));
}

/**
 * Checks a history as an auditor would, from the events alone: numbers without a gap, one chain of hashes from the run's
 * own genesis, exactly one end. Returns what is wrong.
 */
export function defectsOf(runId: string, events: readonly RunEvent[]): string[] {
  const defects: string[] = [];
  let previous = sha256(`airlock journal ${runId}`);
  for (const [index, { seq, time, type, data, hash }] of events.entries()) {
    if (seq !== index + 1) defects.push(`event ${index + 1} has the number ${seq}`);
    const expected = sha256(`${previous}\n${canonicalJson({ runId, seq, time, type, data })}`);
    if (hash !== expected) defects.push(`event ${seq} breaks the chain`);
    previous = hash;
  }
  const ends = events.filter(({ type }) => type === "run.finished").length;
  if (ends > 1) defects.push(`the run ended ${ends} times`);
  return defects;
}

function sha256(text: string): string {
  return createHash("sha256").update(text).digest("hex");
}
