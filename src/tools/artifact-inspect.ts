import { z } from "zod";
import {
  type ArtifactNamed,
  artifactFields,
  artifactNotFound,
  checkNamed,
  nameOf,
  shownArtifact,
} from "./artifact-named.ts";
import type { Tool, ToolContext, ToolOutcome } from "./tool.ts";

const ArtifactInspect = z.strictObject(artifactFields).superRefine(checkNamed);
type ArtifactInspect = z.infer<typeof ArtifactInspect>;

export const artifactInspect: Tool<ArtifactInspect> = {
  name: "artifact_inspect",
  description: "Shows what is in an artifact: files, entrypoints, layers and kind.",
  input: ArtifactInspect,
  repeatable: true,
  capability: "ReadAccess",
  wants: () => ({ type: "ReadAccess", name: null }),
  run: (args, context) => inspect(args, context),
};

const ArtifactResolveRef = z.strictObject({
  ref_id: z.string().describe("ar.…"),
  scope_type: z.enum(["session", "workflow", "workspace", "global"]).optional(),
  scope_id: z.string().optional(),
});
type ArtifactResolveRef = z.infer<typeof ArtifactResolveRef>;

/** The scope of a ref is the run tree that made it, or the workspace; a caller cannot name another one. */
export const artifactResolveRef: Tool<ArtifactResolveRef> = {
  name: "artifact_resolve_ref",
  description: "Says which artifact a ref (ar.…) stands for.",
  input: ArtifactResolveRef,
  repeatable: true,
  capability: "ReadAccess",
  wants: () => ({ type: "ReadAccess", name: null }),
  run: ({ ref_id }, context) => inspect({ artifact_ref: ref_id }, context),
};

async function inspect(named: ArtifactNamed, context: ToolContext): Promise<ToolOutcome> {
  const name = nameOf(named);
  const artifact = await context.findArtifact(name);
  if (artifact === undefined) return { result: artifactNotFound(name) };
  return { result: { ok: true, ...shownArtifact(artifact) } };
}
