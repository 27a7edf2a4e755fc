import { approvalRevoked } from "../approvals/approvals.ts";
import { limits } from "../base/limits.ts";
import type { EventData, NewEvent } from "../contract/event.ts";
import { Problem } from "../contract/problem.ts";
import { ApprovalUnusable, BudgetSpent } from "../store/store.ts";
import { failure, parseArguments, type Tool, type ToolOutcome } from "../tools/tools.ts";
import { answeredCall } from "./answered-call.ts";
import { ask } from "./ask.ts";
import { outOfBudget } from "./budget-turn.ts";
import { captureBetweenCalls } from "./capture.ts";
import { deniedResult } from "./denied-result.ts";
import { isDiskFull } from "./disk-space.ts";
import type { Drive } from "./drive.ts";
import { isAbortOf } from "./is-abort-of.ts";
import { nextStep } from "./next-step.ts";
import { isOneCall } from "./program.ts";
import { approvalRefOf, replay } from "./replay.ts";
import { findRunTool, shownTools } from "./run-tools.ts";
import { skillReading } from "./skill-reading.ts";
import type { CallState, RunState } from "./state.ts";
import { toolContext } from "./tool-context.ts";
import { waitEvents } from "./wait-events.ts";
import { type Weighed, weigh } from "./weigh.ts";

type Outcome = EventData<"call.finished">["outcome"];
type Reply = NonNullable<EventData<"call.finished">["reply"]>;

/**
 * Makes one call: parse → decide → started → run → finished, or parse → decide → asked, and on from there once there is an
 * answer. The intent is durable before the effect (I2), the decision is taken once and written down (I5). When the gateway
 * stops in the middle nothing is written: the next start finds a start without a finish.
 */
export async function makeCall(drive: Drive, call: CallState): Promise<void> {
  const tool = await findRunTool(drive, call.request.tool);
  if (call.started && !tool?.repeatable) {
    return drive.ledger.append(await interrupted(drive, call));
  }
  const given = await drive.record.restore(call.request.arguments);
  if (tool?.capability === "CodeExecution" && approvalRefOf(given) !== undefined) {
    return replayCall(drive, call, tool, given);
  }
  const parsed = tool
    ? parseArguments(tool, given)
    : { ok: false as const, result: await unknownTool(drive, call.request.tool) };
  if (!tool || !parsed.ok) {
    const result = parsed.ok ? await unknownTool(drive, call.request.tool) : parsed.result;
    return drive.ledger.append(await finished(drive, call, "invalid", { result }, 0));
  }
  try {
    if (call.asked) await goOn(drive, call, tool, parsed.args);
    else await decideCall(drive, call, tool, parsed.args);
  } catch (error) {
    if (error instanceof BudgetSpent) {
      return drive.ledger.append({ type: "run.finishing", data: outOfBudget(error.message) });
    }
    // Stored bytes that are not what they were are found out when the call is looked at, too. Nothing of it has run then.
    const result = error instanceof Problem && !call.started ? toldProblem(error) : undefined;
    if (result === undefined) throw error;
    await drive.ledger.append(await finished(drive, call, "denied", { result }, 0));
  }
}

async function decideCall(drive: Drive, call: CallState, tool: Tool, args: unknown): Promise<void> {
  const { ledger } = drive;
  // It was decided before it waited, and is not decided anew because time has passed (I5).
  if (call.waited) return runTool(drive, call, tool, args, []);
  const weighed = await weigh(drive, tool.wants(args), call.request.call_id);
  const { decision } = weighed;
  if (decision.decision === "deny") {
    const given = await skillReading(drive, tool, args);
    if (given !== undefined) return decideCall(drive, call, given, args);
    const result = deniedResult(decision);
    const event = decided(drive, call, tool, weighed);
    return ledger.append(event, await finished(drive, call, "denied", { result }, 0));
  }
  if (decision.decision === "ask") return askFor(drive, call, tool, args, weighed);
  if (!call.started) {
    await ledger.append(decided(drive, call, tool, weighed), startOf(call, tool));
  }
  await runTool(drive, call, tool, args, decision.hosts);
}

