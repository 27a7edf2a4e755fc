import {
  centralHeader,
  dataDescriptor,
  endRecords,
  localHeader,
  storedMember,
  type ZipMember,
} from "../base/zip-layout.ts";
import type { ArchivePredicate } from "../contract/attestation.ts";
import type { ArchiveFile } from "./archive-file.ts";
import { attestationName } from "./find-attestation.ts";
import type { ArchiveFault } from "./verify-archive.ts";

/** How an archive lies in its file when it is the one that was signed. */
export interface Layout {
  /** Without `attestation.json`. */
  members: (ZipMember & { dataOffset: number })[];
  bytes: number;
  /** Everything between the bytes of members, in order. */
  parts: { what: string; offset: number; expected: Buffer }[];
}

/** Makes from the signed rows, and from the attestation itself, all of the zip but the bytes of its members. */
export function layoutOf(zip: ArchivePredicate["zip"], attestation: Buffer): Layout {
  const layout: Layout = { members: [], bytes: 0, parts: [] };
  const part = (what: string, expected: Buffer) => {
    if (expected.length > 0) layout.parts.push({ what, offset: layout.bytes, expected });
    layout.bytes += expected.length;
  };
  const all: ZipMember[] = [];
  for (const { packed_bytes: packedBytes, packed_sha256: _, ...row } of zip.members) {
    const member = { ...row, packedBytes, time: zip.time, offset: layout.bytes };
    all.push(member);
    part(`the header of ${row.name}`, localHeader(member));
    layout.members.push({ ...member, dataOffset: layout.bytes });
    layout.bytes += packedBytes;
    part(`the descriptor of ${row.name}`, dataDescriptor(member));
  }
  const place = { time: zip.time, offset: layout.bytes };
  const last = storedMember(attestationName, attestation, place);
  all.push(last);
  part(`the header of ${attestationName}`, localHeader(last));
  layout.bytes += attestation.length;
  const begin = layout.bytes;
  for (const member of all) part(`the directory row of ${member.name}`, centralHeader(member));
  const directory = { entries: all.length, bytes: layout.bytes - begin, offset: begin };
  part("the end record", endRecords(directory));
  return layout;
}

/** Every part of the zip's own structure that is not what it has to be, with the first byte that differs. */
export async function checkLayout(file: ArchiveFile, layout: Layout): Promise<ArchiveFault[]> {
  const faults: ArchiveFault[] = [];
  const isOther = file.bytes !== layout.bytes;
  if (isOther) {
    const message = `The file has ${file.bytes} bytes, what was signed has ${layout.bytes}`;
    faults.push({ kind: "zip", subject: "the zip", message });
  }
  for (const { what, offset, expected } of layout.parts) {
    const found = await file.read(offset, expected.length);
    if (found.equals(expected)) continue;
    const at = expected.findIndex((byte, index) => byte !== found[index]);
    const [want, have] = [expected[at], found[at]].map(hex);
    faults.push({
      ...{ kind: "zip", subject: what, offset: offset + at },
      message: `The zip structure is damaged at offset ${offset + at}, in ${what}: expected ${want}, found ${have}`,
    });
    // Behind the first difference all of another zip is elsewhere; its members are compared by name.
    if (isOther) break;
  }
  return faults;
}

function hex(byte: number | undefined): string {
  return byte === undefined ? "the end of the file" : `0x${byte.toString(16).padStart(2, "0")}`;
}
