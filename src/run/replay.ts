import { approvalMismatch, approvalRejected, replayed } from "../approvals/approvals.ts";
import { canonicalJson } from "../base/canonical-json.ts";
import { failure, type ToolOutcome } from "../tools/tools.ts";
import type { Drive } from "./drive.ts";
import { findAsked } from "./state.ts";

/** The approval that a call refers to, when it does. */
export function approvalRefOf(args: unknown): unknown {
  if (typeof args !== "object" || args === null) return undefined;
  return (args as { approval_ref?: unknown }).approval_ref;
}

/**
 * Answers a call that refers to an approval with what came of the approved call: it was continued by the gateway itself,
 * and is not done again. Only approvals of this very run are known here; of all others, and of names that were never
 * given, the answer is the same (I14).
 */
export async function replay(
  drive: Drive,
  tool: string,
  args: unknown,
): Promise<ToolOutcome["result"]> {
  const { approval_ref: ref, ...given } = args as Record<string, unknown>;
  const call = typeof ref === "string" ? findAsked(drive.ledger.state, ref) : undefined;
  if (!call?.asked || typeof ref !== "string") return unknown(ref);
  const { request, answer } = call.asked;
  const stored = (await drive.record.restore(request.subject.arguments)) as typeof given;
  const differs = Object.entries(given).some(
    ([name, value]) =>
      name !== "intent" && canonicalJson(value) !== canonicalJson(stored[name] ?? null),
  );
  if (tool !== request.tool) return approvalMismatch(ref, ["tool"]);
  if (differs) return approvalMismatch(ref, ["arguments"]);
  if (answer?.status === "denied") return approvalRejected(answer);
  const result = await drive.record.restore(call.finished?.result);
  return replayed(result as ToolOutcome["result"]);
}

function unknown(ref: unknown): ToolOutcome["result"] {
  return failure(
    "resource",
    `There is no approval ${JSON.stringify(ref)} of a call of this run`,
    "Use the request_id of an approval_resolved message as it was written, or leave approval_ref out",
    { error: "approval_not_found" },
  );
}
