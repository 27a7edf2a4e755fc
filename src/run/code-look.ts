import { closeSync } from "node:fs";
import type { Look } from "../analysis/analysis.ts";
import { namesBelow, openRoot } from "../base/below.ts";
import { limits } from "../base/limits.ts";
import { readBelow } from "../base/read-below.ts";
import { contentView } from "../content/content.ts";
import { Problem } from "../contract/problem.ts";
import type { Drive } from "./drive.ts";
import { openPlace } from "./provision.ts";

type Files = Required<Pick<Look, "read" | "list">>;

/**
 * What analysis sees of a call's files: those of its artifact, or what will lie in the run's own directories when the
 * command starts: newer content is placed over what is there, a copy that the run changed stays. What the run was given is
 * mounted over both.
 */
export async function lookOf(
  drive: Drive,
  artifactFiles: readonly { name: string; sha256: string }[] | undefined,
): Promise<Look> {
  const { power, packageHosts } = drive;
  const files = artifactFiles ? ofArtifact(drive, artifactFiles) : await ofPlace(drive);
  return { ...files, remoteAccess: power.remoteAccess, packageHosts };
}

function ofArtifact({ blobs }: Drive, files: readonly { name: string; sha256: string }[]): Files {
  const digests = new Map(files.map(({ name, sha256 }) => [`/tmp/${name}`, sha256]));
  return {
    async read(path) {
      const sha256 = digests.get(path);
      return sha256 === undefined ? undefined : readable(blobs, sha256);
    },
    list: async (path) => namesIn(path, digests.keys()),
  };
}

async function ofPlace(drive: Drive): Promise<Files> {
  const { store, runId, rootRunId, blobs, ledger } = drive;
  const place = await openPlace(drive);
  const given = await drive.bundles.filesInside();
  const { current } = contentView(await store.files.content(rootRunId), runId);
  const contents = new Map(current.map(({ name, sha256 }) => [`/tmp/${name}`, { name, sha256 }]));
  const inPlace = (path: string) => {
    const [, area, inner = ""] = /^\/(tmp|workspace)(?:\/(.*))?$/.exec(path) ?? [];
    if (area === undefined) return undefined;
    return { root: area === "tmp" ? place.tmp : place.workspace, inner };
  };
  return {
    async read(path) {
      const digest = given.digestAt(path);
      if (digest !== undefined) return readable(blobs, digest);
      const content = contents.get(path);
      const isNewer = content && ledger.state.placed.get(content.name) !== content.sha256;
      if (isNewer) return readable(blobs, content.sha256);
      const own = inPlace(path);
      if (!own?.inner) return undefined;
      const data = readBelow(own.root, Buffer.from(own.inner), limits.analysisFileBytes + 1);
      if (data === "too_large") return tooLarge;
      return data === "gone" ? undefined : data;
    },
    async list(path) {
      const bundled = namesIn(path.replace(/^\/antpath(?=\/)/, "/airlock"), given.paths());
      if (bundled !== undefined) return bundled;
      const own = inPlace(path);
      if (own === undefined) return undefined;
      const root = openRoot(own.root);
      try {
        const names = namesBelow(root, own.inner).slice(0, limits.analysisReads);
        const all = new Set([...names, ...(namesIn(path, contents.keys()) ?? [])]);
        return all.size === 0 ? undefined : [...all].sort();
      } finally {
        closeSync(root);
      }
    },
  };
}

/** A blob that is damaged or gone says nothing here: the tool holds every byte against its digest, and says so. */
async function readable(blobs: Drive["blobs"], sha256: string): Promise<Uint8Array> {
  try {
    return await blobs.get(sha256);
  } catch (error) {
    if (error instanceof Problem) return new Uint8Array();
    throw error;
  }
}

/** What lies directly in a directory, of files that are known by their whole paths; undefined when nothing does. */
export function namesIn(directory: string, paths: Iterable<string>): string[] | undefined {
  const names = new Set<string>();
  for (const path of paths) {
    if (!path.startsWith(`${directory}/`)) continue;
    const [name] = path.slice(directory.length + 1).split("/", 1);
    if (name) names.add(name);
  }
  return names.size === 0 ? undefined : [...names].sort();
}

/** More than analysis reads, whatever is in it. */
const tooLarge = Buffer.alloc(limits.analysisFileBytes + 1);
