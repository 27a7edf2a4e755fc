/**
 * A strict reader of POSIX tar, for archives that anybody may have made. What is not needed for a tree of directories,
 * files and symlinks is refused, never skipped: an archive has one meaning, or none.
 */
import { isUtf8 } from "node:buffer";
import { show } from "../base/below.ts";
import { Problem, type ProblemCode } from "../contract/problem.ts";
import { type ByteSource, openByteSource } from "./byte-source.ts";
import { type PaxRecords, readPax } from "./pax.ts";
import { blockBytes, largestHeaderSize, readHeader, type TarHeader } from "./tar-header.ts";
import { type PathLimits, pathRefusal, targetRefusal } from "./tar-path.ts";

/** What one archive may cost. */
export interface TarLimits extends PathLimits {
  entries: number;
  fileBytes: number;
  /** Of all files together. */
  totalBytes: number;
}

/** Of the extended header of one entry: far more than a path and a target need. */
const paxBytes = 64 * 1024;

/** Where entries go, in their order; what they throw as `EntryRefused` gets the place of the entry. */
export interface TarTarget {
  directory(path: Buffer): void;
  symlink(path: Buffer, target: Buffer): void;
  /** The pieces are written before the next entry comes; `done` follows the last of them. */
  file(path: Buffer, executable: boolean): { write(piece: Buffer): Promise<void>; done(): void };
}

/** Why a target does not take an entry. */
export class EntryRefused extends Error {
  override name = "EntryRefused";
}

/** Zeros behind the end: writers fill up their last record, whose size is 10 KiB almost everywhere. */
const paddingBytes = 1024 * 1024;

/**
 * Reads an archive to its end and gives `target` each entry. Throws `invalid_request` with the entry, its offset and
 * the reason when anything in it is not exactly as it must be, and `payload_too_large` when it exceeds a limit; `target`
 * then has the entries that came before, and perhaps part of a file.
 */
export async function readTar(
  source: AsyncIterable<Uint8Array>,
  target: TarTarget,
  limits: TarLimits,
  signal?: AbortSignal,
): Promise<void> {
  const bytes = openByteSource(source, signal);
  try {
    for (let [entries, content] = [0, 0]; ; entries++) {
      const start = bytes.offset();
      const entry = await nextEntry(bytes, limits);
      if (entry === undefined) return;
      if (entries >= limits.entries) throw tooLarge(`more than ${limits.entries} entries`, start);
      content += entry.size;
      if (content > limits.totalBytes) {
        throw tooLarge(`more than ${limits.totalBytes} bytes of files`, start, entry.path);
      }
      try {
        await place(entry, bytes, target);
      } catch (error) {
        if (!(error instanceof EntryRefused)) throw error;
        throw refused(error.message, start, entry.path, error);
      }
    }
  } finally {
    await bytes.close();
  }
}

interface Entry extends TarHeader {
  start: number;
}

async function nextEntry(bytes: ByteSource, limits: TarLimits): Promise<Entry | undefined> {
  const start = bytes.offset();
  const block = await fullBlock(bytes, start);
  if (isZero(block)) {
    await readEnd(bytes, start);
    return undefined;
  }
  let header = headerOf(block, start);
  let records: PaxRecords = new Map();
  if (header.type === "x") {
    records = await recordsOf(header, bytes, start);
    const at = bytes.offset();
    header = headerOf(await fullBlock(bytes, at), at);
    if (header.type === "x") throw refused("an extended header of an extended header", at);
  }
  return { ...checked(header, records, limits, start), start };
}

function headerOf(block: Buffer, start: number): TarHeader {
  const header = isZero(block) ? "an extended header without its entry" : readHeader(block);
  if (typeof header === "string") throw refused(header, start);
  return header;
}

async function recordsOf(header: TarHeader, bytes: ByteSource, start: number): Promise<PaxRecords> {
  if (header.size > paxBytes) {
    throw tooLarge(`an extended header of more than ${paxBytes} bytes`, start);
  }
  const content = Buffer.from(await bytes.take(header.size));
  if (content.length < header.size) throw refused("an extended header that is cut off", start);
  await skipPadding(bytes, header.size, start);
  const records = readPax(content);
  if (typeof records === "string") throw refused(`an extended header with ${records}`, start);
  return records;
}

/** The header with its records applied. A record that contradicts its header would be two entries in one. */
function checked(
  header: TarHeader,
  records: PaxRecords,
  limits: TarLimits,
  start: number,
): TarHeader {
  const path = named(header.path, records, "path", start);
  const linkPath = named(header.linkPath, records, "linkpath", start);
  const size = sized(header.size, records, start, path);
  const bare = header.type === "5" && path.at(-1) === 0x2f ? path.subarray(0, -1) : path;
  const refusal =
    pathRefusal(bare, limits) ?? (header.type === "2" ? targetRefusal(linkPath) : undefined);
  if (refusal !== undefined) throw refused(refusal, start, path);
  if (header.type !== "2" && records.has("linkpath")) {
    throw refused("a link target on what is no symlink", start, path);
  }
  if (size > limits.fileBytes) {
    throw tooLarge(`a file of more than ${limits.fileBytes} bytes`, start, path);
  }
  if (header.type !== "0" && size !== 0)
    throw refused("a size on what has no content", start, path);
  return { ...header, path: bare, linkPath, size };
}