async function askFor(
  drive: Drive,
  call: CallState,
  tool: Tool,
  args: unknown,
  weighed: Weighed,
): Promise<void> {
  const { ledger, log, runId } = drive;
  const asked = await ask(drive, call, tool, args, weighed);
  switch (asked.type) {
    case "covered": {
      const { approvalId, hosts } = asked;
      const rule = `Approval ${approvalId}`;
      const covered = { decision: "allow", rule, hosts, approval: approvalId } as const;
      const event = decided(drive, call, tool, weighed, covered);
      const reason = await usedBy(() => ledger.append(event, startOf(call, tool)));
      // It was taken back in this very moment: the question is open again.
      if (reason !== undefined) return askFor(drive, call, tool, args, weighed);
      return runTool(drive, call, tool, args, hosts, approvalId);
    }
    case "refused": {
      const event = decided(drive, call, tool, weighed, { decision: "deny", rule: asked.rule });
      return ledger.append(event, await finished(drive, call, "denied", asked, 0));
    }
    case "ask": {
      const { request } = asked;
      const data = (await drive.record.keep(request)) as typeof request;
      const asking: NewEvent = { type: "approval.requested", data };
      const event = decided(drive, call, tool, weighed);
      if (!(await ledger.appendUnless(isEnding(drive), event, asking))) return;
      drive.onAsked(request.request_id);
      log.info({ run: runId, request: request.request_id, rule: request.rule }, "run.waiting");
    }
  }
}

/** A run that is to end waits for nothing: nobody would wake it. */
function isEnding(drive: Drive): (state: RunState) => boolean {
  return (state) => {
    const step = nextStep(state, drive.limits, drive.elapsedMs(), drive.budget?.over());
    return step.type === "finish";
  };
}

/** The call that was asked about, now that there is an answer. */
async function goOn(drive: Drive, call: CallState, tool: Tool, args: unknown): Promise<void> {
  const answered = await answeredCall(drive, call, tool, args);
  if (!answered.run) {
    return drive.ledger.append(await finished(drive, call, "denied", answered, 0));
  }
  const { approvalId, hosts } = answered;
  // Spent with this event, in its transaction: once, whatever happens next.
  const reason = await usedBy(() => drive.ledger.append(startOf(call, tool, approvalId)));
  if (reason !== undefined) {
    const result = approvalRevoked(approvalId);
    drive.log.warn({ run: drive.runId, approval: approvalId, reason }, "approval.unusable");
    return drive.ledger.append(await finished(drive, call, "denied", { result }, 0));
  }
  await runTool(drive, call, tool, args, hosts, approvalId);
}

/** Uses an approval by writing down that it was used; says why it could not be, and nothing is written then. */
async function usedBy(
  append: () => Promise<void>,
): Promise<ApprovalUnusable["reason"] | undefined> {
  try {
    await append();
    return undefined;
  } catch (error) {
    if (error instanceof ApprovalUnusable) return error.reason;
    throw error;
  }
}

async function replayCall(
  drive: Drive,
  call: CallState,
  tool: Tool,
  given: unknown,
): Promise<void> {
  const result = await replay(drive, tool.name, given);
  const outcome = result.replayed === true ? "returned" : "denied";
  await drive.ledger.append(await finished(drive, call, outcome, { result }, 0));
}

function startOf(call: CallState, tool: Tool, approval?: string): NewEvent {
  const data = { call_id: call.request.call_id, tool: tool.name, turn: call.turn };
  return { type: "call.started", data: approval === undefined ? data : { ...data, approval } };
}

/** The decision as it is written down; an approval or a refusal that was there already stands in place of the question. */
function decided(
  { log, runId }: Drive,
  call: CallState,
  tool: Tool,
  { decision, analysed }: Weighed,
  instead: Partial<EventData<"call.decided">> = {},
): NewEvent {
  const { decision: word, rule, reasons } = decision;
  const hosts = instead.hosts ?? (word === "allow" ? decision.hosts : []);
  const { findings } = analysed;
  const data = {
    ...{ call_id: call.request.call_id, tool: tool.name, decision: word, rule },
    ...(reasons.length > 0 ? { reasons } : {}),
    ...(findings.length > 0 ? { findings: findings.slice(0, limits.findingsKept) } : {}),
    ...instead,
    ...(hosts.length > 0 ? { hosts: [...hosts] } : {}),
  };
  log.debug(
    { run: runId, call: data.call_id, decision: data.decision, rule: data.rule, hosts },
    "call.decided",
  );
  return { type: "call.decided", data };
}

async function runTool(
  drive: Drive,
  call: CallState,
  tool: Tool,
  args: unknown,
  hosts: readonly string[],
  approvalId?: string,
): Promise<void> {
  const { ledger, clock } = drive;
  const start = clock.monotonic();
  drive.atCall(call.request.call_id);
  const outcome = await outcomeOf(drive, call, tool, args, hosts, approvalId);
  if (outcome.cut && drive.stopping.aborted) return;
  if (outcome.wait) {
    drive.atCall(null);
    const { budget, record } = drive;
    const events = waitEvents(call, record.hide(outcome.wait), budget?.until ?? null);
    await ledger.appendUnless(isEnding(drive), ...events);
    return;
  }
  const ms = clock.monotonic() - start;
  const events = [
    await finished(drive, call, outcome.cut ? "cancelled" : "returned", outcome, ms),
    ...proved(drive, call, outcome),
    ...(await captureBetweenCalls(drive, tool)),
  ];
  drive.atCall(null);
  if (outcome.runLimit) {
    events.push({
      type: "run.finishing",
      data: {
        status: "terminated",
        stop_reason: outcome.runLimit,
        message: `The run used up its ${drive.limits.diskBytes} bytes of disk`,
      },
    });
  }
  // The run ends with its one call, and that is written down with it.
  if (isOneCall(ledger.state.snapshot)) await ledger.later(...events);
  else await ledger.append(...events);
}

