import { z } from "zod";
import { limits } from "../base/limits.ts";
import { contentView } from "../content/content.ts";
import type { ExecResult, Staged, StageRequest } from "../sandbox/sandbox.ts";
import { toolRemedies } from "../sandbox/sandbox.ts";
import { keepStream, shownText } from "./command-output.ts";
import { failure, type Tool, type ToolContext, type ToolOutcome } from "./tool.ts";

const SandboxExec = z.strictObject({
  command: z
    .string()
    .refine((command) => command.trim() !== "", "must not be blank")
    .refine((command) => !command.includes("\0"), "must not contain NUL")
    .refine(
      (command) => Buffer.byteLength(command) <= limits.commandBytes,
      `exceeds ${limits.commandBytes} bytes: write a script with content_write and run that`,
    )
    .describe("A shell command. The working directory is /tmp, your files are there by name"),
  intent: z.string().max(1000).optional().describe("What it is for, in one sentence, for people"),
});
type SandboxExec = z.infer<typeof SandboxExec>;

export const sandboxExec: Tool<SandboxExec> = {
  name: "sandbox_exec",
  description:
    "Runs a shell command in the sandbox (bash, no network) and returns its exit code, stdout and stderr.",
  input: SandboxExec,
  repeatable: false,
  capability: "CodeExecution",
  need: ({ command }) => ({ type: "CodeExecution", command, network: "granted", installs: false }),

  async run({ command }, context) {
    const staged = await context.sandbox.stage(context.place, await stageRequests(context));
    const result = await context.sandbox.exec(context.place, {
      command,
      limits: context.limits,
      signal: context.signal,
      onOutput: context.onOutput,
    });
    const stdout = await keepStream(result.stdout, context);
    const stderr = await keepStream(result.stderr, context);
    const reason = result.end.type === "killed" ? result.end.reason : undefined;
    return {
      result: { ...told(result, context), ...stagingNotes(staged) },
      ...(staged.placed.length > 0 ? { staged: staged.placed } : {}),
      ...(stdout ? { stdout } : {}),
      ...(stderr ? { stderr } : {}),
      ...(reason === "cancelled" ? { cut: true } : {}),
      ...(reason === "disk_limit" ? { runLimit: reason } : {}),
    };
  },
};

/**
 * All content that the run can see, as it is to lie in `/tmp`. A version that is not the one last placed is newer, so it
 * replaces even a copy that the run changed meanwhile: the agent wrote it after that.
 */
async function stageRequests(context: ToolContext): Promise<StageRequest[]> {
  const versions = await context.content();
  return contentView(versions, context.runId).current.map(({ name, sha256 }) => ({
    name,
    sha256,
    placedBefore: [
      ...new Set(versions.filter((other) => other.name === name).map((other) => other.sha256)),
    ],
    newer: context.placed.get(name) !== sha256,
    read: async () => (await context.blobs.read(sha256)).stream,
  }));
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

function stagingNotes({ kept, refused }: Staged): Record<string, unknown> {
  return {
    ...(kept.length > 0 ? { kept_changed_files: kept } : {}),
    ...(refused.length > 0 ? { not_placed: refused } : {}),
  };
}
