import { createHash } from "node:crypto";
import { closeSync, fchmodSync, fchownSync, mkdirSync, readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { assert } from "../base/assert.ts";
import type { Log } from "../base/log.ts";
import {
  type Owner,
  openDirectoryBelow,
  openRoot,
  type Pieces,
  placeFileBelow,
} from "../base/tree.ts";
import { Problem } from "../contract/problem.ts";
import { type Identity, ownerOf } from "./identity.ts";
import { placeRunFiles, runFilesName } from "./run-files.ts";
import type { Place, PlaceRequest } from "./sandbox.ts";

/** Where the directories of runs are, and who owns them. */
export interface PlacesHost {
  /** Resolved; `runs` below it exists. */
  dataDir: string;
  identity: Identity;
  log: Log;
}

/**
 * The host directory of one run. The id is checked, because it becomes a path that is removed as
 * root.
 */
export function runDirectory(host: Pick<PlacesHost, "dataDir">, runId: string): string {
  assert(/^[a-z0-9][a-z0-9_-]{0,63}$/.test(runId), `${JSON.stringify(runId)} is a run id`);
  return join(host.dataDir, "runs", runId);
}

/**
 * Makes the directories of a run and places its input files. Nothing of the run's own has run yet,
 * so being called a second time after a crash it may write everything again. Files are checked
 * against their digest.
 */
export async function provisionPlace(host: PlacesHost, request: PlaceRequest): Promise<Place> {
  const directory = runDirectory(host, request.runId);
  const owner = ownerOf(host.identity, request.uid);
  mkdirSync(directory, { recursive: true });
  const root = openRoot(directory);
  try {
    makePlace(root, owner);
    for (const path of request.outputDirs) {
      closeSync(openDirectoryBelow(root, path.slice(1), { mode: 0o755, owner }));
    }
    const temporary = openTemporary(root);
    try {
      for (const file of request.files) {
        const data = verified(file.path, file.sha256, file.read);
        await placeAt(root, `workspace/${file.path}`, data, {
          mode: file.executable ? 0o755 : 0o644,
          ...{ owner, temporary },
        });
      }
      await placeRunFiles(root, request.own, { owner, temporary });
    } finally {
      closeSync(temporary);
    }
  } finally {
    closeSync(root);
  }
  return {
    runId: request.runId,
    ...{ tmp: join(directory, "tmp"), workspace: join(directory, "workspace") },
    ...{ cache: join(directory, "cache"), own: join(directory, runFilesName), uid: request.uid },
  };
}

/** Empty directories of a run in a directory of their own. What shows it to its sandboxes stays the same. */
export function openPlaceAt(
  host: PlacesHost,
  directory: string,
  { runId, uid, own }: Pick<Place, "runId" | "uid" | "own">,
): Place {
  const owner = ownerOf(host.identity, uid);
  mkdirSync(directory, { recursive: true });
  const root = openRoot(directory);
  try {
    makePlace(root, owner);
  } finally {
    closeSync(root);
  }
  const [tmp, workspace, cache] = ["tmp", "workspace", "cache"].map((name) =>
    join(directory, name),
  );
  return { runId, uid, own, tmp: tmp ?? "", workspace: workspace ?? "", cache: cache ?? "" };
}

/** An empty cache of a run in a directory of its own. */
export function openCacheAt(
  host: PlacesHost,
  directory: string,
  { uid }: Pick<Place, "uid">,
): string {
  const owner = ownerOf(host.identity, uid);
  mkdirSync(directory, { recursive: true });
  const root = openRoot(directory);
  try {
    for (const [name, mode] of cacheDirectories) {
      closeSync(openDirectoryBelow(root, name, { mode, owner }));
    }
    giveRoot(root, owner);
  } finally {
    closeSync(root);
  }
  return join(directory, "cache");
}

/** Temporary files are not in `/tmp`, which holds the run's content, and of which Go takes no `go.mod` if it is theirs. */
const cacheDirectories = [
  ["cache", 0o755],
  ["cache/tmp", 0o1777],
] as const;

function makePlace(root: number, owner: Owner | undefined): void {
  for (const [name, mode] of [
    ["tmp", 0o1777],
    ["workspace", 0o755],
    ...cacheDirectories,
  ] as const) {
    closeSync(openDirectoryBelow(root, name, { mode, owner }));
  }
  giveRoot(root, owner);
}

/** Last: once it is the run's own, an ordinary process of that uid could reach below, and it must find all of it. */
function giveRoot(root: number, owner: Owner | undefined): void {
  fchmodSync(root, 0o700);
  if (owner) fchownSync(root, owner.uid, owner.gid);
}

/**
 * A directory beside the run's own, on the same filesystem, where files become whole before they
 * get their name. The sandbox does not see it, so the run finds neither halves nor leftovers of a
 * crash. The caller closes it.
 */
export function openTemporary(root: number): number {
  const fd = openDirectoryBelow(root, "staging", { mode: 0o700, owner: undefined });
  for (const name of readdirSync(`/proc/self/fd/${fd}`)) rmSync(`/proc/self/fd/${fd}/${name}`);
  return fd;
}

/** Places a file at a path below an open directory, making the directories on the way. */
export async function placeAt(
  root: number,
  path: string,
  data: Pieces,
  options: { mode: number; owner: Owner | undefined; temporary: number },
): Promise<void> {
  const names = path.split("/");
  const name = names.pop() ?? "";
  const create = { mode: 0o755, owner: options.owner };
  const directory = openDirectoryBelow(root, names.join("/"), create);
  try {
    await placeFileBelow(directory, name, data, options);
  } finally {
    closeSync(directory);
  }
}

/** The bytes as they come, which fail with `digest_mismatch` in place of their end when they are others (I8). */
export async function* verified(
  name: string,
  sha256: string,
  read: () => Promise<Pieces>,
): AsyncGenerator<Uint8Array> {
  const hash = createHash("sha256");
  for await (const piece of await read()) {
    hash.update(piece);
    yield piece;
  }
  const found = `sha256:${hash.digest("hex")}`;
  if (found === sha256) return;
  throw new Problem(
    "digest_mismatch",
    `Cannot place ${JSON.stringify(name)}: its bytes have the digest ${found}, expected ${sha256}`,
  );
}
