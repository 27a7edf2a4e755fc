import {
  approvalExpired,
  approvalMismatch,
  approvalRejected,
  changedParts,
} from "../approvals/approvals.ts";
import { assert } from "../base/assert.ts";
import type { Tool, ToolOutcome } from "../tools/tools.ts";
import { reachable } from "./ask.ts";
import { bind } from "./bind-call.ts";
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
  if (answer.status === "denied") return { run: false, result: approvalRejected(answer) };
  if (answer.status !== "approved" || revoked) {
    return { run: false, result: approvalExpired(request, revoked ? "revoked" : answer.status) };
  }
  const weighed = await weigh(drive, tool.wants(args));
  // Where more would be reached than was shown, the hosts differ, and with them the binding.
  const hosts = reachable(weighed);
  const now = await bind(drive, call.request.call_id, tool, args, weighed, hosts);
  const changed = now
    ? changedParts(request.binding, now.binding)
    : (["tmp", "workspace"] as const);
  if (changed.length > 0) {
    return { run: false, result: approvalMismatch(request.request_id, [...changed]) };
  }
  return { run: true, approvalId: request.request_id, hosts };
}
