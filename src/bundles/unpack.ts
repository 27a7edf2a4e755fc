import { assert } from "../base/assert.ts";
import { limits } from "../base/limits.ts";
import { cutText } from "../base/whole-text.ts";
import type { Blobs, StoredBlob } from "../content/content.ts";
import {
  agentsFile,
  type BundleEntry,
  type BundleKind,
  bundleLimits,
  bundleManifest,
  bundlePathProblem,
  bundleProblems,
  skillFile,
} from "../contract/bundle.ts";
import { Problem } from "../contract/problem.ts";
import type { BundleRows } from "../store/store.ts";
import { atMost } from "./at-most.ts";
import type { BundleSource, Upload } from "./bundles.ts";
import { descriptionOf, headBytes } from "./describe.ts";
import { entriesOf } from "./manifest.ts";
import { type PackedFile, readZip } from "./read-zip.ts";

/** What a bundle turned out to be. Its files and its manifest are blobs. */
export interface Unpacked {
  contentHash: string;
  /** Sorted by path. */
  entries: BundleEntry[];
  sizeBytes: number;
  fileCount: number;
  /** Of a skill, from the frontmatter of its `SKILL.md`. */
  description: string | null;
}

/**
 * What makes bundles of what came. Their blobs are the workspace's for half an hour, by when a record or a run that
 * refers to their content must be written.
 */
export interface Unpacking {
  /**
   * Unpacks a zip, of which nothing is believed, or keeps the one text of a skill or of instructions. Errors:
   * `payload_too_large`; `bundle_invalid`, which names the file and the rule; `hash_mismatch` when it is not what the client
   * says that it is.
   */
  unpack(
    workspaceId: string,
    bundle: BundleSource & { kind: BundleKind; contentHash?: string | undefined },
  ): Promise<Unpacked>;
}

export interface UnpackingOptions {
  blobs: Pick<Blobs, "get" | "put" | "putStream">;
  rows: Pick<BundleRows, "keep">;
}

export function openUnpacking({ blobs, rows }: UnpackingOptions): Unpacking {
  // Each holds its zip in memory; and one workspace's many do not keep another one's waiting.
  const inTurn = atMost(limits.bundlesUnpackedAtOnce);

  async function keep(
    workspaceId: string,
    kind: BundleKind,
    kept: { entries: BundleEntry[]; head: string },
    wanted: string | undefined,
  ): Promise<Unpacked> {
    const text = bundleManifest(kept.entries);
    const { sha256: contentHash } = await blobs.put(Buffer.from(text));
    if (wanted !== undefined && wanted !== contentHash) throw hashMismatch(wanted, contentHash);
    const entries = entriesOf(contentHash, text);
    const files = entries.map(({ sha256 }) => sha256);
    await rows.keep(workspaceId, contentHash, [...new Set([contentHash, ...files])]);
    return {
      ...{ contentHash, entries, fileCount: entries.length },
      sizeBytes: entries.reduce((sum, { size }) => sum + size, 0),
      description: kind === "skill" ? descriptionOf(kept.head) : null,
    };
  }

  return {
    unpack: (workspaceId, bundle) => {
      const work = async () => {
        const { kind, contentHash } = bundle;
        const files =
          "text" in bundle ? textFile(kind, bundle.text) : await zipFiles(kind, bundle.zip, blobs);
        refuseProblems(kind, files);
        return keep(workspaceId, kind, await storeFiles(blobs, files), contentHash);
      };
      return inTurn(work, workspaceId);
    },
  };
}

async function zipFiles(
  kind: BundleKind,
  zip: Upload,
  blobs: Pick<Blobs, "get">,
): Promise<PackedFile[]> {
  if (zip.bytes > bundleLimits.packedBytes) throw tooLarge(zip.bytes);
  return unwrapped(kind, await readZip(await blobs.get(zip.sha256)));
}

