import type { Writable } from "node:stream";
import picocolors from "picocolors";
import type { CliIo } from "./io.ts";
import { plainJson } from "./plain.ts";
import { openSpinner, type Spinner } from "./spinner.ts";

type Colors = ReturnType<typeof picocolors.createColors>;

/**
 * Where a command's words go: its answer to stdout, everything else to stderr. Text that comes from a run passes
 * `plain` before it comes here.
 */
export interface Printer {
  /** Answers are JSON for programs, not text for people. */
  readonly json: boolean;
  readonly color: Colors;
  readonly spinner: Spinner;
  /** A person is looking at stdout. */
  readonly interactive: boolean;
  /** Aborts when nobody reads stdout any more. */
  readonly closed: AbortSignal;
  write(text: string): Promise<void>;
  line(text: string): Promise<void>;
  /** One line of JSON on stdout. */
  value(value: unknown): Promise<void>;
  /** A word to the person on stderr; silent with --json. */
  note(text: string): void;
  /** What to do next; only when a person is looking. */
  hint(text: string): void;
  close(): void;
}

/** Waits for slow readers, so that a long list does not pile up in memory, and takes a reader that left for an end. */
export function openPrinter(io: CliIo, json: boolean): Printer {
  const { stdout, stderr, env } = io;
  const gone = new AbortController();
  const onError = (error: NodeJS.ErrnoException) => {
    if (error.code === "EPIPE" || error.code === "ERR_STREAM_DESTROYED") return gone.abort();
    gone.abort(error);
  };
  stdout.on("error", onError);
  const spinner = openSpinner(stderr, !json && stderr.isTTY === true && env.TERM !== "dumb");
  const write = async (text: string) => {
    if (gone.signal.aborted) return;
    spinner.clear();
    if (!stdout.write(text)) await drained(stdout, gone.signal);
  };
  const note = (text: string) => {
    if (json) return;
    spinner.clear();
    stderr.write(`${text}\n`);
  };
  return {
    json,
    color: picocolors.createColors(!json && hasColor(stdout, env)),
    spinner,
    interactive: !json && stdout.isTTY === true,
    closed: gone.signal,
    write,
    line: (text) => write(`${text}\n`),
    value: (value) => write(`${plainJson(value)}\n`),
    note,
    hint: (text) => {
      if (stderr.isTTY) note(text);
    },
    close: () => spinner.clear(),
  };
}

export function hasColor(stream: { isTTY?: boolean }, env: CliIo["env"]): boolean {
  return stream.isTTY === true && !env.NO_COLOR && env.TERM !== "dumb";
}

function drained(stream: Writable, gone: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const settle = () => {
      stream.off("drain", settle);
      gone.removeEventListener("abort", settle);
      resolve();
    };
    if (gone.aborted) return resolve();
    stream.on("drain", settle);
    gone.addEventListener("abort", settle);
  });
}