/**
 * A name of a record counts only where a header cannot say it; where it can, both must say the same. Names are UTF-8
 * there unless the record of the character set says that they are bytes.
 */
function named(
  field: Buffer,
  records: PaxRecords,
  keyword: "path" | "linkpath",
  start: number,
): Buffer {
  const charset = records.get("hdrcharset")?.toString("latin1");
  if (charset !== undefined && charset !== "BINARY" && charset !== "ISO-IR 10646 2000 UTF-8") {
    throw refused(`the character set ${JSON.stringify(charset.slice(0, 64))}`, start, field);
  }
  const value = records.get(keyword);
  if (value === undefined) return field;
  if (charset !== "BINARY" && !isUtf8(value)) {
    throw refused(`a ${keyword} that is not UTF-8 without hdrcharset=BINARY`, start, value);
  }
  if (value.length <= 100 && isAscii(value) && !value.equals(field)) {
    throw refused(`a ${keyword} that contradicts its header`, start, value);
  }
  return value;
}

function sized(field: number, records: PaxRecords, start: number, path: Buffer): number {
  const text = records.get("size")?.toString("latin1");
  if (text === undefined) return field;
  const size = /^(0|[1-9][0-9]{0,14})$/.test(text) ? Number(text) : undefined;
  if (size === undefined) throw refused("a size record that is no number", start, path);
  if (size === field || (size > largestHeaderSize && field === 0)) return size;
  throw refused("a size record that contradicts its header", start, path);
}

async function place(entry: Entry, bytes: ByteSource, target: TarTarget): Promise<void> {
  const { start, path } = entry;
  if (entry.type === "5") return target.directory(path);
  if (entry.type === "2") return target.symlink(path, entry.linkPath);
  const file = target.file(path, (entry.mode & 0o100) !== 0);
  try {
    const from = bytes.offset();
    for await (const piece of bytes.pieces(entry.size)) await file.write(piece);
    if (bytes.offset() - from < entry.size) throw refused("content that is cut off", start, path);
  } finally {
    file.done();
  }
  await skipPadding(bytes, entry.size, start, path);
}

async function fullBlock(bytes: ByteSource, start: number): Promise<Buffer> {
  const block = await bytes.take(blockBytes);
  if (block.length === blockBytes) return block;
  throw refused("an end without two blocks of zeros", start);
}

async function skipPadding(bytes: ByteSource, size: number, start: number, path?: Buffer) {
  const wanted = (blockBytes - (size % blockBytes)) % blockBytes;
  const padding = await bytes.take(wanted);
  if (padding.length < wanted) throw refused("content that is cut off", start, path);
  if (!isZero(padding)) throw refused("bytes hidden behind its content", start, path);
}

async function readEnd(bytes: ByteSource, start: number): Promise<void> {
  if (!isZero(await fullBlock(bytes, start))) throw refused("data behind a block of zeros", start);
  for (;;) {
    const block = await bytes.take(blockBytes);
    if (block.length === 0) return;
    if (!isZero(block) || block.length < blockBytes) throw refused("data behind the end", start);
    if (bytes.offset() - start > paddingBytes) {
      throw tooLarge(`more than ${paddingBytes} zeros behind the end`, start);
    }
  }
}

const zeros = Buffer.alloc(blockBytes);

function isZero(bytes: Buffer): boolean {
  return zeros.compare(bytes, 0, bytes.length, 0, bytes.length) === 0;
}

function isAscii(bytes: Buffer): boolean {
  return bytes.every((byte) => byte >= 0x20 && byte <= 0x7e);
}

function refused(reason: string, offset: number, path?: Buffer, cause?: unknown): Problem {
  return problem("invalid_request", reason, offset, path, cause);
}

function tooLarge(reason: string, offset: number, path?: Buffer): Problem {
  return problem("payload_too_large", reason, offset, path, undefined);
}

function problem(
  code: ProblemCode,
  reason: string,
  offset: number,
  path: Buffer | undefined,
  cause: unknown,
): Problem {
  const entry = path === undefined ? undefined : show(path.subarray(0, 512));
  const at = entry === undefined ? `byte ${offset}` : `byte ${offset}, entry ${entry}`;
  const details = { reason, offset, ...(entry === undefined ? {} : { entry }) };
  return new Problem(code, `Cannot read the archive: it has ${reason} (${at})`, details, { cause });
}
