import { hash } from "node:crypto";
import { closeSync, openSync, readSync } from "node:fs";
import { limits } from "../base/limits.ts";
import { contentView } from "../content/content.ts";
import type { ProofOutput } from "../contract/artifact-proof.ts";
import type {
  ExecResult,
  Place,
  Staged,
  StageRequest,
  StreamCapture,
  Surroundings,
} from "../sandbox/sandbox.ts";
import { toolRemedies } from "../sandbox/sandbox.ts";
import { keepStream, shownText } from "./command-output.ts";
import { openSecrets } from "./credential-env.ts";
import { failure, type ToolContext, type ToolOutcome } from "./tool.ts";

/** What became of a command, as far as every tool that runs one tells it. */
export interface CommandOutcome extends ToolOutcome {
  end: ExecResult["end"] | { type: "not_started" };
  /** Its stdout, as far as it was kept. */
  said: StreamCapture | undefined;
  /** What was kept of its output, as digests. */
  written: () => ProofOutput;
}

/**
 * Runs one command, keeps what it printed, and says how it ended in words that a model can act on. `secrets` are the
 * variables of its environment that hold some, with the names of these: nobody but the command gets the values.
 */
export async function runCommand(
  context: ToolContext,
  command: string,
  surroundings: Surroundings,
  place: Place = context.place,
  secrets: Readonly<Record<string, string>> = {},
  isLast = false,
): Promise<CommandOutcome> {
  const opened = await openSecrets(context, secrets);
  if (!opened.ok) return notStarted(opened.result);
  const result = await context.sandbox.exec(place, {
    ...{ command, surroundings, limits: context.limits, signal: context.signal },
    ...{ onOutput: context.onOutput, cleaner: context.cleaner, secrets: opened.values },
    isLast,
  });
  const stdout = await keepStream(result.stdout, context);
  const stderr = await keepStream(result.stderr, context);
  const reason = result.end.type === "killed" ? result.end.reason : undefined;
  return {
    end: result.end,
    said: result.stdout,
    written: () => ({ stdout: digestOf(result.stdout.kept), stderr: digestOf(result.stderr.kept) }),
    result: told(result, context),
    ...(stdout ? { stdout } : {}),
    ...(stderr ? { stderr } : {}),
    ...(reason === "cancelled" ? { cut: true } : {}),
    ...(reason === "disk_limit" ? { runLimit: reason } : {}),
  };
}

function notStarted(result: ToolOutcome["result"]): CommandOutcome {
  const nothing = digestOf(Buffer.alloc(0));
  return {
    end: { type: "not_started" },
    said: undefined,
    written: () => ({ stdout: nothing, stderr: nothing }),
    result,
  };
}

function digestOf(bytes: Buffer): string {
  return `sha256:${hash("sha256", bytes)}`;
}

/** A command as one argument of a shell, whatever is in it. */
export function shellQuoted(word: string): string {
  return `'${word.replaceAll("'", "'\\''")}'`;
}

/** The first bytes of a file that is the gateway's own. */
export function headOf(path: string, bytes: number): Buffer {
  const fd = openSync(path, "r");
  try {
    const head = Buffer.alloc(bytes);
    return head.subarray(0, readSync(fd, head, 0, bytes, 0));
  } finally {
    closeSync(fd);
  }
}

/** Too long for one argument of a shell: said before anything is done. */
export function commandTooLong(command: string): ToolOutcome["result"] | undefined {
  if (Buffer.byteLength(command) <= limits.commandBytes) return undefined;
  return failure(
    "validation",
    `The command has ${Buffer.byteLength(command)} bytes, expected at most ${limits.commandBytes}`,
    "Write the data to a file with content_write and give its name",
  );
}

/**
 * Places all content that the run can see in `/tmp`. A version that is not the one last placed is newer, so it replaces
 * even a copy that the run changed meanwhile: the agent wrote it after that.
 */
export async function stageContent(context: ToolContext): Promise<Staged> {
  const versions = await context.content();
  const requests = contentView(versions, context.runId).current.map(
    ({ name, sha256 }): StageRequest => ({
      name,
      sha256,
      placedBefore: [
        ...new Set(versions.filter((other) => other.name === name).map((other) => other.sha256)),
      ],
      newer: context.placed.get(name) !== sha256,
      read: async () => (await context.blobs.read(sha256)).stream,
    }),
  );
  return context.sandbox.stage(context.place, requests);
}

/** What of staging a model has to know. */
export function stagingNotes({ kept, refused }: Staged): Record<string, unknown> {
  return {
    ...(kept.length > 0 ? { kept_changed_files: kept } : {}),
    ...(refused.length > 0 ? { not_placed: refused } : {}),
  };
}

/** What the model is told of how the command ended. A non-zero exit is an answer, not an error. */
function told(result: ExecResult, context: ToolContext): ToolOutcome["result"] {
  const streams = {
    stdout: shownText(result.stdout),
    stderr: shownText(result.stderr),
    duration_ms: Math.round(result.durationMs),
  };
  const { end } = result;
  if (end.type === "exited") {
    const missing = end.exitCode === 127 ? missingTool(streams.stderr) : undefined;
    if (!missing) return { ok: end.exitCode === 0, exit_code: end.exitCode, ...streams };
    return failure("resource", `The program ${missing.tool} is not installed here`, missing.hint, {
      error_kind: "toolchain_missing",
      exit_code: 127,
      ...streams,
    });
  }
  const [message, hint] = killed(end.reason, context);
  return failure("execution", message, hint, {
    error_kind: end.reason,
    exit_code: null,
    ...streams,
  });
}

type KillReason = Extract<ExecResult["end"], { type: "killed" }>["reason"];

function killed(reason: KillReason, { limits: own }: ToolContext): [message: string, hint: string] {
  switch (reason) {
    case "timeout":
      return [
        `The command was killed after ${own.timeoutMs / 1000} s`,
        "Make it faster, or split the work over several commands",
      ];
    case "memory_limit":
      return [
        `The command was killed: it used more than ${own.memoryBytes} bytes of memory`,
        "Work on the data in pieces",
      ];
    case "process_limit":
      return [
        `The command failed: it wanted more than ${own.processes} processes at once`,
        "Do the work with fewer processes or threads",
      ];
    case "disk_limit":
      return [
        `The command was killed: the run used more than ${own.diskBytes} bytes of disk`,
        "Nothing more can be done in this run",
      ];
    case "output_limit":
      return [
        `The command was killed: it printed more than ${own.outputKilledBytes} bytes`,
        "Send the output to a file and look at parts of it",
      ];
    case "cancelled":
      return [
        "The command was killed because the run ends",
        "Nothing more can be done in this run",
      ];
  }
}

/** A shell says "NAME: command not found" (bash) or "NAME: not found" (dash); only programs that we know have a remedy. */
function missingTool(stderr: string): { tool: string; hint: string } | undefined {
  const tool = /(?:^|\s)([\w.+-]+): (?:command )?not found\s*$/m.exec(stderr)?.[1];
  const known = toolRemedies.find(({ name }) => name === tool);
  if (!known) return undefined;
  return { tool: known.name, hint: `Do without it; the operator can help: ${known.remedy}` };
}
