import { limits } from "../base/limits.ts";
import type { NewEvent } from "../contract/event.ts";
import { newId } from "../contract/ids.ts";
import type { Reply } from "../model/model.ts";
import { inputSchema } from "../tools/tools.ts";
import type { Drive } from "./drive.ts";
import { openSandboxAhead } from "./sandbox-ahead.ts";
import { systemPrompt } from "./system-prompt.ts";
import { transcript } from "./transcript.ts";

/**
 * Takes one turn: transcript → model → reply. Ends with `turn.replied`, or with `run.finishing` when there will be no
 * reply, or with nothing when it was aborted: the model may then be asked again (P1).
 */
export async function takeTurn(drive: Drive): Promise<void> {
  const { ledger, live, clock, runId } = drive;
  const { state } = ledger;
  const turn = state.turns.length + 1;
  await openSandboxAhead(drive);
  const start = clock.monotonic();
  const toolNames = drive.tools.map(({ name }) => name);
  const request = {
    system: systemPrompt(state.snapshot, toolNames, drive.limits),
    messages: await transcript(state, drive.record.restore),
    tools: drive.tools.map((tool) => ({
      name: tool.name,
      description: tool.description,
      inputSchema: inputSchema(tool),
    })),
    maxOutputTokens: Math.max(1, drive.limits.outputTokens - state.outputTokens),
    turn: turn - 1,
  };
  for await (const event of drive.model().reply(request, drive.signal)) {
    switch (event.type) {
      case "delta": {
        const { attempt, offset, text } = event;
        live.publish(runId, { type: "model.delta", data: { turn, attempt, offset, text } });
        break;
      }
      case "reset": {
        const { attempt, reason } = event;
        live.publish(runId, { type: "model.reset", data: { turn, attempt, reason } });
        drive.log.warn({ run: runId, turn, attempt, reason }, "turn.retried");
        break;
      }
      case "reply":
        return ledger.append(await replied(drive, turn, event.reply, clock.monotonic() - start));
      case "failure": {
        const { reason, message } = event.failure;
        drive.log.warn({ run: runId, turn, reason }, "turn.failed");
        return ledger.append({
          type: "run.finishing",
          data: { status: "failed", stop_reason: reason, message },
        });
      }
    }
  }
}

async function replied(drive: Drive, turn: number, reply: Reply, ms: number): Promise<NewEvent> {
  const calls = reply.calls.map(async (call) => ({
    call_id: newId("call"),
    tool_call_id: call.toolCallId,
    tool: call.tool,
    arguments: await drive.record.keep(withinDepth(call.arguments)),
    ...(await metadata(drive, call.providerMetadata)),
  }));
  const parts = reply.parts.map(async ({ type, text, providerMetadata }) => ({
    type,
    text: (await drive.record.keep(text)) as string,
    ...(await metadata(drive, providerMetadata)),
  }));
  return {
    type: "turn.replied",
    data: {
      turn,
      attempt: reply.attempt,
      model: reply.model,
      parts: await Promise.all(parts),
      calls: await Promise.all(calls),
      finish_reason: reply.finishReason,
      usage: reply.usage,
      cost_usd: reply.costUsd,
      duration_ms: Math.round(ms),
    },
  };
}

async function metadata(drive: Drive, value: unknown): Promise<{ provider_metadata?: unknown }> {
  return value === undefined ? {} : { provider_metadata: await drive.record.keep(value) };
}

/**
 * Arguments that are nested deeper than any tool asks for would overflow the stack of whatever walks them later; the
 * text that stands for them is not an object, so the model is told that its arguments are wrong.
 */
function withinDepth(value: unknown): unknown {
  let level: unknown[] = [value];
  for (let depth = 0; level.length > 0; depth++) {
    if (depth > limits.requestJsonDepth) {
      return `(arguments nested deeper than ${limits.requestJsonDepth} levels)`;
    }
    level = level.flatMap((node) =>
      typeof node === "object" && node !== null ? Object.values(node) : [],
    );
  }
  return value;
}