/**
 * Runs the tool. A full disk, stored bytes that are not what they were and what the run itself has laid in the way are
 * results, and so is a call that was stopped on its way; a sandbox that cannot be had is the end of the run and is thrown on.
 */
async function outcomeOf(
  drive: Drive,
  call: CallState,
  tool: Tool,
  args: unknown,
  hosts: readonly string[],
  approvalId: string | undefined,
): Promise<ToolOutcome> {
  try {
    return await tool.run(args, await toolContext(drive, call.request.call_id, hosts, approvalId));
  } catch (error) {
    if (isDiskFull(error)) {
      return {
        result: failure("resource", "The gateway's disk is full", "Try again with less data"),
      };
    }
    if (isAbortOf(drive.signal, error)) return stopped;
    const result = error instanceof Problem ? toldProblem(error) : undefined;
    if (result === undefined) throw error;
    return { result };
  }
}

const stopped: ToolOutcome = {
  result: failure(
    "execution",
    "The call was stopped because the run ends",
    "Nothing more can be done in this run",
    { error_kind: "cancelled" },
  ),
  cut: true,
};

/** What of an artifact, a layer or the run's own directories stands in the way, when the model can do something about it. */
function toldProblem({ code, message }: Problem): ToolOutcome["result"] | undefined {
  if (code === "digest_mismatch" || code === "layer_unusable") {
    const hint = "It was changed on the gateway's disk: make it again, under another name";
    return failure("resource", message, hint, { error_kind: code });
  }
  if (code !== "invalid_request") return undefined;
  const hint = "Where a layer is mounted, sandbox_exec with that path in capture_paths clears it";
  return failure("validation", message, hint);
}

/** Only a run that was started to prove an artifact leaves evidence. */
function proved(drive: Drive, call: CallState, { proof }: ToolOutcome): NewEvent[] {
  if (proof === undefined || !drive.ledger.state.snapshot.program?.prove) return [];
  const { isolation } = drive.sandbox;
  const call_id = call.request.call_id;
  return [{ type: "artifact.proved", data: { call_id, ...proof, isolation, network: "none" } }];
}

async function finished(
  drive: Drive,
  call: CallState,
  outcome: Outcome,
  { result, reply, ...facts }: ToolOutcome,
  ms: number,
): Promise<NewEvent> {
  return {
    type: "call.finished",
    data: {
      call_id: call.request.call_id,
      tool: (await findRunTool(drive, call.request.tool))?.name ?? call.request.tool,
      outcome,
      result: await drive.record.keep(result),
      ...(reply === undefined ? {} : { reply: (await drive.record.keep(reply)) as Reply }),
      duration_ms: Math.round(ms),
      ...factsOf(facts),
    },
  };
}

/** What the journal keeps beside the result. */
function factsOf(
  outcome: Omit<ToolOutcome, "result" | "reply">,
): Partial<EventData<"call.finished">> {
  const { content, staged, stdout, stderr, layers, artifact, task, seenTasks } = outcome;
  return {
    ...(content ? { content } : {}),
    ...(staged ? { staged } : {}),
    ...(stdout ? { stdout } : {}),
    ...(stderr ? { stderr } : {}),
    ...(layers?.length ? { layers } : {}),
    ...(artifact ? { artifact } : {}),
    ...(task ? { task } : {}),
    ...(seenTasks?.length ? { seen_tasks: seenTasks } : {}),
  };
}

function interrupted(drive: Drive, call: CallState): Promise<NewEvent> {
  const result = failure(
    "execution",
    "The gateway stopped while this call was running: it may have had some, all or none of its effects",
    "Look at what is there before you do it again",
    { interrupted: true },
  );
  return finished(drive, call, "interrupted", { result }, 0);
}

async function unknownTool(drive: Drive, name: string): Promise<ToolOutcome["result"]> {
  const known = (await shownTools(drive)).tools.map((tool) => tool.name).join(", ");
  return failure("resource", `There is no tool ${JSON.stringify(name)}`, `Use one of: ${known}`);
}
