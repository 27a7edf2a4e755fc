import type { z } from "zod";
import type { Blobs, ContentVersion } from "../content/content.ts";
import type { EventData } from "../contract/event.ts";
import type { Need } from "../policy/policy.ts";
import type { ExecLimits, Place, Sandbox } from "../sandbox/sandbox.ts";

/** What a tool may touch: the run's own places and the content that its tree shares. */
export interface ToolContext {
  runId: string;
  place: Place;
  sandbox: Sandbox;
  blobs: Blobs;
  /** Every version of the content of the run tree, oldest first. */
  content: () => Promise<ContentVersion[]>;
  /** What this run last placed in `/tmp`, by name; from the journal. */
  placed: ReadonlyMap<string, string>;
  limits: ExecLimits;
  /** Cuts the run's secrets out of bytes that are about to be kept (I6). */
  redact: (bytes: Uint8Array) => Promise<Uint8Array>;
  onOutput: (stream: "stdout" | "stderr", offset: number, text: string) => void;
  signal: AbortSignal;
}

type Finished = EventData<"call.finished">;

/** What became of a call: the result for the model, and the facts that the journal keeps beside it. */
export interface ToolOutcome {
  result: { ok: boolean } & Record<string, unknown>;
  content?: Finished["content"];
  staged?: Finished["staged"];
  stdout?: Finished["stdout"];
  stderr?: Finished["stderr"];
  /** The call was stopped from outside before it was done. */
  cut?: boolean;
  /** The call used up a limit of the whole run: it ends with this stop reason. */
  runLimit?: "disk_limit";
}

export interface Tool<Arguments = unknown> {
  name: string;
  /** For the model. */
  description: string;
  input: z.ZodType<Arguments>;
  /** Doing it twice is the same as doing it once: after a crash it is simply done again (I2). */
  repeatable: boolean;
  capability: Need["type"];
  need(args: Arguments): Need;
  run(args: Arguments, context: ToolContext): Promise<ToolOutcome>;
}

export type ErrorType = "validation" | "permission" | "resource" | "execution" | "fatal";

/** The one shape of a failed call: what went wrong, and what the model can do about it. */
export function failure(
  errorType: ErrorType,
  message: string,
  repairHint: string,
  more: Record<string, unknown> = {},
): ToolOutcome["result"] {
  return { ok: false, error_type: errorType, message, repair_hint: repairHint, ...more };
}
