import { isDeepStrictEqual } from "node:util";
import { ArchiveCustody, type ArchivePredicate } from "../contract/attestation.ts";
import { ArchiveManifest } from "../contract/output.ts";
import { isEnd, Run } from "../contract/run.ts";
import type { ReadEvents } from "./check-events.ts";
import { custodyOf } from "./custody.ts";
import { parseJson, rowsWeightMax, submissionWeightMax } from "./parse-json.ts";
import { derive } from "./statement.ts";
import type { ArchiveFault } from "./verify-archive.ts";

type Report = (fault: ArchiveFault) => void;

/** Members by name, with the digests under the signature, which the bytes have been held against. */
export type Members = ReadonlyMap<string, { sha256: string }>;

/** The members that are read whole; undefined: not there, or too long to be one of ours. */
export interface Texts {
  run: Buffer | undefined;
  custody: Buffer | undefined;
  manifest: Buffer | undefined;
}

/** Without the submission, which is compared with the one of the journal as it stands. */
const StoredRun = Run.omit({ submission: true });

/** Holds what an archive says in several places against each other: all of it follows from the events. */
export function checkRecord(
  texts: Texts,
  events: ReadEvents,
  { predicate: signed, members }: { predicate: ArchivePredicate; members: Members },
  report: Report,
): void {
  const json = parsed("run.json", texts.run, report) as Record<string, unknown> | undefined;
  const run = StoredRun.safeParse({ ...json, id: json?.runId });
  const manifest = ArchiveManifest.safeParse(parsed("manifest.json", texts.manifest, report));
  const custody = ArchiveCustody.safeParse(parsed("custody.json", texts.custody, report));
  for (const [name, { success, error }] of [
    ["run.json", run],
    ["manifest.json", manifest],
    ["custody.json", custody],
  ] as const) {
    const [issue] = error?.issues ?? [];
    if (success || issue === undefined) continue;
    const where = issue.path.map(String).join(".");
    report({ kind: "record", subject: name, message: `${name}: ${where}: ${issue.message}` });
  }
  const contradiction = (subject: string, what: string, said: unknown, follows: unknown) => {
    if (isDeepStrictEqual(plain(said), plain(follows))) return;
    const message = `${subject} says ${what} ${short(said)}, the events say ${short(follows)}`;
    report({ kind: "record", subject, message });
  };
  contradiction("attestation.json", "journal", signed.journal, {
    last_seq: events.lastSeq,
    head: events.head,
  });
  const { state, facts } = events;
  if (events.count === 0) {
    const message = "events.jsonl has no event: every run has a first one";
    report({ kind: "event", subject: "events.jsonl", message });
  }
  if (manifest.success) checkMembers(manifest.data, members, report);
  if (run.success && state !== undefined) {
    const { lastText, stopReason, cleanupStatus, costNanoUsd, ...same } = state;
    const follows = { ...same, stop_reason: stopReason, cleanup_status: cleanupStatus };
    for (const [name, value] of Object.entries(follows)) {
      contradiction("run.json", name, run.data[name as keyof typeof run.data], value);
    }
    const costUsd = costNanoUsd === null ? null : costNanoUsd / 1e9;
    contradiction("run.json", "costUsd", run.data.costUsd, costUsd);
    const reply = state.finishedAt === null ? null : lastText;
    contradiction("run.json", "reply", run.data.reply, reply);
    contradiction("run.json", "snapshot", json?.snapshot, facts.submission);
    const follow = custodyOf(run.data.id, run.data.status, facts);
    if (custody.success) contradiction("custody.json", "of the secrets", custody.data, follow);
  }
  if (!manifest.success || state === undefined) return;
  checkOutputs(manifest.data, events, report);
  contradiction("manifest.json", "partial", manifest.data.partial, !isEnd(state.status));
  if (!run.success) return;
  const derived = derive(run.data, facts, manifest.data);
  for (const [name, value] of Object.entries(derived)) {
    contradiction("attestation.json", name, signed[name as keyof typeof derived], value);
  }
}

/** What lies below `outputs/` is what the manifest names, byte for byte, and nothing else. */
function checkMembers(manifest: ArchiveManifest, members: Members, report: Report): void {
  const fault = (subject: string, message: string) => report({ kind: "output", subject, message });
  const named = new Set<string>(["outputs/"]);
  for (const { path, sha256 } of manifest.outputs) {
    named.add(path);
    const member = members.get(path);
    if (member === undefined)
      fault(path, `${path} is in manifest.json, and no member of the archive`);
    else if (member.sha256 !== sha256) {
      fault(path, `${path} has the digest ${member.sha256}, manifest.json says ${sha256}`);
    }
  }
  for (const name of members.keys()) {
    if (!name.startsWith("outputs/") || named.has(name)) continue;
    fault(name, `${JSON.stringify(name)} is a member, and no output of manifest.json`);
  }
}

/** Each output that was captured last is in the archive, or is named as missing; and no other one is. */
function checkOutputs(manifest: ArchiveManifest, { facts }: ReadEvents, report: Report): void {
  const captured = new Map(facts.outputs.map((output) => [output.path, output]));
  const fault = (path: string, message: string) =>
    report({ kind: "output", subject: path, message });
  for (const { path, sourcePath, sha256, byteSize } of manifest.outputs) {
    const output = captured.get(sourcePath);
    captured.delete(sourcePath);
    if (output === undefined) {
      fault(path, `${path} is no output that the run captured`);
    } else if (output.sha256 !== sha256 || `outputs/${output.name}` !== path) {
      const expected = `outputs/${output.name} with ${output.sha256}`;
      fault(path, `${path} with ${sha256} is not what was captured: ${expected}`);
    } else if (output.bytes !== byteSize) {
      fault(path, `${path} has ${byteSize} bytes, captured were ${output.bytes}`);
    }
  }
  const missing = new Set(manifest.missing.map(({ path }) => path));
  for (const { path, name } of captured.values()) {
    if (missing.has(path)) continue;
    fault(`outputs/${name}`, `outputs/${name} was captured, and manifest.json does not have it`);
  }
}

function parsed(name: string, text: Buffer | undefined, report: Report): unknown {
  if (text === undefined) return undefined;
  try {
    return parseJson(text, name === "run.json" ? submissionWeightMax : rowsWeightMax);
  } catch (error) {
    const message = `${name} ${error instanceof Error ? error.message : error}`;
    report({ kind: "record", subject: name, message });
    return undefined;
  }
}

/** As JSON has it: without members that are undefined. */
function plain(value: unknown): unknown {
  return value === undefined ? undefined : JSON.parse(JSON.stringify(value));
}

function short(value: unknown): string {
  const text = JSON.stringify(value) ?? "nothing";
  return text.length <= 200 ? text : `${text.slice(0, 200)}…`;
}
