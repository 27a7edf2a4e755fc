import type { Readable, Writable } from "node:stream";

/** What a command has of the world; a test brings its own. */
export interface CliIo {
  /** In raw mode a terminal echoes nothing. */
  stdin: Readable & { isTTY?: boolean; setRawMode?(on: boolean): unknown };
  stdout: Writable & { isTTY?: boolean; columns?: number; rows?: number };
  stderr: Writable & { isTTY?: boolean; columns?: number };
  env: Record<string, string | undefined>;
  /**
   * Tells about SIGINT and SIGTERM until the returned function is called; meanwhile they do not end
   * the process.
   */
  onSignal(listener: (name: "SIGINT" | "SIGTERM") => void): () => void;
  /** Ends the process at once. Only for a second signal. */
  exit(code: number): void;
}

/** The world of a real process. */
export function processIo(): CliIo {
  return {
    stdin: process.stdin,
    stdout: process.stdout,
    stderr: process.stderr,
    env: process.env,
    onSignal(listener) {
      const onInt = () => listener("SIGINT");
      const onTerm = () => listener("SIGTERM");
      process.on("SIGINT", onInt).on("SIGTERM", onTerm);
      return () => process.off("SIGINT", onInt).off("SIGTERM", onTerm);
    },
    exit: (code) => process.exit(code),
  };
}
