import type { Look } from "../analysis/analysis.ts";
import { limits } from "../base/limits.ts";
import { readBelow } from "../base/read-below.ts";
import { contentView } from "../content/content.ts";
import type { Drive } from "./drive.ts";
import { openPlace } from "./provision.ts";

/**
 * What analysis sees of a call's files: those of its artifact, or what will lie in the run's own directories when the
 * command starts: newer content is placed over what is there, a copy that the run changed stays.
 */
export async function lookOf(
  drive: Drive,
  artifactFiles: readonly { name: string; sha256: string }[] | undefined,
): Promise<Look> {
  const { capabilities: _, remoteAccess } = drive.power;
  return {
    read: artifactFiles ? ofFiles(drive, artifactFiles) : await ofPlace(drive),
    remoteAccess,
    packageHosts: drive.packageHosts,
  };
}

function ofFiles(
  { blobs }: Drive,
  files: readonly { name: string; sha256: string }[],
): Look["read"] {
  const digests = new Map(files.map(({ name, sha256 }) => [`/tmp/${name}`, sha256]));
  return async (path) => {
    const sha256 = digests.get(path);
    return sha256 === undefined ? undefined : blobs.get(sha256);
  };
}

async function ofPlace(drive: Drive): Promise<Look["read"]> {
  const { store, runId, blobs, ledger } = drive;
  const place = await openPlace(drive);
  const { current } = contentView(await store.files.content(runId), runId);
  const contents = new Map(current.map(({ name, sha256 }) => [`/tmp/${name}`, { name, sha256 }]));
  return async (path) => {
    const content = contents.get(path);
    const isNewer = content && ledger.state.placed.get(content.name) !== content.sha256;
    if (isNewer) return blobs.get(content.sha256);
    const [, area, inner] = /^\/(tmp|workspace)\/(.+)$/.exec(path) ?? [];
    if (area === undefined || inner === undefined) return undefined;
    const root = area === "tmp" ? place.tmp : place.workspace;
    const data = readBelow(root, Buffer.from(inner), limits.analysisFileBytes + 1);
    if (data === "too_large") return tooLarge;
    return data === "gone" ? undefined : data;
  };
}

/** More than analysis reads, whatever is in it. */
const tooLarge = Buffer.alloc(limits.analysisFileBytes + 1);
