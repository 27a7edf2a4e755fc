import type { WrittenMember } from "../content/content.ts";
import {
  type ArchivePredicate,
  type ArchiveStatement,
  type AttestationKey,
  predicateType,
  statementType,
} from "../contract/attestation.ts";
import type { ArchiveManifest } from "../contract/output.ts";
import type { Run } from "../contract/run.ts";
import type { RunSnapshot } from "../contract/submission.ts";
import type { Facts } from "./facts.ts";

/** What a statement says that follows from the run, its events and the manifest, whoever reads them. */
export type Derived = Omit<ArchivePredicate, "gateway" | "key" | "zip">;

/** The part of a run that a statement repeats. */
export type StatedRun = Pick<
  Run,
  | "id"
  | "workspaceId"
  | "rootRunId"
  | "parentRunId"
  | "status"
  | "stop_reason"
  | "cleanup_status"
  | "isolation"
  | "lastSeq"
  | "head"
  | "createdAt"
  | "startedAt"
  | "finishedAt"
  | "updatedAt"
>;

export function statementOf(
  derived: Derived,
  members: readonly WrittenMember[],
  by: { key: AttestationKey; version: string },
): ArchiveStatement {
  const { id, algorithm, publicKey } = by.key;
  const public_key = publicKey.replace(/-----[A-Z ]+-----|\s/g, "");
  return {
    _type: statementType,
    subject: members.map(({ name, sha256 }) => ({ name, digest: { sha256: sha256.slice(7) } })),
    predicateType,
    predicate: {
      ...derived,
      gateway: { version: by.version },
      key: { id, algorithm, public_key },
      zip: { time: members[0]?.time ?? 0, members: members.map(zipRow) },
    },
  };
}

/** Everything but what only the signer knows. */
export function derive(run: StatedRun, facts: Facts, manifest: ArchiveManifest): Derived {
  const { submission } = facts;
  return {
    run: {
      id: run.id,
      workspace_id: run.workspaceId,
      root_run_id: run.rootRunId,
      parent_run_id: run.parentRunId,
      status: run.status,
      stop_reason: run.stop_reason,
      cleanup_status: run.cleanup_status,
    },
    partial: manifest.partial,
    agent: { id: submission?.agent?.id ?? null, revision: submission?.agent?.revision ?? null },
    model: {
      name: submission?.model ?? "",
      asked: submission?.mappedModel?.asked ?? null,
      rule: submission?.mappedModel?.rule ?? null,
    },
    ...bundlesOf(submission),
    layers: [...facts.layers.values()],
    artifacts: [...facts.artifacts.values()],
    approvals: [...facts.approvals.values()],
    policy: { grant: submission?.grant ?? null, decisions: facts.decisions },
    isolation: run.isolation,
    journal: { last_seq: run.lastSeq, head: run.head },
    outputs: manifest.outputs.map(({ path, sourcePath, sha256, byteSize }) => {
      return { member: path, path: sourcePath, sha256, bytes: byteSize };
    }),
    missing: manifest.missing.length,
    times: {
      created_at: run.createdAt,
      started_at: run.startedAt,
      finished_at: run.finishedAt,
      updated_at: run.updatedAt,
    },
  };
}

type Bundles = Pick<Derived, "skills" | "provider_skills" | "agents_md" | "file_bundles">;

function bundlesOf(submission: RunSnapshot | undefined): Bundles {
  const named = ({ name, contentHash }: { name: string; contentHash: string }) => {
    return { name, content_hash: contentHash };
  };
  const skills = submission?.skills ?? [];
  return {
    skills: skills.flatMap((skill) => ("contentHash" in skill ? [named(skill)] : [])),
    provider_skills: skills.flatMap((skill) => {
      if (!("vendor" in skill)) return [];
      const { vendor, skillId: skill_id, version = null } = skill;
      return [{ vendor, skill_id, version }];
    }),
    agents_md: (submission?.agentsMd ?? []).map(named),
    file_bundles: (submission?.fileBundles ?? []).map(named),
  };
}

function zipRow(member: WrittenMember): ArchivePredicate["zip"]["members"][number] {
  const { name, method, streamed, bytes, packedBytes, crc32, packedSha256 } = member;
  const sizes = { bytes, packed_bytes: packedBytes, crc32 };
  return { name, method, streamed, ...sizes, packed_sha256: packedSha256 };
}
