/**
 * Archives made byte by byte, by rules of their own: what no honest program would write, and what a reader of tar must
 * refuse. Nothing here is shared with the gateway's own tar.
 */
import { zstdCompressSync } from "node:zlib";

export interface TarEntry {
  name: string | Buffer;
  /** The type flag; default a regular file. */
  type?: string;
  mode?: number;
  bytes?: Buffer | string;
  link?: string;
  /** What the header says of the size, in place of what is true. */
  size?: string | number;
  /** A checksum that is wrong. */
  badSum?: boolean;
}

export function tarOf(entries: readonly TarEntry[], end: Buffer = Buffer.alloc(1024)): Buffer {
  return Buffer.concat([...entries.flatMap(blocksOf), end]);
}

/** The archive of a layer, as it travels. */
export function archiveOf(entries: readonly TarEntry[], end?: Buffer): Buffer {
  return zstdCompressSync(tarOf(entries, end));
}

/** An extended header that says `records` of the entry behind it. */
export function pax(records: Record<string, string>, type = "x"): TarEntry {
  const lines = Object.entries(records).map(([key, value]) => {
    const rest = Buffer.byteLength(` ${key}=${value}\n`);
    let length = rest + 1;
    while (String(length).length + rest !== length) length = String(length).length + rest;
    return `${length} ${key}=${value}\n`;
  });
  return { name: "pax", type, bytes: lines.join("") };
}

function blocksOf(entry: TarEntry): Buffer[] {
  const bytes = Buffer.from(entry.bytes ?? "");
  const header = Buffer.alloc(512);
  const name = Buffer.isBuffer(entry.name) ? entry.name : Buffer.from(entry.name);
  name.copy(header, 0, 0, 100);
  const isDirectory = entry.type === "5";
  const size = entry.size ?? bytes.length;
  const fields: [number, string][] = [
    [100, octal(entry.mode ?? (isDirectory ? 0o755 : 0o644), 7)],
    [108, octal(0, 7)],
    [116, octal(0, 7)],
    [124, typeof size === "number" ? octal(size, 11) : size],
    [136, octal(0, 11)],
    [156, entry.type ?? "0"],
    [157, entry.link ?? ""],
    [257, "ustar\x0000"],
  ];
  for (const [at, text] of fields) header.write(text, at, "latin1");
  let sum = 8 * 32;
  header.forEach((byte, at) => {
    if (at < 148 || at >= 156) sum += byte;
  });
  header.write(`${octal(entry.badSum === true ? sum + 1 : sum, 6)}\0 `, 148, "latin1");
  return [header, bytes, Buffer.alloc((512 - (bytes.length % 512)) % 512)];
}

function octal(value: number, digits: number): string {
  return value.toString(8).padStart(digits, "0");
}
