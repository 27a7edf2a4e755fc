import { type Entry, openPromise } from "yauzl";
import type { ArchiveStatement } from "../contract/attestation.ts";
import type { ArchiveFile } from "./archive-file.ts";
import type { Layout } from "./check-layout.ts";
import { attestationName } from "./find-attestation.ts";
import { type ReadMember, readMember } from "./read-member.ts";
import type { ArchiveFault } from "./verify-archive.ts";

type Row = ArchiveStatement["predicate"]["zip"]["members"][number];
type Report = (fault: ArchiveFault) => void;
/** Told of the bytes of members that have a meaning of their own. */
export type Taps = (name: string) => (piece: Buffer) => void;

/** The members of what was signed, by name, with the digests of their bytes. */
export function signedMembers(statement: ArchiveStatement): Map<string, Row & { sha256: string }> {
  const digests = new Map(statement.subject.map(({ name, digest }) => [name, digest.sha256]));
  return new Map(
    statement.predicate.zip.members.map((row) => {
      return [row.name, { ...row, sha256: `sha256:${digests.get(row.name)}` }];
    }),
  );
}

type Signed = ReturnType<typeof signedMembers>;

/** Reads the members from where they lie in the archive that was signed. */
export async function readInPlace(
  file: ArchiveFile,
  layout: Layout,
  signed: Signed,
  { taps, report }: { taps: Taps; report: Report },
): Promise<void> {
  for (const { name, dataOffset, packedBytes } of layout.members) {
    const row = signed.get(name);
    if (row === undefined) continue;
    const found = await readMember(file.pieces(dataOffset, packedBytes), row, taps(name));
    compare(row, found, report);
  }
}

/**
 * Reads the members of a zip that was put together anew, as its own directory has them. What is not the signed one's is
 * named and not read.
 */
export async function readRebuilt(
  path: string,
  signed: Signed,
  { taps, report }: { taps: Taps; report: Report },
): Promise<void> {
  const seen = new Set<string>();
  let rows = 0;
  try {
    const zip = await openPromise(path, { lazyEntries: true, strictFileNames: true });
    try {
      for await (const entry of zip.eachEntry()) {
        const name = entry.fileName;
        const row = signed.get(name);
        const isSecond = seen.has(name);
        if (isSecond) report(member(name, `${shown(name)} is in the archive more than once`));
        seen.add(name);
        rows += 1;
        // Of an enemy's zip with a million rows the first ones say enough.
        if (rows > signed.size + strangersMax) break;
        if (row === undefined) {
          if (name !== attestationName) report(member(name, `${shown(name)} was never part of it`));
          continue;
        }
        const packed = await zip.openReadStreamPromise(entry, rawOf(entry));
        const method = entry.compressionMethod === 8 ? "deflate" : "store";
        const tap = isSecond ? () => undefined : taps(name);
        compare(row, await readMember(packed, { method, bytes: row.bytes }, tap), report);
      }
    } finally {
      zip.close();
    }
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    report({ kind: "zip", subject: "the zip", message: `The zip cannot be read: ${message}` });
  }
  compareNames(seen, signed, report);
}

const strangersMax = 1_000;

/** As its bytes lie there: they are unpacked here, under a limit. */
function rawOf(entry: Entry): { decompress: false } | Record<string, never> {
  return entry.compressionMethod === 8 ? { decompress: false } : {};
}

function compareNames(seen: ReadonlySet<string>, signed: Signed, report: Report): void {
  for (const name of signed.keys()) {
    if (!seen.has(name)) report(member(name, `${shown(name)} is missing`));
  }
  const order = [...signed.keys()].filter((name) => seen.has(name));
  const found = [...seen].filter((name) => signed.has(name));
  const at = order.findIndex((name, index) => found[index] !== name);
  const name = order[at];
  if (name !== undefined) {
    const place = `where ${shown(found[at] ?? "nothing")} stands`;
    report(member(name, `${shown(name)} is not in its place, ${place}`));
  }
}

function compare(row: Row & { sha256: string }, found: ReadMember, report: Report): void {
  const { name, sha256: expected } = row;
  if (found.fault !== undefined) {
    report({ ...member(name, `${shown(name)} ${found.fault}`), expected });
  } else if (found.sha256 !== expected) {
    const message = `${shown(name)} has the digest ${found.sha256}, what was signed has ${expected}`;
    report({ ...member(name, message), expected, found: found.sha256 ?? "" });
  } else if (found.packedSha256 !== row.packed_sha256) {
    const message = `${shown(name)} is compressed in another way: its bytes in the zip have the digest ${found.packedSha256}, what was signed has ${row.packed_sha256}`;
    const digests = { expected: row.packed_sha256, found: found.packedSha256 };
    report({ ...member(name, message), ...digests });
  }
}

function member(name: string, message: string): ArchiveFault {
  return { kind: "member", subject: name, message };
}

/** A name of the enemy's, on one line and not too long. */
function shown(name: string): string {
  return /^[\w./ -]{1,200}$/.test(name) ? name : JSON.stringify(name.slice(0, 200));
}
