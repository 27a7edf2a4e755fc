import { isEnd, type Run } from "../contract/run.ts";
import { showDuration } from "./duration.ts";
import { plain, plainLine } from "./plain.ts";
import type { Printer } from "./print.ts";
import { count } from "./words.ts";

/** A sign for a status: how it ended, or that it has not. */
export function statusMark({ color }: Printer, status: string): string {
  if (status === "succeeded") return color.green("✓");
  if (isEnd(status)) return color.red("✗");
  return color.yellow("…");
}

/** Cents are too coarse for most runs, so small amounts get more digits; only nothing is shown as nothing. */
export function showCost(usd: number | null): string {
  if (usd === null) return "cost unknown";
  if (usd > 0 && usd < 0.0001) return "< $0.0001";
  return `$${usd.toFixed(usd === 0 || usd >= 1 ? 2 : 4)}`;
}

/** A run in a few lines. */
export async function printRun(print: Printer, run: Run): Promise<void> {
  const { color } = print;
  const reason = run.stop_reason === null ? "" : ` (${plainLine(run.stop_reason)})`;
  await print.line(`${statusMark(print, run.status)} ${run.id}  ${run.status}${reason}`);
  const facts = [plainLine(run.model), count(run.turns, "turn"), count(run.calls, "call")];
  facts.push(count(run.usage.totalTokens, "token"));
  facts.push(showCost(run.costUsd));
  if (run.startedAt !== null) {
    const end = run.finishedAt === null ? Date.now() : Date.parse(run.finishedAt);
    facts.push(showDuration(Math.max(0, end - Date.parse(run.startedAt))));
  }
  if (run.startedAt !== null) facts.push(run.startedAt.slice(0, 19).replace("T", " "));
  if (run.queue !== null) facts.push(`number ${run.queue.position} in the queue`);
  await print.line(`  ${color.dim(facts.join(" · "))}`);
  const { forked } = run.submission;
  if (forked) {
    await print.line(`  ${color.dim(`fork of ${forked.run_id} after its turn ${forked.turn}`)}`);
  }
  if (run.message !== null) await print.line(`  ${plain(run.message)}`);
  if (run.reply) await print.line(`\n${plain(run.reply.trimEnd())}`);
}