function textFile(kind: BundleKind, text: string): PackedFile[] {
  const bytes = Buffer.from(text);
  async function* read() {
    yield bytes;
  }
  const path = kind === "skill" ? skillFile : agentsFile;
  return [{ path, mode: 0o644, size: bytes.length, read }];
}

/**
 * Without the one folder that some put around a skill: when all is in it, and `SKILL.md` directly. What is in two of them
 * is as it is.
 */
function unwrapped(kind: BundleKind, files: PackedFile[]): PackedFile[] {
  const [first] = files;
  if (kind !== "skill" || first === undefined) return files;
  const folder = first.path.slice(0, first.path.indexOf("/") + 1);
  const isWrapped =
    folder !== "" &&
    bundlePathProblem(folder.slice(0, -1)) === undefined &&
    files.every(({ path }) => path.startsWith(folder)) &&
    files.some(({ path }) => path === `${folder}${skillFile}`);
  if (!isWrapped) return files;
  return files.map((file) => ({ ...file, path: file.path.slice(folder.length) }));
}

/** Files at once: what takes time is that each is made durable. */
const filesAtOnce = 8;

/** The bytes of every file as a blob, hashed as they are read. */
async function storeFiles(
  blobs: UnpackingOptions["blobs"],
  files: readonly PackedFile[],
): Promise<{ entries: BundleEntry[]; head: string }> {
  const inTurn = atMost(filesAtOnce);
  let head = "";
  let failed = false;
  const store = async (file: PackedFile): Promise<BundleEntry | undefined> => {
    if (failed) return undefined;
    const { path, mode, size } = file;
    const start = path === skillFile ? beginning(file.read()) : undefined;
    const source = start?.chunks ?? file.read();
    try {
      const stored: StoredBlob = await blobs.putStream(source, size);
      if (start !== undefined) head = start.text();
      return { path, mode, size: stored.bytes, sha256: stored.sha256 };
    } catch (error) {
      failed = true;
      throw error;
    }
  };
  const settled = await Promise.allSettled(files.map((file) => inTurn(() => store(file))));
  const entries = settled.flatMap((one) => {
    if (one.status === "rejected") throw one.reason;
    return one.value ?? [];
  });
  assert(entries.length === files.length, "Every file is stored unless one has failed");
  return { entries, head };
}

/** The same chunks, of which the first bytes are kept. */
function beginning(source: AsyncIterable<Buffer>) {
  const held: Buffer[] = [];
  let bytes = 0;
  async function* chunks(): AsyncGenerator<Buffer> {
    for await (const chunk of source) {
      if (bytes < headBytes) held.push(chunk.subarray(0, headBytes - bytes));
      bytes += chunk.length;
      yield chunk;
    }
  }
  return { chunks: chunks(), text: () => Buffer.concat(held).toString() };
}

/** As many as are told; all of them would repeat the bundle. */
const problemsTold = 20;

function refuseProblems(kind: BundleKind, files: readonly { path: string; size: number }[]): void {
  const problems = bundleProblems(kind, files).map(({ path, message }) => ({
    path: path === null ? null : cutText(path, bundleLimits.pathBytes),
    message,
  }));
  const [first] = problems;
  if (first === undefined) return;
  const what = first.path === null ? "The bundle" : JSON.stringify(first.path);
  const more = problems.length > 1 ? ` (and ${problems.length - 1} more)` : "";
  throw new Problem("bundle_invalid", `${what} ${first.message}${more}`, {
    problems: problems.slice(0, problemsTold),
  });
}

function hashMismatch(wanted: string, found: string): Problem {
  return new Problem("hash_mismatch", `The bundle has the contentHash ${found}, not ${wanted}`, {
    expected: wanted,
    found,
  });
}

function tooLarge(bytes: number): Problem {
  const maxBytes = bundleLimits.packedBytes;
  const message = `The bundle has ${bytes} bytes, packed; expected at most ${maxBytes}`;
  return new Problem("payload_too_large", message, { maxBytes });
}
