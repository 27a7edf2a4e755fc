import { crc32 } from "node:zlib";

/**
 * One member of a zip of ours. All that stands in a zip besides the bytes of its members follows from these rows, so
 * whoever checks one makes the same bytes again and compares: nothing in between can be changed unseen.
 */
export interface ZipMember {
  name: string;
  /** Seconds since the Unix epoch. */
  time: number;
  method: "store" | "deflate";
  /** Its sizes and checksum stand behind its bytes, because they were not known before. */
  streamed: boolean;
  crc32: number;
  bytes: number;
  /** As they lie in the zip. */
  packedBytes: number;
  /** Where its local header begins. */
  offset: number;
}

const most32 = 0xffffffff;
const most16 = 0xffff;
/** Made on Unix, by version 6.3 of the specification: readers take the mode from the attributes then. */
const madeBy = 0x033f;

/** What stands before the bytes of a member. */
export function localHeader(member: ZipMember): Buffer {
  const { streamed, bytes, packedBytes } = member;
  const name = Buffer.from(member.name);
  const isLong = !streamed && isLarge(bytes, packedBytes);
  const extra = Buffer.concat([
    timeExtra(member.time),
    isLong ? longExtra(bytes, packedBytes) : Buffer.alloc(0),
  ]);
  const header = Buffer.alloc(30);
  header.writeUInt32LE(0x04034b50, 0);
  common(member, isLong).copy(header, 4);
  header.writeUInt32LE(streamed ? 0 : member.crc32, 14);
  header.writeUInt32LE(streamed ? 0 : isLong ? most32 : packedBytes, 18);
  header.writeUInt32LE(streamed ? 0 : isLong ? most32 : bytes, 22);
  header.writeUInt16LE(name.length, 26);
  header.writeUInt16LE(extra.length, 28);
  return Buffer.concat([header, name, extra]);
}

/** What stands behind the bytes of a member that was streamed; of another one, nothing. */
export function dataDescriptor(member: ZipMember): Buffer {
  const { streamed, bytes, packedBytes } = member;
  if (!streamed) return Buffer.alloc(0);
  const isLong = isLarge(bytes, packedBytes);
  const descriptor = Buffer.alloc(isLong ? 24 : 16);
  descriptor.writeUInt32LE(0x08074b50, 0);
  descriptor.writeUInt32LE(member.crc32, 4);
  if (isLong) {
    descriptor.writeBigUInt64LE(BigInt(packedBytes), 8);
    descriptor.writeBigUInt64LE(BigInt(bytes), 16);
  } else {
    descriptor.writeUInt32LE(packedBytes, 8);
    descriptor.writeUInt32LE(bytes, 12);
  }
  return descriptor;
}

/** The row of a member in the central directory. */
export function centralHeader(member: ZipMember): Buffer {
  const { bytes, packedBytes, offset } = member;
  const name = Buffer.from(member.name);
  const isLong = isLarge(bytes, packedBytes, offset);
  const extra = Buffer.concat([
    timeExtra(member.time),
    isLong ? longExtra(bytes, packedBytes, offset) : Buffer.alloc(0),
  ]);
  const isDirectory = member.name.endsWith("/");
  const header = Buffer.alloc(46);
  header.writeUInt32LE(0x02014b50, 0);
  header.writeUInt16LE(madeBy, 4);
  common(member, isLong).copy(header, 6);
  header.writeUInt32LE(member.crc32, 16);
  header.writeUInt32LE(isLong ? most32 : packedBytes, 20);
  header.writeUInt32LE(isLong ? most32 : bytes, 24);
  header.writeUInt16LE(name.length, 28);
  header.writeUInt16LE(extra.length, 30);
  header.writeUInt32LE(isDirectory ? ((0o40755 << 16) | 0x10) >>> 0 : (0o100644 << 16) >>> 0, 38);
  header.writeUInt32LE(isLong ? most32 : offset, 42);
  return Buffer.concat([header, name, extra]);
}

