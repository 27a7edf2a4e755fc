import { type EventData, isEvent, type LiveEvent, type RunEvent } from "../contract/event.ts";
import type { CliIo } from "./io.ts";
import { plain } from "./plain.ts";
import type { Printer } from "./print.ts";
import { textOf } from "./words.ts";

type Stream = "stdout" | "stderr";

/**
 * Shows what a program writes as if it ran here: its stdout on stdout, its stderr on stderr, and nothing else. Pieces
 * come while it runs; those that got lost on the way are made up for when it has ended.
 */
export function openProgramOutput(print: Printer, { stderr }: Pick<CliIo, "stderr">) {
  const seen: Record<Stream, number> = { stdout: 0, stderr: 0 };
  const write = async (stream: Stream, text: string) => {
    if (text === "") return;
    print.spinner.clear();
    if (stream === "stdout") await print.write(plain(text));
    else stderr.write(plain(text));
  };

  async function hear({
    stream,
    offset,
    text,
  }: Extract<LiveEvent, { type: "call.output" }>["data"]) {
    // Behind a gap nothing is shown before the end, when the rest comes in one piece.
    if (offset !== seen[stream]) return;
    seen[stream] += Buffer.byteLength(text);
    await write(stream, text);
  }

  async function settle(stream: Stream, data: EventData<"call.finished">) {
    const result = (data.result ?? {}) as Record<string, unknown>;
    const text = textOf(result[stream]) ?? "";
    await write(stream, restOf(text, data[stream]?.bytes, seen[stream]));
  }

  return {
    async show(event: RunEvent | LiveEvent): Promise<void> {
      if (!("seq" in event)) {
        if (event.type === "call.output") await hear(event.data);
        return;
      }
      if (isEvent(event, "run.submitted")) print.spinner.show("waiting for a place");
      if (isEvent(event, "run.started")) print.spinner.show("preparing the sandbox");
      if (isEvent(event, "call.started")) print.spinner.show("the program is running");
      if (!isEvent(event, "call.finished")) return;
      for (const stream of ["stdout", "stderr"] as const) await settle(stream, event.data);
    },
  };
}

const leftOut = /\n\[… \d+ bytes are left out here …\]\n/;

/**
 * What comes behind the first `seen` bytes of a stream, of which `text` is all, or, when it had `total` bytes, its head
 * and its tail.
 */
export function restOf(text: string, total: number | undefined, seen: number): string {
  const gap = total === undefined ? null : leftOut.exec(text);
  if (total === undefined || gap === null) return Buffer.from(text).subarray(seen).toString();
  const tail = text.slice(gap.index + gap[0].length);
  const tailAt = total - Buffer.byteLength(tail);
  if (seen >= tailAt)
    return Buffer.from(tail)
      .subarray(seen - tailAt)
      .toString();
  if (seen < Buffer.byteLength(text.slice(0, gap.index))) {
    return Buffer.from(text).subarray(seen).toString();
  }
  return `\n[… ${tailAt - seen} bytes are left out here …]\n${tail}`;
}
