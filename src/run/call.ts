import type { EventData, NewEvent } from "../contract/event.ts";
import { Problem } from "../contract/problem.ts";
import { decide } from "../policy/policy.ts";
import { failure, findTool, parseArguments, type Tool, type ToolOutcome } from "../tools/tools.ts";
import { captureBetweenCalls } from "./capture.ts";
import { isDiskFull } from "./disk-space.ts";
import type { Drive } from "./drive.ts";
import type { CallState } from "./state.ts";
import { toolContext } from "./tool-context.ts";

type Outcome = EventData<"call.finished">["outcome"];

/**
 * Makes one call: parse → decide → started → run → finished. The intent is durable before the effect (I2), the decision
 * is taken once and written down (I5). When the gateway stops in the middle nothing is written: the next start finds a
 * start without a finish.
 */
export async function makeCall(drive: Drive, call: CallState): Promise<void> {
  const { ledger, runId, log } = drive;
  const callId = call.request.call_id;
  const tool = findTool(call.request.tool);
  if (call.started && !tool?.repeatable) return ledger.append(await interrupted(drive, call));

  const parsed = tool
    ? parseArguments(tool, await drive.record.restore(call.request.arguments))
    : { ok: false as const, result: unknownTool(drive, call.request.tool) };
  if (!tool || !parsed.ok) {
    const result = parsed.ok ? unknownTool(drive, call.request.tool) : parsed.result;
    return ledger.append(await finished(drive, call, "invalid", { result }, 0));
  }

  const power = { capabilities: drive.capabilities };
  const { repairHint, hosts, decision, rule } = decide(tool.need(parsed.args), power);
  const verdict = { decision, rule };
  const data = { call_id: callId, tool: tool.name, ...verdict };
  const decided: NewEvent = {
    type: "call.decided",
    data: { ...data, ...(hosts.length > 0 ? { hosts } : {}) },
  };
  log.debug({ run: runId, ...data, hosts }, "call.decided");
  if (verdict.decision !== "allow") {
    const hint = repairHint ?? "Do it in another way, or do without it";
    const result = failure("permission", verdict.rule, hint);
    return ledger.append(decided, await finished(drive, call, "denied", { result }, 0));
  }
  if (!call.started) {
    await ledger.append(decided, {
      type: "call.started",
      data: { call_id: callId, tool: tool.name, turn: call.turn },
    });
  }
  await runTool(drive, call, tool, parsed.args, hosts);
}

async function runTool(
  drive: Drive,
  call: CallState,
  tool: Tool,
  args: unknown,
  hosts: readonly string[],
): Promise<void> {
  const { ledger, clock } = drive;
  const start = clock.monotonic();
  const outcome = await outcomeOf(drive, call, tool, args, hosts);
  if (outcome.cut && drive.stopping.aborted) return;
  const ms = clock.monotonic() - start;
  const events = [
    await finished(drive, call, outcome.cut ? "cancelled" : "returned", outcome, ms),
    ...proved(drive, call, outcome),
    ...(await captureBetweenCalls(drive, tool)),
  ];
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
  await ledger.append(...events);
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
): Promise<ToolOutcome> {
  try {
    return await tool.run(args, await toolContext(drive, call.request.call_id, hosts));
  } catch (error) {
    if (isDiskFull(error)) {
      return {
        result: failure("resource", "The gateway's disk is full", "Try again with less data"),
      };
    }
    if (drive.signal.aborted && isAbort(error, drive.signal)) return stopped;
    const result = error instanceof Problem ? toldProblem(error) : undefined;
    if (result === undefined) throw error;
    return { result };
  }
}

/** What waits for the run's signal throws its reason, or says that it was aborted; anything else is an error of its own. */
function isAbort(error: unknown, { reason }: AbortSignal): boolean {
  return error === reason || (error instanceof Error && error.name === "AbortError");
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
  { result, content, staged, stdout, stderr, layers, artifact }: ToolOutcome,
  ms: number,
): Promise<NewEvent> {
  return {
    type: "call.finished",
    data: {
      call_id: call.request.call_id,
      tool: findTool(call.request.tool)?.name ?? call.request.tool,
      outcome,
      result: await drive.record.keep(result),
      duration_ms: Math.round(ms),
      ...(content ? { content } : {}),
      ...(staged ? { staged } : {}),
      ...(stdout ? { stdout } : {}),
      ...(stderr ? { stderr } : {}),
      ...(layers?.length ? { layers } : {}),
      ...(artifact ? { artifact } : {}),
    },
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

function unknownTool(drive: Drive, name: string): ToolOutcome["result"] {
  const known = drive.tools.map((tool) => tool.name).join(", ");
  return failure("resource", `There is no tool ${JSON.stringify(name)}`, `Use one of: ${known}`);
}
