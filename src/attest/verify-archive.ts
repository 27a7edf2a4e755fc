import type { ArchivePredicate } from "../contract/attestation.ts";
import { type ArchiveFile, openArchiveFile } from "./archive-file.ts";
import { openEventCheck, type ReadEvents } from "./check-events.ts";
import { checkLayout, layoutOf } from "./check-layout.ts";
import { readInPlace, readRebuilt, signedMembers, type Taps } from "./check-members.ts";
import { checkRecord, type Texts } from "./check-record.ts";
import { attestationName, type FoundAttestation, findAttestation } from "./find-attestation.ts";
import type { PinnedKey } from "./pinned-key.ts";

/** One thing that is wrong with an archive. */
export interface ArchiveFault {
  /**
   * `zip`: its structure; `member`: the bytes of a member; `event`: the journal; `output`, `record`: members that
   * contradict each other; `signature`, `key`: who signed it.
   */
  kind: "zip" | "member" | "event" | "output" | "record" | "signature" | "key";
  /** What it is about, such as the name of a member. */
  subject: string;
  message: string;
  /** In the file, from its first byte. */
  offset?: number;
  expected?: string;
  found?: string;
}

/** What came of the verification of an archive. */
export interface ArchiveReport {
  ok: boolean;
  bytes: number;
  members: number;
  /** What was signed about the run; null when nothing that was signed can be read. */
  run: (ArchivePredicate["run"] & { agent: string | null }) | null;
  partial: boolean | null;
  events: number;
  head: string | null;
  outputs: number;
  /** What the archive itself says that it does not have. */
  missing: number;
  gatewayVersion: string | null;
  key: { id: string | null; pinned: boolean };
  /** At most `faultsMax`; `faultCount` is how many there are. */
  faults: ArchiveFault[];
  faultCount: number;
}

export interface VerifyOptions {
  /** The key that has to have signed it. */
  key?: PinnedKey;
  /** Told of every reading: what has been read, and about how much there is to read. */
  onProgress?: (done: number, all: number) => void;
}

const faultsMax = 200;
/** Members that are held: the record of a run, and what is missing of 10,000 outputs. */
const textBytesMax = 64 * 1024 * 1024;

/**
 * Verifies an archive with nothing but the file: no gateway, no network, and nothing is written. It is read in pieces, once
 * and a little more. Throws only when the file cannot be read at all; whatever is wrong with it is a fault.
 *
 * All bytes of the file are accounted for: those of members by their digests, packed and unpacked; those between them
 * because they are made anew from what was signed and compared; those of the attestation by its signature, and because
 * it can be written in one way only.
 */
export async function verifyArchive(
  path: string,
  options: VerifyOptions = {},
): Promise<ArchiveReport> {
  let done = 0;
  let all = 0;
  const file = await openArchiveFile(path, (bytes) => {
    done += bytes;
    options.onProgress?.(Math.min(done, all), all);
  });
  all = file.bytes;
  const faults: ArchiveFault[] = [];
  let faultCount = 0;
  const report = (fault: ArchiveFault) => {
    faultCount += 1;
    if (faults.length < faultsMax) faults.push(fault);
  };
  try {
    const found = await findAttestation(file).catch((error: Error) => {
      report({ kind: "signature", subject: attestationName, message: error.message });
      return undefined;
    });
    if (found === undefined) return { ...nothing(file, options), faults, faultCount };
    checkSigner(found, options, report);
    const events = await checkAll(path, file, found, report);
    const { predicate } = found.envelope.statement;
    const { run, agent, partial, gateway, outputs, missing, zip } = predicate;
    return {
      ...{ ok: faultCount === 0, bytes: file.bytes, members: zip.members.length + 1 },
      ...{ run: { ...run, agent: agent.id }, partial, events: events.count, head: events.head },
      ...{ outputs: outputs.length, missing, gatewayVersion: gateway.version },
      key: { id: found.envelope.keyId, pinned: options.key !== undefined },
      ...{ faults, faultCount },
    };
  } finally {
    await file.close();
  }
}

