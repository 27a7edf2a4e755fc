import { endBytes, localHeader, storedMember } from "../base/zip-layout.ts";
import type { ArchiveFile } from "./archive-file.ts";
import { type OpenedEnvelope, openEnvelope } from "./envelope.ts";

export const attestationName = "attestation.json";

/** The signed statement of an archive, and where it lies. */
export interface FoundAttestation {
  offset: number;
  bytes: Buffer;
  envelope: OpenedEnvelope;
}

/** Of 10,000 outputs with long names it takes 30 MB. */
const attestationBytesMax = 128 * 1024 * 1024;
/** How far from the end of a file it is looked for: it, and the directory behind it. */
const tailBytesMax = 2 * attestationBytesMax;
const windowBytes = 1024 * 1024;
const name = Buffer.from(attestationName);
const headerBytes = localHeader(
  storedMember(attestationName, Buffer.alloc(0), { time: 0, offset: 0 }),
).length;

/**
 * Finds the last member in two ways, by its own header and by the directory of the zip, so that damage to either names
 * itself instead of hiding what was signed. Throws an error that says why there is none that can be read.
 */
export async function findAttestation(file: ArchiveFile): Promise<FoundAttestation> {
  const directory = await readEnd(file);
  const byHeader = await searchHeader(file);
  const offsets = new Set([byHeader, directory?.last].filter((at) => at !== undefined));
  let why: string | undefined;
  for (const offset of offsets) {
    const header = await file.read(offset, headerBytes);
    const sizes = new Set([
      header.length < 26 ? 0 : header.readUInt32LE(22),
      directory?.lastBytes ?? 0,
      (directory?.offset ?? 0) - offset - headerBytes,
    ]);
    for (const size of sizes) {
      if (size <= 0 || size > attestationBytesMax) continue;
      const bytes = await file.read(offset + headerBytes, size);
      try {
        return { offset, bytes, envelope: openEnvelope(bytes) };
      } catch (error) {
        why ??= error instanceof Error ? error.message : String(error);
      }
    }
  }
  const said =
    why === undefined
      ? `There is no ${attestationName}: nobody says what this archive has to hold`
      : `${attestationName} cannot be used: ${why}`;
  if (directory !== undefined) throw new Error(said);
  throw new Error(`The end of the zip is missing: it was cut off, or is something else. ${said}`);
}

/** Where the header of the last member seems to begin: its name behind the signature of a local header. */
async function searchHeader(file: ArchiveFile): Promise<number | undefined> {
  const stop = Math.max(0, file.bytes - tailBytesMax);
  for (let end = file.bytes; end > stop; end -= windowBytes - headerBytes) {
    const begin = Math.max(stop, end - windowBytes);
    const window = await file.read(begin, end - begin);
    for (let at = window.lastIndexOf(name); at >= 30; at = window.lastIndexOf(name, at - 1)) {
      if (window.readUInt32LE(at - 30) === 0x04034b50) return begin + at - 30;
    }
    if (begin === stop) return undefined;
  }
  return undefined;
}

interface End {
  /** Where the directory begins. */
  offset: number;
  /** Where the last member begins, as its row says, and its size. */
  last: number | undefined;
  lastBytes: number;
}

/** What the end of a zip says, taken as it stands; undefined when there is no end. */
async function readEnd(file: ArchiveFile): Promise<End | undefined> {
  const end = await file.read(Math.max(0, file.bytes - endBytes), endBytes);
  if (end.length < endBytes || end.readUInt32LE(0) !== 0x06054b50) return undefined;
  let offset = end.readUInt32LE(16);
  if (offset === 0xffffffff) {
    const long = await file.read(Math.max(0, file.bytes - endBytes - 20 - 56), 56);
    if (long.length < 56 || long.readUInt32LE(0) !== 0x06064b50) return undefined;
    offset = Number(long.readBigUInt64LE(48));
  }
  const nothing = { offset, last: undefined, lastBytes: 0 };
  // The row of the last member is the last one, and has the form that ours has.
  const tail = await file.read(Math.max(0, file.bytes - windowBytes), windowBytes);
  const at = tail.lastIndexOf(name);
  if (at < 46 || tail.readUInt32LE(at - 46) !== 0x02014b50) return nothing;
  const lastBytes = tail.readUInt32LE(at - 46 + 24);
  const last = tail.readUInt32LE(at - 46 + 42);
  if (last !== 0xffffffff) return { offset, last, lastBytes };
  const extra = at + name.length + 9 + 4;
  if (tail.length < extra + 24) return nothing;
  return {
    offset,
    lastBytes: Number(tail.readBigUInt64LE(extra)),
    last: Number(tail.readBigUInt64LE(extra + 16)),
  };
}
