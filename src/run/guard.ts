import { createHash } from "node:crypto";
import { canonicalJson } from "../base/canonical-json.ts";
import { limits } from "../base/limits.ts";
import type { RunState } from "./state.ts";

interface PastCall {
  ok: boolean;
  /** The same for two calls of the same tool with the same arguments and the same answer. */
  key: string;
}

/**
 * The loop guard: tells from the journal alone whether a run goes round in circles. Counted from the newest call
 * backwards: failing results in a row, the same call failing in the same way, and the same call with the same answer (a
 * poll that goes nowhere). Returns why in a sentence, or undefined.
 */
export function loopGuard(state: RunState): string | undefined {
  const past = newestFirst(state, limits.guardFailures);
  const newest = past[0];
  if (newest === undefined) return undefined;
  const identical = countWhile(past, (call) => call.key === newest.key);
  if (newest.ok) {
    return identical >= limits.guardIdenticalPolls
      ? `The same call gave the same answer ${identical} times in a row`
      : undefined;
  }
  if (identical >= limits.guardIdenticalFailures) {
    return `The same call failed in the same way ${identical} times in a row`;
  }
  const failures = countWhile(past, (call) => !call.ok);
  return failures >= limits.guardFailures ? `${failures} calls failed in a row` : undefined;
}

function newestFirst(state: RunState, count: number): PastCall[] {
  const past: PastCall[] = [];
  for (let turn = state.turns.length - 1; turn >= 0; turn--) {
    const calls = state.turns[turn]?.calls ?? [];
    for (let index = calls.length - 1; index >= 0; index--) {
      const call = calls[index];
      if (!call?.finished) continue;
      const { tool, result } = call.finished;
      const ok = (result as { ok?: unknown }).ok !== false;
      // Whoever let time pass before the answer does not go in a circle: tasks may take days.
      const waited = call.waited === undefined ? [] : [call.request.call_id];
      const key = canonicalJson([
        ...[tool, call.request.arguments, withoutTimes(result)],
        ...waited,
      ]);
      past.push({ ok, key: createHash("sha256").update(key).digest("hex") });
      if (past.length === count) return past;
    }
  }
  return past;
}

/** Two answers that differ only in how long they took are the same answer. */
function withoutTimes(result: unknown): unknown {
  if (typeof result !== "object" || result === null) return result ?? null;
  const { duration_ms: _, ...rest } = result as Record<string, unknown>;
  return rest;
}

function countWhile<T>(items: readonly T[], holds: (item: T) => boolean): number {
  const end = items.findIndex((item) => !holds(item));
  return end === -1 ? items.length : end;
}
