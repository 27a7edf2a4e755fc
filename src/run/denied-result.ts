import type { Decision } from "../policy/policy.ts";
import { failure, type ToolOutcome } from "../tools/tools.ts";

/** What a model reads of a denial: the rule, the place, and what would do instead. */
export function deniedResult({ rule, reasons, repairHint }: Decision): ToolOutcome["result"] {
  const hint = repairHint ?? "Do it in another way, or do without it";
  return failure("permission", rule, hint, reasons.length > 0 ? { details: { reasons } } : {});
}
