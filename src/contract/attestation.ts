import { z } from "zod";
import { Capability } from "./agent.ts";
import { ApprovalScope } from "./approval.ts";
import { Custody } from "./custody.ts";
import { Digest } from "./ids.ts";
import { CleanupStatus, Isolation, RunStatus, StopReason } from "./run.ts";

/**
 * What a gateway signs of an archive: `attestation.json` is a DSSE envelope around an in-toto statement about every
 * other member of the zip. It is spelt in snake_case, like the journal from which it follows.
 */

export const statementType = "https://in-toto.io/Statement/v1";
export const payloadType = "application/vnd.in-toto+json";
export const predicateType = "urn:airlock:run-archive:v1";

/** A public key with which archives of a gateway are verified. */
export const AttestationKey = z
  .object({
    id: Digest.describe("The SHA-256 of its SubjectPublicKeyInfo (DER)"),
    algorithm: z.literal("ed25519"),
    publicKey: z.string().describe("PEM"),
  })
  .meta({ id: "AttestationKey" });
export type AttestationKey = z.infer<typeof AttestationKey>;

/** Whether it is any, and written in the one way, is seen where it is decoded: a pattern would choke on 20 MB. */
const base64 = z.string();

export const Envelope = z.strictObject({
  payload: base64,
  payloadType: z.literal(payloadType),
  signatures: z.tuple([z.strictObject({ keyid: Digest, sig: base64 })]),
});
export type Envelope = z.infer<typeof Envelope>;

const Bundle = z.strictObject({ name: z.string(), content_hash: Digest });

/** Far above what a run may keep, and low enough for all sizes of an archive to add up exactly. */
const memberBytesMax = 2 ** 36;
const membersMax = 20_000;

/** How a member lies in the zip: from these rows all of the zip but the bytes of its members follows. */
const ZipRow = z.strictObject({
  name: z.string().min(1).max(4096),
  method: z.enum(["store", "deflate"]),
  streamed: z.boolean(),
  bytes: z.int().min(0).max(memberBytesMax),
  packed_bytes: z.int().min(0).max(memberBytesMax),
  crc32: z.int().min(0).max(0xffffffff),
  packed_sha256: Digest.describe("Of the bytes as they lie in the zip"),
});

export const ArchivePredicate = z.strictObject({
  run: z.strictObject({
    id: z.string(),
    workspace_id: z.string(),
    root_run_id: z.string(),
    parent_run_id: z.string().nullable(),
    status: RunStatus,
    stop_reason: StopReason.nullable(),
    cleanup_status: CleanupStatus,
  }),
  partial: z.boolean().describe("The run had not ended: what is here is what there was by then"),
  agent: z.strictObject({
    id: z.string().nullable(),
    revision: Digest.nullable().describe("Of an installed agent: the digest of all its files"),
  }),
  model: z.strictObject({
    name: z.string(),
    asked: z.string().nullable().describe("What the manifest asks for, when it was mapped"),
    rule: z.string().nullable(),
  }),
  skills: z.array(Bundle),
  provider_skills: z.array(
    z.strictObject({ vendor: z.string(), skill_id: z.string(), version: z.string().nullable() }),
  ),
  agents_md: z.array(Bundle),
  file_bundles: z.array(Bundle),
  layers: z.array(z.strictObject({ name: z.string(), digest: Digest, cached: z.boolean() })),
  artifacts: z.array(z.strictObject({ artifact_id: z.string(), name: z.string().nullable() })),
  approvals: z.array(
    z.strictObject({
      request_id: z.string(),
      call_id: z.string(),
      tool: z.string(),
      digest: Digest.describe("Of everything that the answer was bound to"),
      decision: z.enum(["pending", "approved", "denied", "expired", "cancelled"]),
      scope: ApprovalScope.nullable(),
      answered_by: z.string().nullable(),
      revoked_by: z.string().nullable(),
    }),
  ),
  policy: z.strictObject({
    grant: z.array(Capability).nullable().describe("The most that the run tree may do"),
    decisions: z.strictObject({ allow: z.int(), ask: z.int(), deny: z.int() }),
  }),
  isolation: Isolation.nullable(),
  journal: z.strictObject({ last_seq: z.int(), head: z.string() }),
  outputs: z.array(
    z.strictObject({ member: z.string(), path: z.string(), sha256: Digest, bytes: z.int() }),
  ),
  missing: z.int().describe("Rows of `missing` in manifest.json"),
  times: z.strictObject({
    created_at: z.string(),
    started_at: z.string().nullable(),
    finished_at: z.string().nullable(),
    updated_at: z.string(),
  }),
  gateway: z.strictObject({ version: z.string() }),
  key: z.strictObject({
    id: Digest,
    algorithm: z.literal("ed25519"),
    public_key: base64.describe("SubjectPublicKeyInfo, DER"),
  }),
  zip: z.strictObject({
    time: z.int().min(0).max(0xffffffff).describe("Of every member, in seconds since 1970"),
    members: z.array(ZipRow).max(membersMax).describe("In their order, without attestation.json"),
  }),
});
export type ArchivePredicate = z.infer<typeof ArchivePredicate>;

export const ArchiveStatement = z.strictObject({
  _type: z.literal(statementType),
  subject: z.array(
    z.strictObject({
      name: z.string(),
      digest: z.strictObject({ sha256: z.string().regex(/^[0-9a-f]{64}$/) }),
    }),
  ),
  predicateType: z.literal(predicateType),
  predicate: ArchivePredicate,
});
export type ArchiveStatement = z.infer<typeof ArchiveStatement>;

/** `custody.json`: what became of each secret that the run was given, by name; a value stands nowhere. */
export const ArchiveCustody = z
  .strictObject({
    runId: z.string(),
    recorded: z
      .boolean()
      .describe("Written down with the end of the run; false: it follows from how far the run is"),
    secrets: z.array(
      Custody.element.extend({
        disposition: z
          .enum(["held", "destroyed", "cleanup_failed"])
          .describe("held: sealed in the vault for as long as the run goes on"),
      }),
    ),
  })
  .meta({ id: "ArchiveCustody" });
export type ArchiveCustody = z.infer<typeof ArchiveCustody>;
