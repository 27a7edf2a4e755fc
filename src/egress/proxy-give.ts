import type { IncomingMessage } from "node:http";

import type { Log } from "../base/log.ts";
import type { ProxyErrorCode, ProxyOutcome } from "../contract/proxy-call.ts";
import type { Course } from "./call-course.ts";
import type { CallCut } from "./call-cut.ts";
import type { ProxyAnswer } from "./proxy.ts";
import { type ReadAnswer, readAnswer } from "./proxy-answer.ts";
import { ProxyCut } from "./proxy-cut.ts";
import { failureOf } from "./proxy-failure.ts";
import { locationFor } from "./proxy-location.ts";
import type { PlannedCall } from "./proxy-plan.ts";
import { ProxyRefused } from "./proxy-refused.ts";

/** Reads the answer's head; its body is read by the caller, and settles the call at its end. */
export async function give(
  course: Course,
  plan: PlannedCall,
  response: IncomingMessage,
  remainingCalls: number,
): Promise<ProxyAnswer> {
  const { endpoint, record, cut } = course;
  if (course.request.door === "http") checkLength(course, plan, response);
  const answer = readAnswer({
    response,
    method: plan.method,
    mode: plan.mode,
    redactor: course.redactor(),
    maxBytes: plan.responseBytesMost,
    charge: endpoint.bytes.take,
    signal: cut.signal,
  });
  const note = () => {
    record.response_bytes = answer.bytes();
    record.truncated = answer.truncated();
    record.redacted = answer.redacted();
  };
  const settle = (outcome: ProxyOutcome, code: ProxyErrorCode | null) => {
    note();
    return course.settle(outcome, code);
  };
  const shown = {
    ok: true as const,
    status: answer.status,
    headers: course.request.door === "http" ? redirected(course, plan, answer) : answer.headers,
    mode: plan.mode,
    modeClamped: plan.modeClamped,
    truncated: answer.truncated,
    remainingCalls,
    remainingBytes: endpoint.bytes.left,
  };
  if (answer.body === null) {
    await settle("ok", null);
    return { ...shown, body: null };
  }
  return { ...shown, body: settled(answer.body, cut, settle, course.log) };
}

function redirected({ endpoint }: Course, { path }: PlannedCall, { headers }: ReadAnswer) {
  return headers.map(([name, value]): [string, string] => [
    name,
    name === "location" ? locationFor(endpoint.use.policy, path, value) : value,
  ]);
}

/**
 * Plain HTTP has no word for "truncated", so what says beforehand that it is too long is refused as a whole; a body that
 * only turns out to be is cut off.
 */
function checkLength(
  { endpoint }: Course,
  { method, mode, responseBytesMost }: PlannedCall,
  response: IncomingMessage,
): void {
  const length = Number(response.headers["content-length"] ?? 0);
  const most = Math.min(responseBytesMost, endpoint.bytes.left());
  // What has not changed says how long it would be, and is not sent.
  const hasNoBody = method === "HEAD" || response.statusCode === 304;
  if (mode !== "full" || hasNoBody || length <= most) return;
  response.on("error", () => undefined).destroy();
  const words = `The upstream's answer has ${length} bytes, and the policy lets ${most} through`;
  throw new ProxyRefused("exceeded_cap", words);
}

/** The body, and the record of the call before its end; a body that nobody reads is settled when it is cut. */
function settled(
  body: AsyncIterable<Uint8Array>,
  cut: CallCut,
  settle: (outcome: ProxyOutcome, code: ProxyErrorCode | null) => Promise<void>,
  log: Log,
): AsyncIterable<Uint8Array> {
  const end = async (error: unknown): Promise<ProxyRefused> => {
    const { outcome, code, shown } = failureOf(error, cut, "sent");
    try {
      await settle(outcome, code);
      return shown;
    } catch (err) {
      log.error({ err }, "proxy.not_settled");
      return new ProxyRefused("internal_error", "The gateway could not write the call down");
    }
  };
  const onCut = () => void end(cut.signal.reason);
  if (cut.signal.aborted) onCut();
  else cut.signal.addEventListener("abort", onCut, { once: true });
  return (async function* () {
    let isOver = false;
    try {
      yield* body;
      isOver = true;
      await settle("ok", null);
    } catch (error) {
      isOver = true;
      const { code, message } = await end(error);
      throw new ProxyCut(code, message);
    } finally {
      // Whoever reads has turned away before the end.
      if (!isOver) await settle("interrupted", null);
    }
  })();
}
