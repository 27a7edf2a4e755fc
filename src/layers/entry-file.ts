import { createHash } from "node:crypto";
import { closeSync, read } from "node:fs";
import { promisify } from "node:util";
import { openDirectoryBelow, openFileBelow, show, TreeError } from "../base/below.ts";
import { Problem } from "../contract/problem.ts";
import type { LayerEntry } from "./layer-entry.ts";

const readBytes = promisify(read);

/** Opens a file of a layer below its open tree, for reading; the caller closes it. `digest_mismatch` when it is none. */
export function openEntry(root: number, path: Buffer): number {
  const slash = path.lastIndexOf(0x2f);
  let directory: number | undefined;
  try {
    directory = openDirectoryBelow(root, path.subarray(0, Math.max(0, slash)));
    return openFileBelow(directory, path.subarray(slash + 1));
  } catch (error) {
    if (!(error instanceof TreeError)) throw error;
    throw tampered(path, error);
  } finally {
    if (directory !== undefined) closeSync(directory);
  }
}

/** What is thrown when a layer on disk is not what its manifest says. */
export function tampered(path: Buffer, cause?: unknown): Problem {
  const message = `The file ${show(path)} of the layer is not what its manifest says`;
  return new Problem("digest_mismatch", message, { path: path.toString("utf8") }, { cause });
}

/** All of a small file of a layer, held against its manifest: `digest_mismatch` when it says something else. */
export async function readEntry(root: number, entry: LayerEntry): Promise<Buffer> {
  const fd = openEntry(root, entry.path);
  try {
    // One byte more shows a file that has grown.
    const bytes = Buffer.alloc(entry.size + 1);
    let done = 0;
    while (done < bytes.length) {
      const { bytesRead } = await readBytes(fd, bytes, done, bytes.length - done, done);
      if (bytesRead === 0) break;
      done += bytesRead;
    }
    const content = bytes.subarray(0, done);
    const sha256 = createHash("sha256").update(content).digest("hex");
    if (sha256 !== entry.sha256) throw tampered(entry.path);
    return content;
  } finally {
    closeSync(fd);
  }
}
