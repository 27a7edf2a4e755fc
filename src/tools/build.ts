import { limits } from "../base/limits.ts";
import { nestedMounts } from "../base/mount-path.ts";
import type { Listing, Surroundings } from "../sandbox/sandbox.ts";
import { type Build, buildKey } from "./build-cache.ts";
import { captureLayers, shownLayer } from "./capture-layers.ts";
import type { CapturePaths } from "./capture-paths.ts";
import { type CommandOutcome, runCommand, stageContent, stagingNotes } from "./command.ts";
import { isPinned } from "./pinned.ts";
import { readSideFiles } from "./side-files.ts";
import { failure, type ToolContext, type ToolOutcome } from "./tool.ts";

export interface BuildOrder {
  command: string;
  captures: CapturePaths;
  /** Do it again even when the same build was done before. */
  fresh: boolean;
  /** Variables of its environment that hold secrets, with the names of these. */
  secrets: Readonly<Record<string, string>>;
}

/**
 * Runs a command that fills directories and makes layers of them; or finds that the same command was run on the same
 * files with the same programs before, and takes its layers. What is found again is only what nothing else could have
 * changed: the cache of package clients is empty for each build, and all that lies in the run's directories is part of
 * the name.
 */
export async function runBuild(context: ToolContext, order: BuildOrder): Promise<ToolOutcome> {
  // One that is just being opened would make directories while they are looked at.
  await context.sandbox.discard(context.runId);
  const emptied: string[] = [];
  const around = await context.surroundings([]);
  const inTheWay = bundleInTheWay(around, order.captures);
  if (inTheWay !== undefined) return { result: inTheWay };
  const layers = new Set(around.mounts.map(({ target }) => target));
  for (const { path } of order.captures) {
    if (await context.sandbox.clear(context.place, path, layers.has(path))) emptied.push(path);
  }
  const staged = await stageContent(context);
  const paths = order.captures.map(({ path }) => path);
  const surroundings = await context.surroundings(context.hosts, paths);
  const most = { entries: limits.buildInputEntries, bytes: limits.buildInputBytes };
  const before = context.sandbox.list(context.place, most, surroundings);
  const notes = {
    ...stagingNotes(staged),
    ...(emptied.length > 0 ? { emptied_before: emptied } : {}),
  };
  const placed = staged.placed.length > 0 ? { staged: staged.placed } : {};
  // Where code has held a secret, anything that lies there may hold it too: no other run is given any of it.
  const isShared = before !== undefined && !context.heldSecrets();
  const key = isShared ? await keyOf(context, order, before, surroundings) : undefined;
  const build = async () => {
    const found = key === undefined || order.fresh ? undefined : await findBuild(context, key);
    const outcome = found ?? (await buildNow(context, order, surroundings, before, key));
    return { ...outcome, ...placed, result: { ...outcome.result, ...notes } };
  };
  return key === undefined ? build() : context.builds.inTurn(key, build, context.signal);
}

/** What the run was given stays where it is: no layer can be served from there. */
function bundleInTheWay(
  { bundles = [] }: Surroundings,
  captures: CapturePaths,
): ToolOutcome["result"] | undefined {
  for (const { target } of bundles) {
    const nested = captures.find(({ path }) => nestedMounts([path, target]) !== undefined);
    if (nested === undefined) continue;
    return failure(
      "validation",
      `Cannot capture ${nested.path}: ${target} holds files that the run was given`,
      "Capture another directory",
    );
  }
  return undefined;
}

async function keyOf(
  context: ToolContext,
  { command, captures }: BuildOrder,
  listing: Listing,
  surroundings: Surroundings,
): Promise<string> {
  const { versions } = await context.sandbox.toolsInside();
  const places = captures.map(({ path, mount_as }) => ({ path, mount_as: mount_as ?? path }));
  const { hosts } = context;
  return buildKey({ command, captures: places, hosts, listing, surroundings, versions });
}

async function findBuild(context: ToolContext, key: string): Promise<ToolOutcome | undefined> {
  const found = await context.builds.find(key);
  if (found === undefined || !(await areThere(context, found.build))) return undefined;
  const { build, ageMs } = found;
  const files = build.files.map(({ base64, ...file }) => ({
    ...file,
    data: Buffer.from(base64, "base64"),
  }));
  await context.sandbox.write(context.place, files);
  const layers = build.layers.map((layer) => ({ ...layer, cached: true }));
  return {
    result: {
      ...{ ok: true, exit_code: 0, stdout: "", stderr: "", cached: true },
      cached_age_seconds: Math.round(ageMs / 1000),
      message: "The same build was done before: its layers are used, and nothing was installed",
      captured_layers: layers.map(shownLayer),
    },
    layers,
  };
}

/** Held from now on: the row that keeps them is written when the call is finished. */
async function areThere(context: ToolContext, { layers }: Build): Promise<boolean> {
  for (const { digest } of layers) {
    try {
      await context.holdLayer(digest);
    } catch {
      // Gone or damaged: it is built again, which mends it.
      return false;
    }
  }
  return true;
}

/** Layers leave the run's directories, so they are counted beside them: else a run could fill the gateway's disk (I9). */
export function layersFull({
  layerBytes,
  limits: own,
}: ToolContext): ToolOutcome["result"] | undefined {
  if (layerBytes < own.diskBytes) return undefined;
  return failure(
    "resource",
    `The layers of this run have ${layerBytes} bytes; it may use ${own.diskBytes} bytes of disk`,
    "Use the layers that are there, or go on in another run",
    { error_kind: "disk_limit" },
  );
}

async function buildNow(
  context: ToolContext,
  order: BuildOrder,
  surroundings: Surroundings,
  before: Listing | undefined,
  key: string | undefined,
): Promise<ToolOutcome> {
  const full = layersFull(context);
  if (full !== undefined) return { result: full };
  const place = await context.sandbox.openFreshCache(context.place);
  let ran: { value: CommandOutcome; contacted: string[] };
  try {
    ran = await context.withNetwork(context.hosts, () =>
      runCommand(context, order.command, surroundings, place, order.secrets),
    );
  } finally {
    await context.sandbox.removeOnce(place);
  }
  const { value: outcome, contacted } = ran;
  if (outcome.end.type !== "exited" || outcome.end.exitCode !== 0) {
    const captured_layers: unknown[] = [];
    const note = "Nothing was captured, because the command failed";
    return { ...outcome, result: { ...outcome.result, captured_layers, note } };
  }
  const captured = await captureLayers(context, order.captures, contacted);
  const { layers } = captured;
  const captured_layers = layers.map(shownLayer);
  if (!captured.ok) {
    const { ok: _, ...said } = outcome.result;
    return { ...outcome, result: { ...said, ...captured.result, captured_layers }, layers };
  }
  if (key !== undefined && before !== undefined) {
    const files = await readSideFiles(
      context,
      before,
      surroundings,
      order.captures.map(({ path }) => path),
    );
    if (files !== undefined) {
      const pinned = await isPinned(order.command, before, context);
      await context.builds.keep(key, { layers, files }, pinned);
    }
  }
  return { ...outcome, result: { ...outcome.result, cached: false, captured_layers }, layers };
}
