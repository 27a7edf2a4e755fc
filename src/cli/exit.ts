/** What a command ends with. Scripts rely on these numbers. */
export const exit = {
  ok: 0,
  /** The command failed, or the run it watched ended in any way but `succeeded`. */
  failed: 1,
  usage: 2,
  deadline: 3,
  /** The policy would ask a person. */
  asks: 4,
  /** Stopped with Ctrl-C: 128 and the number of the signal, as shells have it. */
  interrupted: 130,
} as const;

/** Something about the command itself is wrong: message, and what to do about it. */
export class CliError extends Error {
  override name = "CliError";
  readonly code: string;
  readonly remedy: string | undefined;
  readonly exitCode: number;

  constructor(code: string, message: string, remedy?: string, exitCode: number = exit.failed) {
    super(message);
    this.code = code;
    this.remedy = remedy;
    this.exitCode = exitCode;
  }
}

/** An argument that cannot be used. */
export function usage(message: string, remedy?: string): CliError {
  return new CliError("usage", message, remedy, exit.usage);
}
