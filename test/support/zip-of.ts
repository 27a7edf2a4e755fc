import { crc32, deflateRawSync } from "node:zlib";

/** One entry of a zip as it is written, true or not. */
export interface ZipEntry {
  path: string | Buffer;
  bytes?: string | Buffer;
  /** Type and permissions of POSIX; 0: none, as other systems write it. Default: a regular file, 0644. */
  mode?: number;
  /** Of zlib, 0 to 9; undefined: stored. */
  level?: number | undefined;
  time?: number;
  /** What the directory says, in place of what is so. */
  says?: { size?: number; packedSize?: number; crc32?: number; method?: number; flags?: number };
}

/** Writes a zip byte by byte, so that a test can write what no program would. */
export function zipOf(entries: readonly ZipEntry[]): Buffer {
  const parts: Buffer[] = [];
  const directory: Buffer[] = [];
  let offset = 0;
  for (const entry of entries) {
    const { path, bytes = "", mode = 0o100644, level, time = 0x0021_0000, says = {} } = entry;
    const name = Buffer.from(path as string);
    const plain = Buffer.from(bytes as string);
    const packed = level === undefined ? plain : deflateRawSync(plain, { level });
    const fields = {
      flags: says.flags ?? 0x800,
      method: says.method ?? (level === undefined ? 0 : 8),
      crc32: says.crc32 ?? crc32(plain),
      packedSize: says.packedSize ?? packed.length,
      size: says.size ?? plain.length,
    };
    const head = Buffer.alloc(26);
    head.writeUInt16LE(20, 0);
    head.writeUInt16LE(fields.flags, 2);
    head.writeUInt16LE(fields.method, 4);
    head.writeUInt32LE(time, 6);
    head.writeUInt32LE(fields.crc32, 10);
    head.writeUInt32LE(fields.packedSize, 14);
    head.writeUInt32LE(fields.size, 18);
    head.writeUInt16LE(name.length, 22);
    const local = Buffer.concat([Buffer.from("PK\x03\x04", "latin1"), head, name, packed]);
    const tail = Buffer.alloc(14);
    tail.writeUInt32LE((mode << 16) >>> 0, 6);
    tail.writeUInt32LE(offset, 10);
    // Made by a POSIX system: without it the mode means nothing.
    const made = Buffer.from("PK\x01\x02\x14\x03", "latin1");
    directory.push(Buffer.concat([made, head, tail, name]));
    parts.push(local);
    offset += local.length;
  }
  const end = Buffer.alloc(22);
  end.write("PK\x05\x06", "latin1");
  end.writeUInt16LE(entries.length & 0xffff, 8);
  end.writeUInt16LE(entries.length & 0xffff, 10);
  const listed = Buffer.concat(directory);
  end.writeUInt32LE(listed.length, 12);
  end.writeUInt32LE(offset, 16);
  return Buffer.concat([...parts, listed, end]);
}
