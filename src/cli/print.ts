import type { Writable } from "node:stream";
import picocolors from "picocolors";
import { CliError } from "./exit.ts";
import type { CliIo } from "./io.ts";
import { plainButColors, plainJson } from "./plain.ts";
import { openSpinner, type Spinner } from "./spinner.ts";

type Colors = ReturnType<typeof picocolors.createColors>;

/**
 * Where a command's words go: its answer to stdout, everything else to stderr. Text that comes from
 * a run passes `plain` before it comes to `write`; in lines and notes only colors pass, because an id may be a lie too.
 */
export interface Printer {
  /** Answers are JSON for programs, not text for people. */
  readonly json: boolean;
  readonly color: Colors;
  readonly spinner: Spinner;
  /** A person is looking at stdout. */
  readonly interactive: boolean;
  /** What is one thing for each line is read by a program: JSON was asked for, or stdout is no terminal. */
  readonly forPrograms: boolean;
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

/** The far end of stdout: whether somebody still reads it, and what else became of it. */
export interface Reader {
  closed: AbortSignal;
  /**
   * Resolves when everything is out; rejects when it could not be written for any reason but a
   * reader that left.
   */
  flush(): Promise<void>;
}

/** A reader that leaves (`| head`) is an end and no crash; a full disk behind `>` is an error. */
export function watchReader({ stdout }: CliIo): Reader {
  const gone = new AbortController();
  let failure: Error | undefined;
  stdout.on("error", (error: NodeJS.ErrnoException) => {
    if (error.code !== "EPIPE" && error.code !== "ERR_STREAM_DESTROYED") failure ??= error;
    gone.abort();
  });
  return {
    closed: gone.signal,
    async flush() {
      // The error of a write comes before its callback; the answer of the callback itself says
      // nothing more.
      if (!gone.signal.aborted) await new Promise((resolve) => stdout.write("", resolve));
      await new Promise((resolve) => setImmediate(resolve));
      if (failure) throw new CliError("stdout", `Cannot write to stdout: ${failure.message}`);
    },
  };
}

/** Waits for slow readers, so that a long list does not pile up in memory. */
export function openPrinter(io: CliIo, closed: AbortSignal, json: boolean): Printer {
  const { stdout, stderr, env } = io;
  const spinner = openSpinner(stderr, !json && stderr.isTTY === true && env.TERM !== "dumb");
  const write = async (text: string) => {
    if (closed.aborted) return;
    spinner.clear();
    if (!stdout.write(text)) await drained(stdout, closed);
  };
  const note = (text: string) => {
    if (json) return;
    spinner.clear();
    stderr.write(`${plainButColors(text)}\n`);
  };
  return {
    json,
    color: picocolors.createColors(!json && hasColor(stdout, env)),
    spinner,
    interactive: !json && stdout.isTTY === true,
    forPrograms: json || stdout.isTTY !== true,
    closed,
    write,
    line: (text) => write(`${plainButColors(text)}\n`),
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
