import { closeSync } from "node:fs";
import { basename } from "node:path/posix";
import { openDirectoryBelow, openRoot, TreeError } from "../base/below.ts";
import { type Layer, layerId } from "../contract/layer.ts";
import { layerAbi } from "../layers/layers.ts";
import type { CapturePaths } from "./capture-paths.ts";
import { type EventLayer, failure, type ToolContext, type ToolOutcome } from "./tool.ts";

export type Captured =
  | { ok: true; layers: EventLayer[] }
  | { ok: false; layers: EventLayer[]; result: ToolOutcome["result"] };

/**
 * Makes layers of directories that a command has filled. Those before the one that is refused stay layers. Once code of
 * the run has held secrets, each is searched for them first: a layer goes where its run does not.
 */
export async function captureLayers(
  context: ToolContext,
  captures: CapturePaths,
  contacted: string[],
  place = context.place,
): Promise<Captured> {
  const layers: EventLayer[] = [];
  for (const { path, mount_as } of captures) {
    const taken = await captureOne(context, place, path);
    if (!taken.ok) {
      return { ok: false, layers, result: refused(path, taken) };
    }
    layers.push({
      ...{ layer_id: layerId(taken.digest), name: basename(mount_as ?? path) },
      ...{ digest: taken.digest, path, mount_as: mount_as ?? path, mount_path: path },
      ...{ file_count: taken.fileCount, size_bytes: taken.sizeBytes, cached: false },
      ...{ abi: taken.abi, hosts: contacted },
      ...(taken.leftOut.length > 0 ? { left_out: taken.leftOut } : {}),
    });
  }
  return { ok: true, layers };
}

type Taken =
  | {
      ok: true;
      digest: string;
      fileCount: number;
      sizeBytes: number;
      leftOut: { what: string; count: number }[];
      abi: Layer["abi"];
    }
  | Refused;

interface Refused {
  ok: false;
  reason: string;
  /** In which file. */
  secretIn?: string;
}

function refused(path: string, { reason, secretIn }: Refused): ToolOutcome["result"] {
  const message = `Cannot capture ${JSON.stringify(path)}: ${reason}`;
  if (secretIn === undefined) {
    const hint = "Install into exactly this directory, with plain files, directories and links";
    return failure("validation", message, hint, { path });
  }
  const hint = "Have the command write no secret below it; configuration files of clients often do";
  return failure("permission", message, hint, { error: "contains_secret", path, file: secretIn });
}

async function captureOne(
  context: ToolContext,
  place: ToolContext["place"],
  path: string,
): Promise<Taken> {
  const [, area, ...names] = path.split("/");
  const root = openRoot(area === "tmp" ? place.tmp : place.workspace);
  try {
    const source = { root, path: names.join("/") };
    const secretIn = context.heldSecrets() ? await secretBelow(context, source) : undefined;
    if (secretIn !== undefined) {
      return { ok: false, reason: `${JSON.stringify(secretIn)} holds a secret`, secretIn };
    }
    let done = 0;
    const published = await context.layers.capture(source, context.signal, (bytes) => {
      done += bytes;
      context.onCapturing(path, done);
    });
    if (!published.ok) return published;
    const { digest, fileCount, sizeBytes, leftOut } = published.layer;
    const entries = await context.layers.entries(digest);
    if (entries.length === 0) return { ok: false, reason: "it is empty" };
    // From now on it is held: the row that keeps it is written when the call is finished.
    const { tree } = await context.holdLayer(digest);
    const host = (await context.sandbox.toolsInside()).abi;
    const abi = layerAbi(tree, entries, host);
    return { ok: true, digest, fileCount, sizeBytes, leftOut, abi };
  } finally {
    closeSync(root);
  }
}

/** Undefined as well when there is no such directory, which the capture itself has a word for. */
async function secretBelow(
  context: ToolContext,
  { root, path }: { root: number; path: string },
): Promise<string | undefined> {
  let directory: number;
  try {
    directory = openDirectoryBelow(root, path);
  } catch (error) {
    if (error instanceof TreeError) return undefined;
    throw error;
  }
  try {
    return await context.findSecret(directory);
  } finally {
    closeSync(directory);
  }
}

/** A captured layer as the model is told of it: `artifact_build` takes it as it is. */
export function shownLayer(layer: EventLayer): Record<string, unknown> {
  const { abi: _, hosts: __, left_out: ___, ...shown } = layer;
  return shown;
}
