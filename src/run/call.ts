import type { EventData, NewEvent } from "../contract/event.ts";
import { decide } from "../policy/policy.ts";
import { failure, findTool, parseArguments, type Tool, type ToolOutcome } from "../tools/tools.ts";
import { callLimits } from "./call-limits.ts";
import { captureBetweenCalls } from "./capture.ts";
import { isDiskFull } from "./disk-space.ts";
import type { Drive } from "./drive.ts";
import { openPlace } from "./provision.ts";
import type { CallState } from "./state.ts";

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

  const decision = decide(tool.need(parsed.args), drive.capabilities);
  const decided: NewEvent = {
    type: "call.decided",
    data: { call_id: callId, tool: tool.name, ...decision },
  };
  log.debug({ run: runId, call: callId, tool: tool.name, ...decision }, "call.decided");
  if (decision.decision === "deny") {
    const result = failure("permission", decision.rule, "Do it in another way, or do without it");
    return ledger.append(decided, await finished(drive, call, "denied", { result }, 0));
  }
  if (!call.started) {
    await ledger.append(decided, {
      type: "call.started",
      data: { call_id: callId, tool: tool.name, turn: call.turn },
    });
  }
  await runTool(drive, call, tool, parsed.args);
}

async function runTool(drive: Drive, call: CallState, tool: Tool, args: unknown): Promise<void> {
  const { ledger, clock } = drive;
  const start = clock.monotonic();
  const outcome = await outcomeOf(drive, call, tool, args);
  if (outcome.cut && drive.stopping.aborted) return;
  const ms = clock.monotonic() - start;
  const events = [
    await finished(drive, call, outcome.cut ? "cancelled" : "returned", outcome, ms),
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

/** Runs the tool. A full disk is a result; a sandbox that cannot be had is the end of the run and is thrown on. */
async function outcomeOf(
  drive: Drive,
  call: CallState,
  tool: Tool,
  args: unknown,
): Promise<ToolOutcome> {
  const { runId, live } = drive;
  try {
    return await tool.run(args, {
      runId,
      place: await openPlace(drive),
      sandbox: drive.sandbox,
      blobs: drive.blobs,
      content: () => drive.store.files.content(runId),
      placed: drive.ledger.state.placed,
      limits: callLimits(drive.limits),
      redact: drive.record.redact,
      onOutput: (stream, offset, text) =>
        live.publish(runId, {
          type: "call.output",
          data: { call_id: call.request.call_id, stream, offset, text },
        }),
      signal: drive.signal,
    });
  } catch (error) {
    if (!isDiskFull(error)) throw error;
    return {
      result: failure("resource", "The gateway's disk is full", "Try again with less data"),
    };
  }
}

async function finished(
  drive: Drive,
  call: CallState,
  outcome: Outcome,
  { result, content, staged, stdout, stderr }: ToolOutcome,
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
