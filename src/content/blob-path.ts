import { join } from "node:path";
import { Problem } from "../contract/problem.ts";

/** Where blobs lie below the data directory: `blobs/ab/cdef…`, and what is being written in `blobs/tmp`. */
export interface BlobPlaces {
  root: string;
  temp: string;
}

export function blobPlaces(dataDir: string): BlobPlaces {
  const root = join(dataDir, "blobs");
  return { root, temp: join(root, "tmp") };
}

const canonical = /^sha256:([0-9a-f]{64})$/;
const shardName = /^[0-9a-f]{2}$/;
const restName = /^[0-9a-f]{62}$/;

/**
 * The file of a blob. Only the canonical spelling of a digest is accepted: a second spelling of the same digest would
 * be a second name in every comparison, and anything else could leave the directory.
 */
export function blobPath(places: BlobPlaces, sha256: string): { shard: string; path: string } {
  const hex = canonical.exec(sha256)?.[1];
  if (hex === undefined) {
    throw new Problem(
      "invalid_request",
      `Cannot use ${JSON.stringify(sha256.slice(0, 80))} as a digest: expected sha256: and 64 lower-case hex digits`,
    );
  }
  const shard = join(places.root, hex.slice(0, 2));
  return { shard, path: join(shard, hex.slice(2)) };
}

export function isShard(name: string): boolean {
  return shardName.test(name);
}

/** The digest that a file name in a shard stands for, or undefined when it is not the name of a blob. */
export function blobDigest(shard: string, rest: string): string | undefined {
  return shardName.test(shard) && restName.test(rest) ? `sha256:${shard}${rest}` : undefined;
}

const condemnedName = /^condemned\.([0-9a-f]{2})([0-9a-f]{62})$/;

/** The name in `tmp` of a blob that the sweep has taken aside and not yet judged for the last time. */
export function condemnedPath(places: BlobPlaces, sha256: string): string {
  return join(places.temp, `condemned.${sha256.slice("sha256:".length)}`);
}

/** The digest of a blob that was taken aside, from its name in `tmp`. */
export function condemnedDigest(name: string): string | undefined {
  const match = condemnedName.exec(name);
  return match ? `sha256:${match[1]}${match[2]}` : undefined;
}
