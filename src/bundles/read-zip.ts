import { isUtf8 } from "node:buffer";
import { crc32 } from "node:zlib";
import { type Entry, fromBufferPromise, type ZipFile } from "yauzl";
import { bundleLimits, bundleMode } from "../contract/bundle.ts";
import { Problem } from "../contract/problem.ts";

/** One file of a zip: what its directory says of it, and its bytes when they are asked for. */
export interface PackedFile {
  path: string;
  mode: 0o644 | 0o755;
  size: number;
  /** Fails with `bundle_invalid` when there are more or fewer bytes than were declared, or when they are damaged. */
  read(): AsyncIterable<Buffer>;
}

/** With directories, of which each file may have as many as its path has segments. */
const entriesMax = bundleLimits.files * bundleLimits.depth;

/**
 * The files of a zip in the order of its directory, of which nothing is believed: links, devices, encrypted entries and
 * unknown compressions are refused, and so is what declares more than a bundle may have. Paths are not judged here, but for
 * being UTF-8. Directories say nothing and are left out. `bundle_invalid` names the entry.
 */
export async function readZip(zip: Buffer): Promise<PackedFile[]> {
  const opened = await openZip(zip);
  if (opened.entryCount > entriesMax) throw tooLarge();
  const files: PackedFile[] = [];
  let bytes = 0;
  try {
    for await (const entry of opened.eachEntry()) {
      const path = pathOf(entry);
      if (path.endsWith("/")) continue;
      refuseStrange(path, entry);
      bytes += entry.uncompressedSize;
      files.push({
        ...{ path, mode: bundleMode(modeOf(entry)), size: entry.uncompressedSize },
        read: () => readEntry(opened, path, entry),
      });
      if (files.length > bundleLimits.files || bytes > bundleLimits.bytes) throw tooLarge();
    }
  } catch (error) {
    throw damaged(error);
  }
  return files;
}

async function openZip(zip: Buffer): Promise<ZipFile> {
  try {
    // Names are decoded here: what is not UTF-8 would otherwise be read as a code page of 1981.
    return await fromBufferPromise(zip, { decodeStrings: false, lazyEntries: true });
  } catch (error) {
    throw damaged(error);
  }
}

function pathOf({ fileName }: Entry): string {
  const name = fileName as unknown as Buffer;
  if (isUtf8(name)) return name.toString("utf8");
  throw invalid(`${JSON.stringify(name.toString("latin1"))} is not the UTF-8 name of a file`);
}

const fileTypes = 0o170000;
const regular = 0o100000;

function modeOf({ externalFileAttributes }: Entry): number {
  return externalFileAttributes >>> 16;
}

function refuseStrange(path: string, entry: Entry): void {
  const type = modeOf(entry) & fileTypes;
  const shown = JSON.stringify(path);
  // 0: the zip was made where files have no such types.
  if (type !== 0 && type !== regular) {
    throw invalid(`${shown} is a link, directory or device; expected a regular file`);
  }
  if (entry.isEncrypted()) throw invalid(`${shown} is encrypted`);
  if (entry.compressionMethod !== 0 && entry.compressionMethod !== 8) {
    throw invalid(`${shown} is compressed by method ${entry.compressionMethod}; expected 0 or 8`);
  }
}

/** The checksum is held against what came: an inflated stream may be of the right length and still be another. */
async function* readEntry(zip: ZipFile, path: string, entry: Entry): AsyncGenerator<Buffer> {
  let sum = 0;
  try {
    const stream = await zip.openReadStreamPromise(entry);
    for await (const chunk of stream as AsyncIterable<Buffer>) {
      sum = crc32(chunk, sum);
      yield chunk;
    }
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw invalid(`${JSON.stringify(path)} cannot be unpacked: ${why}`, error);
  }
  if (sum !== entry.crc32) {
    throw invalid(`${JSON.stringify(path)} is damaged: its checksum is another one`);
  }
}

function tooLarge(): Problem {
  const { files, bytes } = bundleLimits;
  return invalid(`It unpacks to more than ${files} files or ${bytes} bytes`);
}

function damaged(error: unknown): Problem {
  if (error instanceof Problem) return error;
  const why = error instanceof Error ? error.message : String(error);
  return invalid(`It is no zip that can be read: ${why}`, error);
}

function invalid(message: string, cause?: unknown): Problem {
  return new Problem("bundle_invalid", message, undefined, { cause });
}
