import { randomBytes } from "node:crypto";
import { z } from "zod";
import { type ArtifactInput, mergeInputs } from "../artifacts/artifacts.ts";
import { artifactIdentity } from "../base/artifact-identity.ts";
import { mountProblem } from "../base/mount-path.ts";
import { contentView } from "../content/content.ts";
import {
  type Artifact,
  type ArtifactLayer,
  type ArtifactManifest,
  artifactKinds,
} from "../contract/artifact.ts";
import { Digest } from "../contract/ids.ts";
import { LayerId, layerId } from "../contract/layer.ts";
import { artifactNotFound, shownArtifact } from "./artifact-named.ts";
import { shownLayer } from "./capture-layers.ts";
import { Dependencies, ecosystemOf, installDependencies } from "./dependencies.ts";
import { type EventLayer, failure, type Tool, type ToolContext, type ToolOutcome } from "./tool.ts";
import { wantsCode } from "./wanted.ts";

const MountPath = z.string().superRefine((path, check) => {
  const problem = mountProblem(path);
  if (problem === undefined) return;
  check.addIssue({ code: "custom", message: `${JSON.stringify(path)} ${problem}` });
});

/** An entry of `captured_layers` fits as it is: what it says beside this is taken and not needed. */
const WantedLayer = z
  .object({
    layer_id: LayerId,
    name: z.string().min(1).max(128),
    digest: Digest,
    mount_path: MountPath,
    mount_as: MountPath.optional(),
  })
  .loose();

const ArtifactBuild = z
  .strictObject({
    inputs: z
      .array(z.string().min(1))
      .min(1)
      .max(1000)
      .describe("Content by name, handle or alias, and artifacts (ar.… or art_…) to go on from"),
    entrypoints: z
      .array(z.string().min(1))
      .max(100)
      .optional()
      .describe("Files of the result that can be started; default: those of the artifacts"),
    layers: z.array(WantedLayer).max(64).optional().describe("As captured_layers gave them"),
    dependencies: Dependencies.optional().describe(
      "Packages to install as a layer of the artifact",
    ),
    kind: z
      .enum(artifactKinds)
      .optional()
      .describe("Default: that of the first artifact among inputs"),
    name: z.string().min(1).max(128).optional(),
  })
  .superRefine(({ layers = [], dependencies }, check) => {
    if (dependencies === undefined || layers.length === 0) return;
    check.addIssue({
      code: "custom",
      path: ["dependencies"],
      message:
        "must not be given with layers: what is installed is in the layers already, and installing it again would make another artifact of the same lock",
    });
  });
type ArtifactBuild = z.infer<typeof ArtifactBuild>;

export const artifactBuild: Tool<ArtifactBuild> = {
  name: "artifact_build",
  description:
    "Makes an immutable artifact of files (and of other artifacts) with the layers that they need. Hand over its artifact_ref.",
  input: ArtifactBuild,
  repeatable: true,
  capability: "WriteAccess",
  wants: ({ dependencies }) =>
    dependencies === undefined
      ? { type: "WriteAccess", name: null }
      : wantsCode({ installs: ecosystemOf(dependencies) }),

  async run(args, context) {
    const inputs = await findInputs(args.inputs, context);
    if (!Array.isArray(inputs)) return { result: inputs };
    const wanted = await findLayers(args.layers ?? [], context);
    if (!Array.isArray(wanted)) return { result: wanted };
    let installed: EventLayer[] = [];
    if (args.dependencies !== undefined) {
      const done = await installDependencies(context, args.dependencies);
      if (!done.ok) return { result: done.result };
      installed = done.layers;
    }
    const merged = mergeInputs({
      inputs,
      entrypoints: args.entrypoints,
      layers: [...wanted, ...installed.map((layer) => artifactLayer(layer))],
      kind: args.kind,
    });
    if (!merged.ok) {
      return { result: failure("validation", merged.message, "Call artifact_build again") };
    }
    return built(merged.manifest, args.name ?? null, installed, context);
  },
};

