import { join } from "node:path";
import { z } from "zod";
import { assert } from "../base/assert.ts";
import { limits } from "../base/limits.ts";
import type { StreamCapture, Surroundings } from "../sandbox/sandbox.ts";
import { agentPath, inputPath, metaPath } from "../sandbox/sandbox.ts";
import { headOf, runCommand, shellQuoted } from "./command.ts";
import { CredentialEnvArgument, secretsOf } from "./credential-env.ts";
import {
  type AgentScript,
  failure,
  type Tool,
  type ToolContext,
  type ToolOutcome,
} from "./tool.ts";
import { wantsCode } from "./wanted.ts";

const AgentScriptCall = z.strictObject({
  entry: z.string().min(1),
  credential_env: CredentialEnvArgument,
});
type AgentScriptCall = z.infer<typeof AgentScriptCall>;

/**
 * Starts the script of a script agent: the file itself, as the kernel starts it, with the run's input. It is the one call
 * of such a run, and no model can ask for it. The arguments hold no input: an approval for the agent's revision is for
 * whatever the agent is given, as one for an artifact is for whatever its program is given.
 */
export const agentScript: Tool<AgentScriptCall> = {
  name: "agent_script",
  description: "Starts the script of this agent with the input of the run.",
  input: AgentScriptCall,
  repeatable: false,
  capability: "CodeExecution",
  wants: ({ entry, credential_env }) =>
    wantsCode({ entrypoint: entry, isOwnScript: true, secrets: secretsOf(credential_env) }),

  async run({ entry, credential_env }, context) {
    const { script, place } = context;
    assert(script, "only the run of a script agent makes this call");
    const unusable = scriptProblem(script, place.agent);
    if (unusable !== undefined) return { result: unusable };
    const surroundings = await scriptSurroundings(context, script);
    const ran = await context.withNetwork(context.hosts, () =>
      runCommand(context, startOf(entry), surroundings, place, secretsOf(credential_env), true),
    );
    const { end, written: _, said, ...outcome } = ran.value;
    if (end.type !== "exited" || end.exitCode !== 0 || said === undefined) return outcome;
    // What it said is its reply, so the result does not say it again.
    const { stdout: _shown, ...result } = outcome.result;
    return { ...outcome, result: { ...result, ok: true }, reply: replyOf(said) };
  },
};

/** In place of the shell that waits in the sandbox, so that the script is the process that the gateway follows. */
function startOf(entry: string): string {
  return `exec ${shellQuoted(`${agentPath}/${entry}`)} < ${inputPath}`;
}

/** What the script has around it. The same for one run, so that its sandbox can be opened before its call is made. */
export async function scriptSurroundings(
  context: Pick<ToolContext, "surroundings" | "hosts">,
  script: AgentScript,
): Promise<Surroundings> {
  const around = await context.surroundings(context.hosts);
  return {
    ...around,
    environment: { ...around.environment, ...environmentOf(script) },
    agent: true,
  };
}

/**
 * The input and what is known of the run, each by path and, where the kernel can pass it on, by value: a text that is too
 * long or holds a NUL is there by path alone.
 */
function environmentOf({ input, meta }: AgentScript): Record<string, string> {
  const byName: [string, string][] = [
    ["INPUT_PATH", inputPath],
    ["META_PATH", metaPath],
    ...(isPassable(input) ? [["INPUT", input] as [string, string]] : []),
    ...(isPassable(meta) ? [["META", meta] as [string, string]] : []),
  ];
  return Object.fromEntries(
    ["AUTONOETIC", "AIRLOCK"].flatMap((prefix) =>
      byName.map(([name, value]) => [`${prefix}_${name}`, value]),
    ),
  );
}

function isPassable(text: string): boolean {
  return Buffer.byteLength(text) <= limits.scriptVariableBytes && !text.includes("\0");
}

/** The shell would read a file without a first line for the kernel as its own script. */
function scriptProblem(
  { entry, files }: AgentScript,
  folder: string | undefined,
): ToolOutcome["result"] | undefined {
  const name = JSON.stringify(entry);
  const isThere = folder !== undefined && files.includes(entry);
  if (isThere && headOf(join(folder, entry), 2).toString("latin1") === "#!") return undefined;
  const message = isThere
    ? `The script ${name} has no first line that names its interpreter`
    : `The agent has no file ${name}`;
  const hint = "Install the agent again with a first line like #!/usr/bin/env python3";
  return failure("validation", message, hint, { error_kind: "script_unusable" });
}

/** All that was kept of stdout, without the line break that ends it. */
function replyOf({ kept, tail, totalBytes }: StreamCapture): string {
  const text = kept.toString("utf8");
  if (totalBytes > kept.length) {
    const leftOut = totalBytes - kept.length - tail.length;
    return `${text}\n[… ${leftOut} bytes are left out here …]\n${tail.toString("utf8")}`;
  }
  return text.endsWith("\r\n") ? text.slice(0, -2) : text.endsWith("\n") ? text.slice(0, -1) : text;
}
