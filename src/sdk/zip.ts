import { crc32 } from "./crc32.ts";
import { fewAtOnce } from "./few-at-once.ts";

/** One file of a zip. Paths are those of a bundle: relative, and proven to be harmless before they come here. */
export interface ZipFile {
  path: string;
  mode: 0o644 | 0o755;
  bytes: Uint8Array<ArrayBuffer>;
}

const deflatesAtOnce = 8;
/** A smaller file grows when it is deflated, or is not worth it. */
const deflateFrom = 64;

const localHead = 30;
const centralHead = 46;
const endOfZip = 22;

/** The size that a zip of these files has when nothing in it is compressed: it is never larger. */
export function storedZipBytes(files: readonly Pick<ZipFile, "path" | "bytes">[]): number {
  const encoder = new TextEncoder();
  return files.reduce(
    (sum, { path, bytes }) =>
      sum + localHead + centralHead + 2 * encoder.encode(path).length + bytes.length,
    endOfZip,
  );
}

/**
 * Packs files as a zip, in the order that they have. Its frame is written here, because every library writes the time of the
 * clock or of the zone into it: all times are 1980-01-01, names are UTF-8, modes are kept. Files are deflated where the
 * runtime can and where that makes them smaller. At most 65,535 files and 4 GiB; a bundle is far below.
 */
export async function packZip(files: readonly ZipFile[]): Promise<Blob> {
  const packed = await fewAtOnce(files, deflatesAtOnce, async ({ path, mode, bytes }) => {
    const deflated = bytes.length < deflateFrom ? undefined : await deflate(bytes);
    const isSmaller = deflated !== undefined && deflated.length < bytes.length;
    return {
      name: new TextEncoder().encode(path),
      mode,
      size: bytes.length,
      crc: crc32(bytes),
      method: isSmaller ? 8 : 0,
      data: isSmaller ? deflated : bytes,
    };
  });
  const parts: Uint8Array<ArrayBuffer>[] = [];
  const directory: Uint8Array<ArrayBuffer>[] = [];
  let offset = 0;
  let directoryBytes = 0;
  for (const file of packed) {
    const head = localHeader(file);
    const entry = centralHeader(file, offset);
    parts.push(head, file.name, file.data);
    directory.push(entry, file.name);
    offset += head.length + file.name.length + file.data.length;
    directoryBytes += entry.length + file.name.length;
  }
  const end = endRecord(packed.length, directoryBytes, offset);
  return new Blob([...parts, ...directory, end], { type: "application/zip" });
}

interface Packed {
  name: Uint8Array<ArrayBuffer>;
  mode: number;
  size: number;
  crc: number;
  method: number;
  data: Uint8Array<ArrayBuffer>;
}

/** Names are UTF-8. */
const flags = 0x0800;
/** 1980-01-01 00:00, the first moment that a zip knows. */
const dosTime = 0;
const dosDate = 0x0021;
const versionNeeded = 20;
/** Modes of Unix are in the upper half of the attributes. */
const madeByUnix = (3 << 8) | versionNeeded;
const regularFile = 0o100000;

/** What the header before a file and its entry in the directory have in common. */
function writeFacts(view: DataView, at: number, { name, size, crc, method, data }: Packed): void {
  const short = [versionNeeded, flags, method, dosTime, dosDate];
  for (const [index, value] of short.entries()) view.setUint16(at + 2 * index, value, true);
  const long = [crc, data.length, size];
  for (const [index, value] of long.entries()) view.setUint32(at + 10 + 4 * index, value, true);
  view.setUint16(at + 22, name.length, true);
}

function localHeader(file: Packed): Uint8Array<ArrayBuffer> {
  const view = new DataView(new ArrayBuffer(localHead));
  view.setUint32(0, 0x04034b50, true);
  writeFacts(view, 4, file);
  return new Uint8Array(view.buffer);
}

function centralHeader(file: Packed, offset: number): Uint8Array<ArrayBuffer> {
  const view = new DataView(new ArrayBuffer(centralHead));
  view.setUint32(0, 0x02014b50, true);
  view.setUint16(4, madeByUnix, true);
  writeFacts(view, 6, file);
  view.setUint32(38, ((regularFile | file.mode) << 16) >>> 0, true);
  view.setUint32(42, offset, true);
  return new Uint8Array(view.buffer);
}

function endRecord(files: number, bytes: number, offset: number): Uint8Array<ArrayBuffer> {
  const view = new DataView(new ArrayBuffer(endOfZip));
  view.setUint32(0, 0x06054b50, true);
  view.setUint16(8, files, true);
  view.setUint16(10, files, true);
  view.setUint32(12, bytes, true);
  view.setUint32(16, offset, true);
  return new Uint8Array(view.buffer);
}

/** Nothing where the runtime has no raw deflate: then files are stored as they are. */
async function deflate(
  bytes: Uint8Array<ArrayBuffer>,
): Promise<Uint8Array<ArrayBuffer> | undefined> {
  const stream = rawDeflate();
  if (stream === undefined) return undefined;
  const packed = new Blob([bytes]).stream().pipeThrough(stream);
  return new Uint8Array(await new Response(packed).arrayBuffer());
}

function rawDeflate(): CompressionStream | undefined {
  if (typeof CompressionStream === "undefined") return undefined;
  try {
    return new CompressionStream("deflate-raw");
  } catch (error) {
    // An older runtime knows gzip only.
    if (error instanceof TypeError) return undefined;
    throw error;
  }
}
