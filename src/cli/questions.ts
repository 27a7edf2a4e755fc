import { createInterface } from "node:readline";
import type { CliIo } from "./io.ts";
import { layOut, type PageLine } from "./page.ts";
import type { Printer } from "./print.ts";
import { count } from "./words.ts";

/** Questions on stderr that are answered on stdin, one line each. */
export interface Questions {
  /** The answer without the blanks around it; undefined when there will be none. */
  ask(question: string): Promise<string | undefined>;
  close(): void;
}

/** Whether a person sits at both ends: only then a question makes sense. */
export function isAttended(io: CliIo, print: Printer): boolean {
  return print.interactive && io.stdin.isTTY === true;
}

export function openQuestions(io: CliIo): Questions {
  const reader = createInterface({ input: io.stdin, terminal: false });
  const lines = reader[Symbol.asyncIterator]();
  return {
    async ask(question) {
      io.stderr.write(`${question} `);
      const { value, done } = await lines.next();
      return done ? undefined : String(value).trim();
    },
    close: () => reader.close(),
  };
}

const screenRows = 24;
const screenColumns = 80;

/**
 * Shows a page a screen at a time, so that nothing of it scrolls by unseen. False when the person left before its end.
 */
export async function pageThrough(
  io: CliIo,
  print: Printer,
  lines: readonly PageLine[],
  questions: Questions,
): Promise<boolean> {
  const rows = layOut(lines, io.stdout.columns || screenColumns);
  const step = Math.max(4, (io.stdout.rows || screenRows) - 2);
  for (let at = 0; at < rows.length; at += step) {
    for (const row of rows.slice(at, at + step)) await print.line(row);
    const left = rows.length - at - step;
    if (left <= 0) return true;
    const more = `… ${count(left, "more line")}: Enter shows more, q leaves`;
    const answer = await questions.ask(print.color.dim(more));
    if (answer === undefined || answer.toLowerCase().startsWith("q")) return false;
  }
  return true;
}
