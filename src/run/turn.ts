import { limits } from "../base/limits.ts";
import type { NewEvent } from "../contract/event.ts";
import { newId } from "../contract/ids.ts";
import type { RunSnapshot } from "../contract/submission.ts";
import type { ModelRequest, Reply } from "../model/model.ts";
import { inputSchema } from "../tools/tools.ts";
import type { BudgetTurn } from "./budget-turn.ts";
import { openDeltaText } from "./delta-text.ts";
import type { Drive } from "./drive.ts";
import { listMcpServers } from "./mcp-listing.ts";
import { mcpPrompt } from "./mcp-prompt.ts";
import type { End } from "./next-step.ts";
import { isOneCall } from "./program.ts";
import type { Instructions } from "./run-bundles.ts";
import { shownTools } from "./run-tools.ts";
import { openSandboxAhead } from "./sandbox-ahead.ts";
import { systemPrompt } from "./system-prompt.ts";
import { askableSecrets } from "./tool-context.ts";
import { transcript } from "./transcript.ts";

/**
 * Takes one turn: transcript → model → reply. Ends with `turn.replied`, or with `run.finishing` when there will be no
 * reply, or with nothing when it was aborted: the model may then be asked again (P1). In a tree with a budget it is
 * reserved before, and every way out of here settles it; only a gateway that stops leaves that to its next start.
 */
export async function takeTurn(drive: Drive): Promise<void> {
  const { ledger, budget } = drive;
  await openSandboxAhead(drive);
  if (!(await listMcpServers(drive))) return;
  const readSeq = ledger.state.seq;
  const request = await requestOf(drive, readSeq);
  const turn = request.turn + 1;
  const held = await reserved(drive, request, turn);
  if (held === "aborted") return;
  if (held && "status" in held) {
    return ledger.append({ type: "run.finishing", data: held });
  }
  const asked = held
    ? { ...request, maxOutputTokens: held.maxOutputTokens, isBounded: true }
    : request;
  try {
    const events = await askModel(drive, asked, { turn, readSeq, held });
    // What asks in place of a model asks for the same again, and nothing was reserved for it.
    if (!held && isOneCall(ledger.state.snapshot)) await ledger.later(...events);
    else if (events.length > 0) await ledger.append(...events);
    else if (held && !drive.stopping.aborted) await ledger.append(...held.interrupted());
  } catch (error) {
    if (held && !drive.stopping.aborted) await ledger.append(...held.interrupted());
    throw error;
  } finally {
    if (held) budget?.moved();
  }
}

async function requestOf(
  drive: Drive,
  readSeq: number,
): Promise<ModelRequest & { maxOutputTokens: number }> {
  const { state } = drive.ledger;
  const { tools, hidden } = await shownTools(drive);
  const toolNames = tools.map(({ name }) => name);
  const prompt = systemPrompt(state.snapshot, {
    ...{ tools: toolNames, limits: drive.limits, isTask: state.parent !== undefined },
    secrets: toolNames.includes("sandbox_exec") ? await askableSecrets(drive) : [],
  });
  return {
    system: [prompt, ...mcpPrompt(state, hidden)].join("\n\n"),
    messages: await transcript(state, drive.record.restore, readSeq, await instructions(drive)),
    tools: tools.map((tool) => ({
      name: tool.name,
      description: tool.description,
      inputSchema: inputSchema(tool),
    })),
    maxOutputTokens: Math.max(1, drive.limits.outputTokens - state.outputTokens),
    ...providerSkillsOf(state.snapshot),
    ...temperatureOf(state.snapshot),
    turn: state.turns.length,
  };
}

/** A record of the workspace may hold what became a secret later (I6). */
async function instructions({ bundles, secrets }: Drive): Promise<Instructions[]> {
  const given = await bundles.instructions();
  return secrets.redactor("transcript").json(given) as Instructions[];
}

/** Waits for its share of the budget, unless the run is to stop meanwhile. */
async function reserved(
  { budget, model, signal }: Drive,
  request: ModelRequest,
  turn: number,
): Promise<BudgetTurn | End | undefined | "aborted"> {
  if (budget === undefined) return undefined;
  try {
    return await budget.turn(model(), request, turn);
  } catch (error) {
    if (signal.aborted && error === signal.reason) return "aborted";
    throw error;
  }
}

interface Asking {
  turn: number;
  readSeq: number;
  held: BudgetTurn | undefined;
}

/** Gives what is to be written down; nothing when it was aborted. */
async function askModel(drive: Drive, request: ModelRequest, asking: Asking): Promise<NewEvent[]> {
  const { live, clock, runId } = drive;
  const { turn, readSeq, held } = asking;
  const start = clock.monotonic();
  let show = openDeltaText(drive.cleaner());
  for await (const event of drive.model().reply(request, drive.signal)) {
    switch (event.type) {
      case "delta": {
        const { attempt } = event;
        const shown = show(event.text);
        if (shown === undefined) break;
        live.publish(runId, { type: "model.delta", data: { turn, attempt, ...shown } });
        break;
      }
      case "reset": {
        const { attempt, reason, billed } = event;
        show = openDeltaText(drive.cleaner());
        live.publish(runId, { type: "model.reset", data: { turn, attempt, reason } });
        drive.log.warn({ run: runId, turn, attempt, reason }, "turn.retried");
        const end = await held?.retry(billed);
        if (end) return [{ type: "run.finishing", data: end }];
        break;
      }
      case "reply": {
        const { reply } = event;
        const ms = clock.monotonic() - start;
        const settled = held?.replied(reply);
        return [
          ...(settled?.events ?? []),
          await replied(drive, { turn, readSeq, reply, ms }),
          ...(settled?.end ? [{ type: "run.finishing", data: settled.end } as const] : []),
        ];
      }
      case "failure": {
        const { reason, message } = event.failure;
        drive.log.warn({ run: runId, turn, reason }, "turn.failed");
        const data = { status: "failed", stop_reason: reason, message } as const;
        const spent = (await held?.failed(event.billed)) ?? [];
        return [...spent, { type: "run.finishing", data }];
      }
    }
  }
  return [];
}

function temperatureOf({ agent }: RunSnapshot): { temperature?: number } {
  const temperature = agent?.llm_config?.temperature;
  return temperature === undefined ? {} : { temperature };
}

function providerSkillsOf({ skills = [] }: RunSnapshot): Pick<ModelRequest, "providerSkills"> {
  const providerSkills = skills.filter((skill) => "skillId" in skill);
  return providerSkills.length === 0 ? {} : { providerSkills };
}

interface Replied {
  turn: number;
  readSeq: number;
  reply: Reply;
  ms: number;
}

async function replied(drive: Drive, { turn, readSeq, reply, ms }: Replied): Promise<NewEvent> {
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
      read_seq: readSeq,
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
