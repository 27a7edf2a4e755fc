import {
  approvalMismatch,
  approvalNotFound,
  approvalRejected,
  replayed,
} from "../approvals/approvals.ts";
import { canonicalJson } from "../base/canonical-json.ts";
import type { ToolOutcome } from "../tools/tools.ts";
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
  if (!call?.asked || typeof ref !== "string") return approvalNotFound(String(ref));
  const { request, answer } = call.asked;
  const stored = (await drive.record.restore(request.subject.arguments)) as typeof given;
  const differs = Object.entries(given).some(
    ([name, value]) =>
      name !== "intent" && canonicalJson(value) !== canonicalJson(stored[name] ?? null),
  );
  if (tool !== request.tool) return approvalMismatch(ref, ["tool"]);
  if (differs) return approvalMismatch(ref, ["arguments"]);
  if (answer?.status === "denied") return approvalRejected(ref, answer.note);
  const result = await drive.record.restore(call.finished?.result);
  return replayed(result as ToolOutcome["result"]);
}
