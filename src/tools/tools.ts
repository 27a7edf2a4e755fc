/**
 * Tools: what an agent can do. One file per tool. A tool never asks permission, never journals and never shortens what
 * the journal keeps: the corridor does these for all tools alike. Expected failure is a result that the model can act
 * on, never an exception.
 */
import { z } from "zod";
import { assert } from "../base/assert.ts";
import type { Capability } from "../contract/agent.ts";
import { hasCapability } from "../policy/policy.ts";
import { agentDiscover } from "./agent-discover.ts";
import { agentExists } from "./agent-exists.ts";
import { agentMessage } from "./agent-message.ts";
import { agentSpawn } from "./agent-spawn.ts";
import { approvalStatus } from "./approval-status.ts";
import { artifactBuild } from "./artifact-build.ts";
import { artifactExec } from "./artifact-exec.ts";
import { artifactInspect, artifactResolveRef } from "./artifact-inspect.ts";
import { contentRead } from "./content-read.ts";
import { contentWrite } from "./content-write.ts";
import { executionSearch } from "./execution-search.ts";
import { sandboxExec } from "./sandbox-exec.ts";
import { sessionEscalate } from "./session-escalate.ts";
import { failure, type Tool, type ToolOutcome } from "./tool.ts";
import { userAsk } from "./user-ask.ts";
import { userInteractionStatus } from "./user-interaction-status.ts";
import { workflowCancelTask } from "./workflow-cancel-task.ts";
import { workflowState } from "./workflow-state.ts";
import { workflowWait } from "./workflow-wait.ts";

export { agentScript, scriptSurroundings } from "./agent-script.ts";
export { layersFull } from "./build.ts";
export { type BuildCache, buildKey, openBuildCache } from "./build-cache.ts";
export { captureLayers } from "./capture-layers.ts";
export { type CommandOutcome, runCommand, shellQuoted, stageContent } from "./command.ts";
export { secretNotFound } from "./credential-env.ts";
export { isPinnedBuild } from "./pinned.ts";
export type { RunTasks, TaskArtifact, TaskAsk, TaskFacts, TaskMade } from "./run-tasks.ts";
export {
  type AgentScript,
  type CallWait,
  type EventLayer,
  failure,
  type GivenFile,
  type RemoteTool,
  type Tool,
  type ToolContext,
  type ToolOutcome,
} from "./tool.ts";
export type { Sent, TreeFacts } from "./tree-facts.ts";
export type { Wanted, WantedCode } from "./wanted.ts";

const toolbox: Tool[] = [
  contentWrite,
  contentRead,
  sandboxExec,
  artifactBuild,
  artifactInspect,
  artifactResolveRef,
  artifactExec,
  agentSpawn,
  agentExists,
  agentDiscover,
  workflowWait,
  workflowState,
  workflowCancelTask,
  agentMessage,
  executionSearch,
  userAsk,
  userInteractionStatus,
  approvalStatus,
  sessionEscalate,
];

/** The tools that an agent with these capabilities is shown. */
export function toolsFor(capabilities: readonly Capability[], hasAgent: boolean): Tool[] {
  return toolbox.filter((tool) => {
    const { capability } = tool;
    if (isOfTree(tool) && !hasAgent) return false;
    return capability === null || hasCapability(capabilities, capability);
  });
}

/** Whether a tool is for agents that work with others: the built-in one works alone and asks nobody. */
export function isOfTree({ capability, ofTree }: Tool): boolean {
  return capability === null || ofTree === true;
}

/** The tool of this name; the older dotted spelling (`sandbox.exec`) is understood. */
export function findTool(name: string): Tool | undefined {
  const spelling = name.replaceAll(".", "_");
  return toolbox.find((tool) => tool.name === spelling);
}

const inputSchemas = new Map(
  toolbox.map((tool) => {
    const { $schema: _, ...schema } = z.toJSONSchema(tool.input, { io: "input" });
    return [tool.name, schema as Record<string, unknown>];
  }),
);

/** The JSON Schema of a tool's arguments, as models want it: made once, because every turn sends it. */
export function inputSchema(tool: Tool): Record<string, unknown> {
  if (tool.remote !== undefined) return tool.remote.schema;
  const schema = inputSchemas.get(tool.name);
  assert(schema !== undefined, `${tool.name} is in the toolbox`);
  return schema;
}

export type Arguments = { ok: true; args: unknown } | { ok: false; result: ToolOutcome["result"] };

/** Checks a call's arguments against the tool's schema; a mistake becomes a result that names field and remedy. */
export function parseArguments(tool: Tool, given: unknown): Arguments {
  const parsed = tool.input.safeParse(given);
  if (parsed.success) return { ok: true, args: parsed.data };
  const fields = parsed.error.issues.map((issue) => ({
    path: issue.path.join(".") || "(arguments)",
    message: issue.message,
  }));
  const first = fields[0];
  return {
    ok: false,
    result: failure(
      "validation",
      typeof given === "string"
        ? `The arguments of ${tool.name} are not a JSON object`
        : `Wrong arguments for ${tool.name}: ${first?.path}: ${first?.message}`,
      `Call ${tool.name} again with arguments that fit its schema`,
      { fields },
    ),
  };
}
