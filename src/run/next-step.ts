import type { Config } from "../base/config.ts";
import type { EndStatus, StopReason } from "../contract/run.ts";
import type { RunSnapshot } from "../contract/submission.ts";
import type { JoinGroup } from "../contract/workflow.ts";
import { loopGuard } from "./guard.ts";
import { openGroups } from "./open-groups.ts";
import { lacksPackages } from "./packages-recipes.ts";
import { afterProgram } from "./program.ts";
import { afterScript, scriptAgentOf } from "./script-agent.ts";
import { type CallState, hasUnread, type RunState, textOf } from "./state.ts";

/** How a run ends: its status, why, and a sentence when that needs one. */
export interface End {
  status: EndStatus;
  stop_reason: StopReason;
  message?: string;
}

export type Step =
  | { type: "provision" }
  /** The packages of the submission are to be installed. */
  | { type: "prepare" }
  | { type: "turn" }
  | { type: "call"; call: CallState }
  /** A person was asked and has not answered, or tasks have not ended: the run is let go until then. */
  | { type: "park" }
  /** The model has nothing more to say, but tasks of it are at work. */
  | { type: "join"; groups: JoinGroup[] }
  | { type: "finish"; end: End }
  | { type: "done" };

export type EffectiveLimits = Config["runLimits"];

/** The run's limits: what it asked for, else what the operator gives. Asking for more was refused at submission. */
export function effectiveLimits(snapshot: RunSnapshot, operator: EffectiveLimits): EffectiveLimits {
  const asked = Object.fromEntries(
    Object.entries(snapshot.limits ?? {}).filter(([, value]) => value !== undefined),
  );
  const merged: EffectiveLimits = { ...operator, ...asked };
  const agent = snapshot.agent?.limits;
  if (agent?.max_memory_mb !== undefined) {
    merged.memoryBytes = Math.min(merged.memoryBytes, agent.max_memory_mb * 1024 * 1024);
  }
  if (agent?.max_execution_time_sec !== undefined) {
    merged.wallClockSeconds = Math.min(merged.wallClockSeconds, agent.max_execution_time_sec);
  }
  return merged;
}

/**
 * What comes next for a run, from its state alone: the whole of the loop's judgement in one place, without an effect.
 * `elapsedMs` is how long the run has worked by now, `treeOver` why its tree may go on no more.
 */
export function nextStep(
  state: RunState,
  limits: EffectiveLimits,
  elapsedMs: number,
  treeOver: string | undefined,
): Step {
  if (state.finished) return { type: "done" };
  if (state.finishing) return { type: "finish", end: endOf(state.finishing) };
  if (state.stopped) return finish("terminated", "emergency_stop", state.stopped.reason);
  if (state.secretSeen) return finish("terminated", "secret_exfiltration", seenWhere(state));
  if (state.cancelRequested) {
    return finish("cancelled", state.cancelRequested.reason ?? "cancelled");
  }
  if (elapsedMs >= limits.wallClockSeconds * 1000) {
    return finish("terminated", "deadline", `The run used up its ${limits.wallClockSeconds} s`);
  }
  if (treeOver !== undefined) return finish("terminated", "budget", treeOver);
  if (!state.provisioned) return { type: "provision" };
  if (lacksPackages(state)) return { type: "prepare" };
  if (state.waiting) return { type: "park" };

  const turn = state.turns.at(-1);
  if (turn === undefined) return { type: "turn" };
  const call = turn.calls.find(({ finished }) => finished === undefined);
  if (call !== undefined) {
    if (call.asked && !call.asked.answer) return { type: "park" };
    // A call that was started before a crash is only told of as interrupted: that costs nothing.
    if (!call.started && state.callsStarted >= limits.calls) {
      return finish("terminated", "call_limit", `The run used up its ${limits.calls} calls`);
    }
    return { type: "call", call };
  }
  if (turn.calls.length === 0) return afterLastWord(state, limits);

  const [only] = turn.calls;
  if (state.snapshot.program && only) return { type: "finish", end: afterProgram(only) };
  if (scriptAgentOf(state.snapshot) && only) return { type: "finish", end: afterScript(only) };

  const circle = loopGuard(state);
  if (circle !== undefined) return finish("failed", "loop_guard", circle);
  return outOfTurns(state, limits) ?? { type: "turn" };
}

function seenWhere({ secretSeen }: RunState): string {
  const where = secretSeen?.call_id ? `, at call ${secretSeen.call_id}` : "";
  return `Something read the run's canary, which nothing has to read, and it was about to appear in: ${secretSeen?.surface}${where}`;
}

function outOfTokens(state: RunState, limits: EffectiveLimits): Step | undefined {
  if (state.outputTokens < limits.outputTokens) return undefined;
  const used = `${state.outputTokens} of ${limits.outputTokens}`;
  return finish("terminated", "token_limit", `The run used ${used} output tokens`);
}

/** A reply without calls is the agent's last word; how it ended decides what the run is. */
function afterLastWord(state: RunState, limits: EffectiveLimits): Step {
  const turn = state.turns.at(-1);
  if (turn === undefined) return { type: "turn" };
  switch (turn.reply.finish_reason) {
    case "refused":
      return finish("failed", "model_refused", "The model refused to answer");
    case "length":
      // A turn may say no more than the run has left, so it may be the run's own limit that cut it off.
      return (
        outOfTokens(state, limits) ??
        finish("failed", "reply_truncated", "The model's reply was cut off at its length limit")
      );
    case "stop":
    case "calls":
      return goOnOrSucceed(state, limits);
    case "other":
      return textOf(turn.reply) === ""
        ? finish("failed", "model_error", "The model ended its reply without saying anything")
        : goOnOrSucceed(state, limits);
  }
}

/** The last word is not the last one while there is something that the model does not know, or tasks that it waits for. */
function goOnOrSucceed(state: RunState, limits: EffectiveLimits): Step {
  if (hasUnread(state)) return outOfTurns(state, limits) ?? { type: "turn" };
  const groups = openGroups(state);
  return groups.length > 0 ? { type: "join", groups } : finish("succeeded", "end_turn");
}

function outOfTurns(state: RunState, limits: EffectiveLimits): Step | undefined {
  if (state.turns.length >= limits.turns) {
    return finish("terminated", "turn_limit", `The run used up its ${limits.turns} turns`);
  }
  return outOfTokens(state, limits);
}

function finish(status: EndStatus, stopReason: StopReason, message?: string): Step {
  return { type: "finish", end: endOf({ status, stop_reason: stopReason, message }) };
}

function endOf(end: {
  status: EndStatus;
  stop_reason: StopReason;
  message?: string | undefined;
}): End {
  const { status, stop_reason, message } = end;
  return { status, stop_reason, ...(message === undefined ? {} : { message }) };
}
