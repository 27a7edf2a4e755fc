import type { ApprovalRequest } from "../contract/approval.ts";
import { isEvent, type LiveEvent, type RunEvent } from "../contract/event.ts";
import type { InteractionAnswer, InteractionRequest } from "../contract/interaction.ts";
import type { RunRef } from "../sdk/sdk.ts";
import { showHost } from "./host-names.ts";
import type { Printer } from "./print.ts";
import { spellLine } from "./spell.ts";
import { shorten, textOf } from "./words.ts";

type Color = Printer["color"];

/** What a run asks people, and what they answered, as people read it; nothing for any other event. */
export function askedLines(event: RunEvent | LiveEvent, color: Color): string[] {
  if (!("seq" in event)) return [];
  if (isEvent(event, "approval.requested")) return requestLines(event.data, color);
  if (isEvent(event, "approval.resolved")) {
    const { request_id, status, scope, answered_by, note } = event.data;
    const mark = status === "approved" ? color.green("✓") : color.red("✗");
    const by = answered_by === null ? "" : ` by ${answered_by}`;
    const words = {
      approved: `approved${scope === null ? "" : ` (${scope})`}${by}`,
      denied: `denied${by}`,
      expired: "nobody answered in time",
      cancelled: "cancelled: the run ends",
    }[status];
    const why = note === null ? "" : `: ${lineOf(note, 200)}`;
    return [`${mark} ${request_id}  ${words}${why}`];
  }
  if (isEvent(event, "approval.revoked")) {
    const { request_id, revoked_by, reason } = event.data;
    const why = reason === null ? "" : `: ${lineOf(reason, 200)}`;
    return [`${color.red("✗")} ${request_id}  revoked by ${revoked_by}${why}`];
  }
  if (isEvent(event, "input.requested")) return questionLines(event.data, color);
  if (isEvent(event, "input.answered")) return answerLines(event.data, color);
  if (isEvent(event, "run.stopped")) {
    const { requested_by, reason } = event.data;
    return [`${color.red("✗")} stopped by ${requested_by}: ${lineOf(reason, 200)}`];
  }
  return [];
}

/** Says what a run waits for that is not watched from its start. */
export async function tellPending(print: Printer, run: RunRef): Promise<void> {
  const pending = new Map<string, ApprovalRequest>();
  const questions = new Map<string, InteractionRequest>();
  for await (const event of run.events()) {
    if (isEvent(event, "input.requested")) questions.set(event.data.interaction_id, event.data);
    if (isEvent(event, "input.answered")) questions.delete(event.data.interaction_id);
    if (isEvent(event, "approval.requested")) pending.set(event.data.request_id, event.data);
    if (isEvent(event, "approval.resolved")) pending.delete(event.data.request_id);
  }
  for (const question of questions.values()) {
    for (const line of questionLines(question, print.color)) print.note(line);
  }
  for (const request of pending.values()) {
    for (const line of requestLines(request, print.color)) print.note(line);
  }
}

function questionLines(request: InteractionRequest, color: Color): string[] {
  const { interaction_id, kind, question, context, options, allow_freeform } = request;
  const lines = [`${color.yellow("?")} ${color.bold("A person is asked")} (${spellLine(kind)})`];
  lines.push(`  question   ${lineOf(question, 400)}`);
  if (context !== null) lines.push(`  context    ${lineOf(context, 200)}`);
  for (const { id, label } of options.slice(0, 10)) {
    lines.push(`  option     ${lineOf(id, 64)}: ${lineOf(label, 120)}`);
  }
  if (options.length > 10) lines.push(`             and ${options.length - 10} more`);
  const flags = [
    ...(options.length > 0 ? ["--option ID"] : []),
    ...(allow_freeform ? ["--text TEXT"] : []),
  ];
  lines.push(`  answer     airlock interactions answer ${interaction_id} ${flags.join(" or ")}`);
  return lines;
}

function answerLines(answer: InteractionAnswer, color: Color): string[] {
  const { interaction_id, status, answer_text, answer_option_id, answered_by } = answer;
  if (status !== "answered") {
    const why = status === "expired" ? "nobody answered in time" : "cancelled: the run ends";
    return [`${color.red("✗")} ${interaction_id}  ${why}`];
  }
  const by = answered_by === null ? "" : ` by ${answered_by}`;
  const what = lineOf(answer_text ?? answer_option_id ?? "", 200);
  return [`${color.green("✓")} ${interaction_id}  answered${by}: ${what}`];
}

function requestLines(request: ApprovalRequest, color: Color): string[] {
  const { request_id, tool, summary, intent, warning, hosts } = request;
  const lines = [`${color.yellow("?")} ${color.bold(spellLine(tool))} waits for a person`];
  lines.push(`  it wants   ${lineOf(summary, 160)}`);
  if (intent !== null) lines.push(`  it says    ${lineOf(intent, 160)}`);
  if (hosts.length > 0) {
    const more = hosts.length > 4 ? ` and ${hosts.length - 4} more` : "";
    const shown = hosts.slice(0, 4).map((host) => showHost(host).text);
    lines.push(`  to reach   ${shown.join(", ")}${more}`);
  }
  if (warning !== null) lines.push(color.yellow(`  ! ${lineOf(warning, 200)}`));
  lines.push(`  see it     airlock approvals show ${request_id}`);
  lines.push(`  answer     airlock approvals approve ${request_id}   (or deny)`);
  return lines;
}

/** A string of an event on one line; of one that was too long for an event, its head. */
function lineOf(value: unknown, max: number): string {
  return shorten(spellLine(textOf(value) ?? ""), max);
}
