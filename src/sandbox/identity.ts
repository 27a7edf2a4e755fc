import { chmodSync, chownSync, mkdirSync, readFileSync, realpathSync, statSync } from "node:fs";
import { dirname, join } from "node:path";
import { assert } from "../base/assert.ts";
import type { Owner } from "../base/tree.ts";
import { Problem } from "../contract/problem.ts";

/** Who runs commands. Null as an ordinary user: they then run as the gateway's own user. */
export type Identity = { first: number; last: number; gid: number } | null;

/**
 * As root each run has a host uid of its own, out of a range that nobody else uses. Throws
 * `sandbox_unavailable` naming the line of `/etc/passwd`, `/etc/subuid` or `/etc/subgid` that lies
 * in the range: those users' files and containers would be the runs' own.
 */
export function openIdentity(range: { first: number; last: number }): Identity {
  if (process.getuid?.() !== 0) return null;
  for (const [file, column] of [
    ["/etc/passwd", 2],
    ["/etc/group", 2],
  ] as const) {
    refuseOverlap(range, file, readOptional(file), (fields) => {
      const id = Number(fields[column]);
      return { first: id, last: id };
    });
  }
  for (const file of ["/etc/subuid", "/etc/subgid"]) {
    refuseOverlap(range, file, readOptional(file), (fields) => {
      const first = Number(fields[1]);
      return { first, last: first + Number(fields[2]) - 1 };
    });
  }
  return { ...range, gid: range.first };
}

/** Exported for its test; see `openIdentity`. */
export function refuseOverlap(
  range: { first: number; last: number },
  file: string,
  text: string,
  read: (fields: string[]) => { first: number; last: number },
): void {
  for (const line of text.split("\n")) {
    const fields = line.split(":");
    if (fields.length < 3) continue;
    const used = read(fields);
    if (used.last < range.first || used.first > range.last) continue;
    throw new Problem(
      "sandbox_unavailable",
      `Cannot use the uid range ${range.first}-${range.last}: ${file} gives ids of it to ` +
        `${JSON.stringify(fields[0])}. Set AIRLOCK_UID_RANGE to a range that nobody uses`,
    );
  }
}

function readOptional(file: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return "";
    throw error;
  }
}

/**
 * Makes the directories that a run's uid must pass on the way to its own. It may pass, and list
 * nothing: the group of all runs has only `x`. Returns the data directory with every link resolved,
 * as bwrap will see it.
 */
export function prepareDataDir(dataDir: string, identity: Identity): string {
  mkdirSync(join(dataDir, "runs"), { recursive: true });
  const real = realpathSync(dataDir);
  for (const path of [real, join(real, "runs")]) {
    if (identity) giveGroup(path, identity);
    chmodSync(path, identity ? 0o710 : 0o700);
  }
  if (identity) {
    const remedy =
      "Put the data directory elsewhere with AIRLOCK_DATA_DIR, for example below /var/lib";
    refuseUnreachable(real, { uid: identity.first, gid: identity.gid }, remedy);
  }
  return real;
}

/** Fails where root is not the host's root, and has been given fewer ids than the range. */
function giveGroup(path: string, identity: { gid: number; last: number }): void {
  try {
    chownSync(path, -1, identity.gid);
  } catch (error) {
    throw new Problem(
      "sandbox_unavailable",
      `Cannot give ${JSON.stringify(path)} to group ${identity.gid}: ${String(error)}. ` +
        "In a container, set AIRLOCK_UID_RANGE to ids that /proc/self/uid_map has",
      undefined,
      { cause: error },
    );
  }
}

/**
 * The owner of a run's files and processes. A root gateway that forgot the uid would run commands
 * as root, so that is a defect that stops here.
 */
export function ownerOf(identity: Identity, uid: number | null): Owner | undefined {
  if (identity === null) return undefined;
  const isInRange = uid !== null && uid >= identity.first && uid <= identity.last;
  assert(isInRange, `${uid} is in the uid range ${identity.first}-${identity.last}`);
  return { uid, gid: identity.gid };
}

/**
 * Throws `sandbox_unavailable` naming the first directory on the way to `path` that the given uid
 * may not pass.
 */
export function refuseUnreachable(path: string, owner: Owner, remedy: string): void {
  const blocked = firstBlocked(path, owner);
  if (blocked === undefined) return;
  const shown = JSON.stringify(path);
  throw new Problem(
    "sandbox_unavailable",
    `Cannot reach ${shown} as uid ${owner.uid}, which runs use: ${JSON.stringify(blocked)} ` +
      `may not be passed by it. ${remedy}`,
  );
}

/** The topmost directory of a path that lacks `x` for the given uid and gid. */
export function firstBlocked(path: string, owner: Owner): string | undefined {
  const above = dirname(path);
  const earlier = above === path ? undefined : firstBlocked(above, owner);
  if (earlier !== undefined) return earlier;
  const stats = statSync(path);
  const shift = stats.uid === owner.uid ? 6 : stats.gid === owner.gid ? 3 : 0;
  return (stats.mode >> shift) & 1 ? undefined : path;
}
