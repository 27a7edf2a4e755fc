/**
 * Tools: what an agent can do. One file per tool. A tool never asks permission, never journals and never shortens what
 * the journal keeps: the corridor does these for all tools alike. Expected failure is a result that the model can act
 * on, never an exception.
 */
import { z } from "zod";
import { assert } from "../base/assert.ts";
import type { Capability } from "../contract/agent.ts";
import { hasCapability } from "../policy/policy.ts";
import { artifactBuild } from "./artifact-build.ts";
import { artifactExec } from "./artifact-exec.ts";
import { artifactInspect, artifactResolveRef } from "./artifact-inspect.ts";
import { contentRead } from "./content-read.ts";
import { contentWrite } from "./content-write.ts";
import { sandboxExec } from "./sandbox-exec.ts";
import { failure, type Tool, type ToolOutcome } from "./tool.ts";

export { type BuildCache, openBuildCache } from "./build-cache.ts";
export { stageContent } from "./command.ts";
export { isPinnedBuild } from "./pinned.ts";
export { failure, type Tool, type ToolContext, type ToolOutcome } from "./tool.ts";
export type { Wanted, WantedCode } from "./wanted.ts";

const toolbox: Tool[] = [
  contentWrite,
  contentRead,
  sandboxExec,
  artifactBuild,
  artifactInspect,
  artifactResolveRef,
  artifactExec,
];

/** The tools that an agent with these capabilities is shown. */
export function toolsFor(capabilities: readonly Capability[]): Tool[] {
  return toolbox.filter((tool) => hasCapability(capabilities, tool.capability));
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
