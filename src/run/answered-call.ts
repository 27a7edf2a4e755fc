import {
  approvalExpired,
  approvalMismatch,
  approvalRejected,
  approvalRevoked,
  changedParts,
} from "../approvals/approvals.ts";
import { assert } from "../base/assert.ts";
import type { Tool, ToolOutcome } from "../tools/tools.ts";
import { reachable } from "./ask.ts";
import { bind } from "./bind-call.ts";
import { deniedResult } from "./denied-result.ts";
import type { Drive } from "./drive.ts";
import type { CallState } from "./state.ts";
import { weigh } from "./weigh.ts";

/** A call that a person was asked about, once there is an answer: it runs as it was shown, or it does not run. */
export type AnsweredCall =
  | { run: true; approvalId: string; hosts: string[] }
  | { run: false; result: ToolOutcome["result"] };

/**
 * Looks at the answer, and for a yes at everything that would run, anew: what is not what was approved does not run (P3).
 * Nothing of the run can change between this and the start of the call, because nothing of it is running.
 */
export async function answeredCall(
  drive: Drive,
  call: CallState,
  tool: Tool,
  args: unknown,
): Promise<AnsweredCall> {
  const { asked } = call;
  assert(asked?.answer, "the call was asked about and answered");
  const { request, answer, revoked } = asked;
  const { request_id: id } = request;
  if (answer.status === "denied") return { run: false, result: approvalRejected(id, answer.note) };
  if (answer.status !== "approved") return { run: false, result: approvalExpired(id) };
  if (revoked) return { run: false, result: approvalRevoked(id) };
  const weighed = await weigh(drive, tool.wants(args), call.request.call_id);
  // By a gateway that has got stricter meanwhile.
  if (weighed.decision.decision === "deny") {
    return { run: false, result: deniedResult(weighed.decision) };
  }
  // Where more would be reached than was shown, the hosts differ, and with them the binding.
  const hosts = reachable(weighed);
  const now = await bind(drive, call.request.call_id, tool, args, weighed, hosts);
  const changed = now
    ? changedParts(request.binding, now.binding)
    : (["tmp", "workspace"] as const);
  if (changed.length > 0) {
    return { run: false, result: approvalMismatch(id, changed) };
  }
  return { run: true, approvalId: id, hosts };
}