function nothing(
  file: ArchiveFile,
  { key }: VerifyOptions,
): Omit<ArchiveReport, "faults" | "faultCount"> {
  return {
    ...{
      ok: false,
      bytes: file.bytes,
      members: 0,
      run: null,
      partial: null,
      events: 0,
      head: null,
    },
    ...{ outputs: 0, missing: 0, gatewayVersion: null },
    key: { id: null, pinned: key !== undefined },
  };
}

function checkSigner(
  { envelope }: FoundAttestation,
  { key }: VerifyOptions,
  report: (fault: ArchiveFault) => void,
): void {
  const { fault, keyId } = envelope;
  if (fault !== undefined) {
    const message = `${attestationName} is not genuine: ${fault}`;
    report({ kind: "signature", subject: attestationName, message });
  }
  if (key !== undefined && key.id !== keyId) {
    const message = `The archive is signed by the key ${keyId}, expected ${key.id}`;
    const ids = { expected: key.id, found: keyId };
    report({ kind: "key", subject: attestationName, message, ...ids });
  }
}

/** Everything but who signed it. */
async function checkAll(
  path: string,
  file: ArchiveFile,
  found: FoundAttestation,
  report: (fault: ArchiveFault) => void,
): Promise<ReadEvents> {
  const { statement } = found.envelope;
  const { predicate } = statement;
  const layout = layoutOf(predicate.zip, found.bytes);
  for (const fault of await checkLayout(file, layout)) report(fault);
  const eventFault = (message: string) =>
    report({ kind: "event", subject: "events.jsonl", message });
  const events = openEventCheck(predicate.run.id, eventFault);
  const texts = { run: openText(), custody: openText(), manifest: openText() };
  const taps: Taps = (name) => {
    if (name === "events.jsonl") return events.push;
    if (name === "run.json") return texts.run.push;
    if (name === "custody.json") return texts.custody.push;
    return name === "manifest.json" ? texts.manifest.push : () => undefined;
  };
  const signed = signedMembers(statement);
  checkSubjects(statement.subject, predicate.zip.members, report);
  // A file of another size was put together anew: its own directory says where its members are.
  if (file.bytes === layout.bytes) await readInPlace(file, layout, signed, { taps, report });
  else await readRebuilt(path, signed, { taps, report });
  const read = events.end();
  const whole: Texts = {
    run: texts.run.text(),
    custody: texts.custody.text(),
    manifest: texts.manifest.text(),
  };
  checkRecord(whole, read, { predicate, members: signed }, report);
  return read;
}

/** The two lists of a statement name the same members, each once, and all that an archive has to have. */
function checkSubjects(
  subject: readonly { name: string }[],
  members: readonly { name: string }[],
  report: (fault: ArchiveFault) => void,
): void {
  const names = members.map(({ name }) => name);
  const isSame =
    names.length === subject.length && names.every((name, at) => subject[at]?.name === name);
  const wanted = ["run.json", "events.jsonl", "custody.json", "manifest.json"];
  const lacks = wanted.filter((name) => !names.includes(name));
  for (const name of names) {
    if (wanted.includes(name) || isOutputName(name)) continue;
    const message = `${JSON.stringify(name)} is no name of a member of an archive: do not unpack it`;
    report({ kind: "member", subject: name, message });
  }
  if (isSame && new Set(names).size === names.length && lacks.length === 0) return;
  const why = lacks.length > 0 ? `it does not cover ${lacks.join(", ")}` : "its lists differ";
  const message = `${attestationName} is not one of an archive: ${why}`;
  report({ kind: "signature", subject: attestationName, message });
}

/** Whoever unpacks it stays below `outputs/`, on any system; a gateway gives no other names. */
function isOutputName(name: string): boolean {
  const [first, ...rest] = name.split("/");
  const isPlain = !/[\0-\x1f\x7f\\:]/.test(name) && !rest.some((part) => /^\.{0,2}$/.test(part));
  return first === "outputs" && (name === "outputs/" || (rest.length > 0 && isPlain));
}

function openText(): { push(piece: Buffer): void; text(): Buffer | undefined } {
  const pieces: Buffer[] = [];
  let bytes = 0;
  return {
    push(piece) {
      bytes += piece.length;
      if (bytes <= textBytesMax) pieces.push(piece);
    },
    text: () => (bytes === 0 || bytes > textBytesMax ? undefined : Buffer.concat(pieces)),
  };
}
