import { createHash } from "node:crypto";
import { canonicalJson } from "../base/canonical-json.ts";
import type { Clock } from "../base/clock.ts";
import { limits } from "../base/limits.ts";
import type { Listing, Surroundings } from "../sandbox/sandbox.ts";
import type { EventLayer } from "./tool.ts";

/** What a build left behind: its layers, and the small files beside them that later commands may look for. */
export interface Build {
  layers: EventLayer[];
  files: { path: string; executable: boolean; base64: string }[];
}

/** Builds that need not be done again, of one workspace. */
export interface BuildCache {
  /** Undefined when it was never done, is out of date, or one of its layers is gone. */
  find(key: string): Promise<{ build: Build; ageMs: number } | undefined>;
  /** `isPinned`: what it installed is fixed by a lock with hashes, so that it never goes out of date. */
  keep(key: string, build: Build, isPinned: boolean): Promise<void>;
  /** Does the work once the same build of another run is done: its result is then found. Rejects with the signal's reason. */
  inTurn<T>(key: string, work: () => Promise<T>, signal: AbortSignal): Promise<T>;
}

/** The rows of builds, as the store keeps them. */
export interface BuildRows {
  find(
    workspaceId: string,
    key: string,
  ): Promise<{ layers: unknown; createdAt: string } | undefined>;
  put(
    workspaceId: string,
    build: { key: string; layers: unknown; digests: string[]; expiresAt: string | null },
  ): Promise<void>;
}

/** The cache of a gateway; each workspace has its own part of it (I14). */
export function openBuildCache(rows: BuildRows, clock: Clock): (workspaceId: string) => BuildCache {
  const turns = new Map<string, Promise<unknown>>();
  return (workspaceId) => ({
    async find(key) {
      const row = await rows.find(workspaceId, key);
      if (row === undefined) return undefined;
      return { build: row.layers as Build, ageMs: clock.now() - Date.parse(row.createdAt) };
    },
    keep: (key, build, isPinned) =>
      rows.put(workspaceId, {
        key,
        layers: build,
        digests: build.layers.map(({ digest }) => digest),
        expiresAt: isPinned ? null : new Date(clock.now() + limits.buildLivesMs).toISOString(),
      }),
    async inTurn(key, work, signal) {
      const name = `${workspaceId} ${key}`;
      const before = turns.get(name) ?? Promise.resolve();
      const mine = unlessAborted(before, signal).then(work);
      // Whoever comes next waits for the one before as well, when this one went away without waiting.
      const settled = Promise.allSettled([before, mine]);
      turns.set(name, settled);
      try {
        return await mine;
      } finally {
        if (turns.get(name) === settled) turns.delete(name);
      }
    },
  });
}

/** Resolves with the work that is waited for, which never rejects; rejects as soon as nobody wants to wait any more. */
function unlessAborted(work: Promise<unknown>, signal: AbortSignal): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const abort = () => reject(signal.reason);
  if (signal.aborted) abort();
  signal.addEventListener("abort", abort, { once: true });
  void work.then(() => resolve());
  return promise.finally(() => signal.removeEventListener("abort", abort));
}

/** Everything that could change what comes out of a build. */
export interface BuildInputs {
  command: string;
  captures: readonly { path: string; mount_as: string }[];
  hosts: readonly string[];
  /** All that lies in the run's directories, staged content included. */
  listing: Listing;
  surroundings: Surroundings;
  /** What the programs inside say of themselves. */
  versions: string;
}

/** The name of a build. A new meaning of what follows needs a new number. */
export function buildKey(inputs: BuildInputs): string {
  const { command, captures, hosts, listing, surroundings, versions } = inputs;
  const { mounts, environment, bins, network } = surroundings;
  const key = canonicalJson({
    version: 1,
    ...{ command, captures: [...captures], hosts: [...hosts].sort(), versions },
    listing: [...listing]
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([path, entry]) => [path, entry]),
    mounts: mounts.map(({ source, target }) => [source, target]),
    environment: { ...environment, ...network?.environment },
    bins,
    configuration: network?.configuration ?? null,
  });
  return createHash("sha256").update(key).digest("hex");
}