/** The end of a zip, behind a central directory of so many entries and bytes that begins there. */
export function endRecords(directory: { entries: number; bytes: number; offset: number }): Buffer {
  const { entries, bytes, offset } = directory;
  const isLong = entries >= most16 || isLarge(bytes, offset);
  const end = Buffer.alloc(endBytes);
  end.writeUInt32LE(0x06054b50, 0);
  end.writeUInt16LE(isLong ? most16 : entries, 8);
  end.writeUInt16LE(isLong ? most16 : entries, 10);
  end.writeUInt32LE(isLong ? most32 : bytes, 12);
  end.writeUInt32LE(isLong ? most32 : offset, 16);
  if (!isLong) return end;
  const long = Buffer.alloc(56);
  long.writeUInt32LE(0x06064b50, 0);
  long.writeBigUInt64LE(44n, 4);
  long.writeUInt16LE(madeBy, 12);
  long.writeUInt16LE(45, 14);
  long.writeBigUInt64LE(BigInt(entries), 24);
  long.writeBigUInt64LE(BigInt(entries), 32);
  long.writeBigUInt64LE(BigInt(bytes), 40);
  long.writeBigUInt64LE(BigInt(offset), 48);
  const locator = Buffer.alloc(20);
  locator.writeUInt32LE(0x07064b50, 0);
  locator.writeBigUInt64LE(BigInt(offset + bytes), 8);
  locator.writeUInt32LE(1, 16);
  return Buffer.concat([long, locator, end]);
}

/** Of the record that every zip ends with. */
export const endBytes = 22;

/** A member whose bytes are all there and lie in the zip as they are. */
export function storedMember(
  name: string,
  bytes: Uint8Array,
  place: { time: number; offset: number },
): ZipMember {
  const sizes = { bytes: bytes.byteLength, packedBytes: bytes.byteLength };
  return { name, ...place, method: "store", streamed: false, crc32: crc32(bytes), ...sizes };
}

/** Version, flags (names are UTF-8), method and time, which both headers have in this order. */
function common({ streamed, method, time }: ZipMember, isLong: boolean): Buffer {
  const part = Buffer.alloc(10);
  const { day, clock } = dosTime(time);
  part.writeUInt16LE(isLong ? 45 : 20, 0);
  part.writeUInt16LE(0x0800 | (streamed ? 0x0008 : 0), 2);
  part.writeUInt16LE(method === "deflate" ? 8 : 0, 4);
  part.writeUInt16LE(clock, 6);
  part.writeUInt16LE(day, 8);
  return part;
}

/** In UTC, so that it does not depend on where the gateway stands; the exact time is in the extra field. */
function dosTime(time: number): { day: number; clock: number } {
  const date = new Date(time * 1000);
  const year = Math.min(Math.max(date.getUTCFullYear() - 1980, 0), 127);
  return {
    day: (year << 9) | ((date.getUTCMonth() + 1) << 5) | date.getUTCDate(),
    clock: (date.getUTCHours() << 11) | (date.getUTCMinutes() << 5) | (date.getUTCSeconds() >> 1),
  };
}

function timeExtra(time: number): Buffer {
  const extra = Buffer.alloc(9);
  extra.writeUInt16LE(0x5455, 0);
  extra.writeUInt16LE(5, 2);
  extra.writeUInt8(1, 4);
  extra.writeUInt32LE(Math.min(Math.max(time, 0), most32), 5);
  return extra;
}

function longExtra(...numbers: number[]): Buffer {
  const extra = Buffer.alloc(4 + numbers.length * 8);
  extra.writeUInt16LE(0x0001, 0);
  extra.writeUInt16LE(numbers.length * 8, 2);
  numbers.forEach((number, at) => {
    extra.writeBigUInt64LE(BigInt(number), 4 + at * 8);
  });
  return extra;
}

function isLarge(...numbers: number[]): boolean {
  return numbers.some((number) => number >= most32);
}
