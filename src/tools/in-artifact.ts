import { join } from "node:path";
import { entrypointStart, environmentVariables, layerEnvironment } from "../artifacts/artifacts.ts";
import { artifactIdentity } from "../base/artifact-identity.ts";
import { type Artifact, ArtifactManifest } from "../contract/artifact.ts";
import { layerId } from "../contract/layer.ts";
import { Problem } from "../contract/problem.ts";
import { abiProblem, type OpenedLayer } from "../layers/layers.ts";
import type { Mount } from "../sandbox/sandbox.ts";
import { commandTooLong, headOf, runCommand, shellQuoted } from "./command.ts";
import { failure, type ToolContext, type ToolOutcome } from "./tool.ts";

/** What is to be run in an artifact: one of its programs, or a shell command. */
export type Start = { entrypoint: string; args: readonly string[] } | { command: string };

/**
 * Runs something in an artifact: fresh directories with exactly the artifact's files, read-only, its layers at their
 * places, and no network but what the decision opened. Every file is held against its digest first; an artifact, a file or a layer that is not what it
 * was, or a layer that was built for another kind of host, is named and nothing runs.
 */
export async function runInArtifact(
  context: ToolContext,
  artifact: Artifact,
  start: Start,
  secrets: Readonly<Record<string, string>>,
): Promise<ToolOutcome> {
  const manifest = ArtifactManifest.parse(
    Object.fromEntries(
      Object.keys(ArtifactManifest.shape).map((key) => [key, artifact[key as keyof Artifact]]),
    ),
  );
  if (artifactIdentity(manifest).digest !== artifact.digest) {
    return unusable(`The artifact ${artifact.id} is not what its digest says`);
  }
  const opened: OpenedLayer[] = [];
  try {
    return await inClosedPlace(context, artifact, { start, secrets }, opened);
  } catch (error) {
    if (!(error instanceof Problem) || !isOfArtifact(error)) throw error;
    return unusable(`Cannot run ${artifact.id}: ${damagedFile(artifact, error)}${error.message}`);
  } finally {
    for (const { release } of opened) release();
  }
}

/** Nobody knows files by their digests. */
function damagedFile({ files }: Artifact, { details }: Problem): string {
  const file = files.find(({ sha256 }) => sha256 === details?.sha256);
  return file === undefined ? "" : `the file ${JSON.stringify(file.name)} is damaged: `;
}

function isOfArtifact({ code }: Problem): boolean {
  return ["layer_unusable", "digest_mismatch", "not_found", "invalid_request"].includes(code);
}

function unusable(message: string): ToolOutcome {
  const hint = "Build the artifact again, and its layers; nothing was run";
  return { result: failure("resource", message, hint, { error_kind: "artifact_unusable" }) };
}

async function inClosedPlace(
  context: ToolContext,
  artifact: Artifact,
  { start, secrets }: { start: Start; secrets: Readonly<Record<string, string>> },
  opened: OpenedLayer[],
): Promise<ToolOutcome> {
  const { abi } = await context.sandbox.toolsInside();
  for (const { digest, name } of artifact.layers) {
    const known = await context.findLayer(digest);
    const problem = known === undefined ? undefined : abiProblem(known.abi, abi);
    if (problem !== undefined) {
      const layer = `${layerId(digest)} (${name})`;
      const hint = "Build the layer again on this host";
      return { result: failure("resource", `Cannot mount ${layer}: ${problem}`, hint) };
    }
    opened.push(await context.layers.open(digest, context.signal));
  }
  const trees = new Map(opened.map(({ digest, tree }) => [digest, tree]));
  const layers = artifact.layers.map((layer) => ({
    ...layer,
    tree: trees.get(layer.digest) ?? "",
  }));
  const closed = await context.sandbox.openClosed(
    context.place,
    artifact.files.map(({ name, sha256, executable }) => ({
      ...{ path: name, sha256, executable },
      read: async () => (await context.blobs.read(sha256)).stream,
    })),
  );
  try {
    const command = commandOf(artifact, start, closed.files);
    if (typeof command !== "string") return { result: command };
    const found = layerEnvironment(layers);
    const surroundings = {
      mounts: [...closed.mounts, ...layers.flatMap(mountsOf)],
      environment: { ...environmentVariables(found), PYTHONDONTWRITEBYTECODE: "1" },
      bins: found.PATH,
      network: (await context.surroundings(context.hosts)).network,
    };
    const ran = await context.withNetwork(context.hosts, () =>
      runCommand(context, command, surroundings, closed.place, secrets),
    );
    const { end, written, said: _, ...outcome } = ran.value;
    const exit_code = end.type === "exited" ? end.exitCode : null;
    // What had a way out, or a secret, proves nothing about what works without one.
    if (context.hosts.length > 0 || Object.keys(secrets).length > 0) return outcome;
    return { ...outcome, proof: { ...proofOf(artifact, start, exit_code), output: written() } };
  } finally {
    await context.sandbox.removeOnce(closed.place);
  }
}

function mountsOf(layer: { tree: string; mount_path: string; mount_as: string | null }): Mount[] {
  const targets = new Set([layer.mount_path, layer.mount_as ?? layer.mount_path]);
  return [...targets].map((target) => ({ source: layer.tree, target }));
}

/** The shell command that starts it; or why there is none. */
function commandOf(
  artifact: Artifact,
  start: Start,
  files: string,
): string | ToolOutcome["result"] {
  if ("command" in start) return commandTooLong(start.command) ?? start.command;
  const { entrypoint, args } = start;
  if (!artifact.entrypoints.includes(entrypoint)) {
    const known = artifact.entrypoints.map((name) => JSON.stringify(name)).join(", ") || "none";
    return failure(
      "validation",
      `${JSON.stringify(entrypoint)} is no entrypoint of ${artifact.id}`,
      `Its entrypoints are ${known}; artifact_build takes others`,
    );
  }
  const words = entrypointStart(`/tmp/${entrypoint}`, headOf(join(files, entrypoint), headBytes));
  if (!words.ok) {
    const hint = "Give the file a first line like #!/usr/bin/env python3 and build it again";
    return failure("validation", words.message, hint);
  }
  const command = `exec ${[...words.words, ...args].map(shellQuoted).join(" ")}`;
  return commandTooLong(command) ?? command;
}

const headBytes = 256;

function proofOf(
  artifact: Artifact,
  start: Start,
  exit_code: number | null,
): NonNullable<ToolOutcome["proof"]> {
  const isProgram = "entrypoint" in start;
  return {
    ...{ artifact_id: artifact.id, artifact_digest: artifact.digest },
    layers: artifact.layers.map(({ digest }) => digest),
    entrypoint: isProgram ? start.entrypoint : null,
    command: isProgram ? null : start.command,
    args: isProgram ? [...start.args] : [],
    ...{ passed: exit_code === 0, exit_code },
  };
}
