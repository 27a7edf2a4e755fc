/**
 * One header of a POSIX tar: 512 bytes with fixed fields. What is read here is exactly what every
 * other reader of tar reads; a header that two programs could understand differently is refused.
 */
export const blockBytes = 512;

/** What a header says, before extended records are applied to it. */
export interface TarHeader {
  path: Buffer;
  mode: number;
  size: number;
  type: string;
  linkPath: Buffer;
}

/** The largest size that eleven octal digits can say. */
export const largestHeaderSize = 0o77777777777;

/** What `path` looks like in the fields of a header, or undefined when only a record can say it. */
export function splitForHeader(path: Buffer): { name: Buffer; prefix: Buffer } | undefined {
  if (path.some((byte) => byte < 0x20 || byte > 0x7e)) return undefined;
  if (path.length <= 100) return { name: path, prefix: Buffer.alloc(0) };
  const from = Math.max(1, path.length - 101);
  const slash = path.indexOf(0x2f, from);
  if (slash < 0 || slash > 155 || slash + 1 === path.length) return undefined;
  return { name: path.subarray(slash + 1), prefix: path.subarray(0, slash) };
}

/** The block of a header. Owner and time are zero: they are not part of a layer. */
export function writeHeader(header: Omit<TarHeader, "path"> & HeaderName): Buffer {
  const block = Buffer.alloc(blockBytes);
  header.name.copy(block, 0, 0, 100);
  block.write(octal(header.mode, 7), 100, "latin1");
  block.write(octal(0, 7), 108, "latin1");
  block.write(octal(0, 7), 116, "latin1");
  block.write(octal(header.size > largestHeaderSize ? 0 : header.size, 11), 124, "latin1");
  block.write(octal(0, 11), 136, "latin1");
  block.write(header.type, 156, "latin1");
  header.linkPath.copy(block, 157, 0, 100);
  block.write("ustar\x0000", 257, "latin1");
  header.prefix.copy(block, 345, 0, 155);
  block.write(`${octal(checksumOf(block), 6)}\0 `, 148, "latin1");
  return block;
}

interface HeaderName {
  name: Buffer;
  prefix: Buffer;
}

function octal(value: number, digits: number): string {
  return value.toString(8).padStart(digits, "0");
}

/** The sum of all bytes, those of the sum itself counted as spaces. */
function checksumOf(block: Buffer): number {
  let sum = 8 * 0x20;
  for (let at = 0; at < blockBytes; at++) if (at < 148 || at >= 156) sum += block[at] ?? 0;
  return sum;
}

/** Reads a block; a string says why it is refused. */
export function readHeader(block: Buffer): TarHeader | string {
  if (readOctal(block, 148, 8) !== checksumOf(block)) return "a header whose checksum is wrong";
  if (block.toString("latin1", 257, 265) !== "ustar\x0000") {
    return "a header that is not POSIX (ustar or pax, as tar --format=posix writes it)";
  }
  const type = block.toString("latin1", 156, 157);
  const refusal = refusedTypes[type];
  if (refusal !== undefined) return refusal;
  if (!"025x".includes(type)) return `the unknown entry type ${JSON.stringify(type)}`;
  const [name, linkPath, prefix] = [
    readText(block, 0, 100),
    readText(block, 157, 100),
    readText(block, 345, 155),
  ];
  if (!name || !linkPath || !prefix) return "a name with bytes behind its NUL";
  if (block.subarray(500).some((byte) => byte !== 0))
    return "a header with bytes behind its fields";
  const mode = readOctal(block, 100, 8);
  const size = readOctal(block, 124, 12);
  if (mode === undefined) return "a mode that is not octal";
  if (size === undefined)
    return "a size that is not octal (negative and base-256 sizes are refused)";
  if (type !== "2" && linkPath.length > 0) return "a link target on what is no symlink";
  if ((type === "2" || type === "5") && size !== 0) return "a size on what has no content";
  const path = prefix.length > 0 ? Buffer.concat([prefix, Buffer.from("/"), name]) : name;
  return { path, mode, size, type, linkPath };
}

const refusedTypes: Record<string, string> = {
  "\0": 'a file of the old type NUL (expected "0")',
  "1": "a hard link",
  "3": "a character device",
  "4": "a block device",
  "6": "a FIFO",
  "7": "a contiguous file",
  D: "a GNU directory dump",
  K: "a GNU long link (expected pax records)",
  L: "a GNU long name (expected pax records)",
  M: "a GNU continued file",
  N: "a GNU old long name",
  S: "a GNU sparse file",
  V: "a GNU volume name",
  g: "a global pax header",
};

/** A field of text up to its NUL; undefined when something lies hidden behind the NUL. */
function readText(block: Buffer, from: number, length: number): Buffer | undefined {
  const field = block.subarray(from, from + length);
  const end = field.indexOf(0);
  if (end < 0) return field;
  return field.subarray(end).some((byte) => byte !== 0) ? undefined : field.subarray(0, end);
}

function readOctal(block: Buffer, from: number, length: number): number | undefined {
  const text = block.toString("latin1", from, from + length);
  const digits = /^ *([0-7]+)[ \0]*$/.exec(text)?.[1];
  return digits === undefined ? undefined : Number.parseInt(digits, 8);
}
