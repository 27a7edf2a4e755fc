import { createHash } from "node:crypto";
import { pipeline } from "node:stream/promises";
import { promisify } from "node:util";
import { crc32, createDeflateRaw, deflateRaw } from "node:zlib";
import { assert } from "../base/assert.ts";
import {
  centralHeader,
  dataDescriptor,
  endRecords,
  localHeader,
  storedMember,
  type ZipMember,
} from "../base/zip-layout.ts";

/** A member that has been written, with its digest and that of its bytes as they lie in the zip. */
export interface WrittenMember extends ZipMember {
  sha256: string;
  packedSha256: string;
}

/** What is known of a stream before it is read. */
export interface KnownBytes {
  sha256: string;
  bytes: number;
  crc32: number;
}

/**
 * Writes one zip, member by member, in pieces that the caller passes on; nothing is kept but a row for each member. Every
 * byte is hashed while it passes. A generator that is ended early lets go of its source.
 */
export interface ZipWriter {
  readonly members: readonly WrittenMember[];
  /** Bytes that are all there; packed if that makes them fewer. */
  whole(name: string, bytes: Buffer): AsyncGenerator<Buffer>;
  /** A stream that is packed as it comes. `sha256`: what it fails to be if it fails; without one it is hashed here. */
  packed(name: string, source: AsyncIterable<Buffer>, sha256?: string): AsyncGenerator<Buffer>;
  /** A stream as it is, of which all is known and which fails when it is not so. */
  streamed(name: string, source: AsyncIterable<Buffer>, known: KnownBytes): AsyncGenerator<Buffer>;
  /** Bytes that are all there, as they are. */
  stored(name: string, bytes: Buffer): Generator<Buffer>;
  end(): Generator<Buffer>;
}

const pack = promisify(deflateRaw) as (bytes: Buffer) => Promise<Buffer>;

/** `time`: of every member, in seconds. */
export function openZipWriter(time: number): ZipWriter {
  const members: WrittenMember[] = [];
  let offset = 0;
  const pass = (piece: Buffer): Buffer => {
    offset += piece.length;
    return piece;
  };
  return {
    members,
    async *whole(name, bytes) {
      const deflated = bytes.length === 0 ? bytes : await pack(bytes);
      const isSmaller = deflated.length < bytes.length;
      const inside = isSmaller ? deflated : bytes;
      const member: WrittenMember = {
        ...{ name, time, streamed: false, offset, crc32: crc32(bytes) },
        method: isSmaller ? "deflate" : "store",
        ...{ bytes: bytes.length, packedBytes: inside.length },
        ...{ sha256: digestOf(bytes), packedSha256: digestOf(inside) },
      };
      members.push(member);
      yield pass(localHeader(member));
      if (inside.length > 0) yield pass(inside);
    },
    async *packed(name, source, sha256) {
      const place = { name, time, method: "deflate", streamed: true, offset } as const;
      const none = { crc32: 0, bytes: 0, packedBytes: 0 };
      yield pass(localHeader({ ...place, ...none }));
      const plain = openSum(sha256);
      const packed = openSum();
      for await (const piece of deflated(plain.over(source))) {
        packed.add(piece);
        yield pass(piece);
      }
      const sizes = { crc32: plain.crc32(), bytes: plain.bytes(), packedBytes: packed.bytes() };
      const digests = { sha256: plain.sha256(), packedSha256: packed.sha256() };
      const member = { ...place, ...sizes, ...digests };
      members.push(member);
      yield pass(dataDescriptor(member));
    },
    *stored(name, bytes) {
      const [sha256, member] = [digestOf(bytes), storedMember(name, bytes, { time, offset })];
      members.push({ ...member, sha256, packedSha256: sha256 });
      yield pass(localHeader(member));
      yield pass(bytes);
    },
    async *streamed(name, source, known) {
      const { sha256 } = known;
      const sizes = { ...known, packedBytes: known.bytes, packedSha256: sha256 };
      const member = { name, time, method: "store", streamed: false, offset, ...sizes } as const;
      members.push(member);
      yield pass(localHeader(member));
      const begin = offset;
      for await (const piece of source) yield pass(piece);
      assert(offset - begin === known.bytes, `${name} has the bytes that its blob had`);
    },
    *end() {
      const begin = offset;
      for (const member of members) yield pass(centralHeader(member));
      const entries = members.length;
      yield endRecords({ entries, bytes: offset - begin, offset: begin });
    },
  };
}

/** The pieces of a source, deflated on the threads of zlib. */
async function* deflated(source: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  const deflate = createDeflateRaw({ chunkSize: 64 * 1024 });
  const piping = pipeline(source, deflate).catch((error: Error) => {
    deflate.destroy(error);
  });
  try {
    for await (const piece of deflate) yield piece as Buffer;
  } finally {
    deflate.destroy();
    await piping;
  }
}

/** `known`: the digest that whoever reads has checked already. */
function openSum(known?: string) {
  const hash = known === undefined ? createHash("sha256") : undefined;
  let checksum = 0;
  let bytes = 0;
  const add = (piece: Buffer) => {
    hash?.update(piece);
    checksum = crc32(piece, checksum);
    bytes += piece.length;
  };
  return {
    add,
    async *over(source: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
      for await (const piece of source) {
        add(piece);
        yield piece;
      }
    },
    bytes: () => bytes,
    crc32: () => checksum,
    sha256: () => known ?? `sha256:${hash?.digest("hex")}`,
  };
}

function digestOf(bytes: Buffer): string {
  return `sha256:${createHash("sha256").update(bytes).digest("hex")}`;
}