/** Modules of Node are found by name only below `/tmp`. */
function artifactLayer({ name, digest, mount_path }: EventLayer): ArtifactLayer {
  const mount_as = mount_path === "/deps/node_modules" ? "/tmp/node_modules" : null;
  return { name, digest, mount_path, mount_as };
}

async function built(
  manifest: ArtifactManifest,
  name: string | null,
  installed: EventLayer[],
  context: ToolContext,
): Promise<ToolOutcome> {
  const { id, digest } = artifactIdentity(manifest);
  const ref = `ar.${randomBytes(12).toString("hex")}`;
  const known = await context.findArtifact(id);
  const artifact: Artifact = {
    ...manifest,
    ...{ id, digest, ref, name: known?.name ?? name },
    createdAt: known?.createdAt ?? new Date(context.now()).toISOString(),
    runId: context.runId,
    callId: context.callId,
  };
  const reused = known !== undefined;
  return {
    result: {
      ...{ ok: true, ...shownArtifact(artifact), reused },
      artifact_ref_scope: { type: "workflow", id: context.rootRunId },
      message: reused ? "The same artifact was there already" : "Built",
      ...(installed.length > 0 ? { dependency_layers: installed.map(shownLayer) } : {}),
    },
    artifact: { artifact_id: id, artifact_ref: ref, name, manifest },
    ...(installed.length > 0 ? { layers: installed } : {}),
  };
}

async function findInputs(
  names: readonly string[],
  context: ToolContext,
): Promise<ArtifactInput[] | ToolOutcome["result"]> {
  const view = contentView(await context.content(), context.runId);
  const inputs: ArtifactInput[] = [];
  for (const name of names) {
    if (/^(ar\.|art_)/.test(name)) {
      const artifact = await context.findArtifact(name);
      if (artifact === undefined) return artifactNotFound(name);
      inputs.push({ type: "artifact", name, manifest: manifestOf(artifact) });
      continue;
    }
    const found = view.find(name);
    if (found.type === "found") {
      const { sha256, bytes } = found.content;
      inputs.push({ type: "file", file: { name: found.content.name, sha256, bytes } });
      continue;
    }
    const message =
      found.type === "ambiguous"
        ? `${name} stands for more than one content`
        : `There is no content ${JSON.stringify(name)}`;
    const near = found.type === "not_found" ? found.suggestions : [];
    const hint =
      near.length > 0
        ? `Did you mean ${near.join(" or ")}?`
        : "Inputs are content: write the file with content_write first";
    return failure("resource", message, hint, { error: "content_not_found" });
  }
  return inputs;
}

function manifestOf({ kind, files, entrypoints, layers }: Artifact): ArtifactManifest {
  return { kind, files, entrypoints, layers };
}

async function findLayers(
  wanted: NonNullable<ArtifactBuild["layers"]>,
  context: ToolContext,
): Promise<ArtifactLayer[] | ToolOutcome["result"]> {
  const layers: ArtifactLayer[] = [];
  for (const { layer_id, name, digest, mount_path, mount_as } of wanted) {
    if (layerId(digest) !== layer_id) {
      const message = `The layer ${layer_id} has not the digest ${digest}`;
      const hint = "Pass an entry of captured_layers as it is";
      return failure("validation", message, hint, { error: "layer_digest_mismatch" });
    }
    if ((await context.findLayer(digest)) === undefined) {
      const message = `There is no layer ${layer_id} (${name})`;
      const hint = "Run sandbox_exec with capture_paths, and pass an entry of its captured_layers";
      return failure("resource", message, hint, { error: "layer_not_found" });
    }
    const second = mount_as === undefined || mount_as === mount_path ? null : mount_as;
    layers.push({ name, digest, mount_path, mount_as: second });
  }
  return layers;
}
