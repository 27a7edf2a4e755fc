import { z } from "zod";
import { Finding } from "./finding.ts";
import { ApprovalId, CallId, Digest, RunId } from "./ids.ts";

/**
 * A question to a person that parks a call, and its answer. `expired`: nobody answered in time, which is not a refusal.
 * `cancelled`: the run ended while it waited.
 */
export const approvalStatuses = ["pending", "approved", "denied", "expired", "cancelled"] as const;
export const ApprovalStatus = z.enum(approvalStatuses).meta({ id: "ApprovalStatus" });
export type ApprovalStatus = z.infer<typeof ApprovalStatus>;

/**
 * How far an approval reaches. `once`: the call that asked, and no other. `run`: the very same call again, in the same
 * run tree. `artifact`: any arguments for the same entrypoint of the same artifact, in any run of the workspace.
 * `agent_revision`: the very same call of the same revision of the agent, in any run of the workspace.
 */
export const approvalScopes = ["once", "run", "artifact", "agent_revision"] as const;
export const ApprovalScope = z.enum(approvalScopes).meta({ id: "ApprovalScope" });
export type ApprovalScope = z.infer<typeof ApprovalScope>;

/** Everything that an approval is bound to, each part by a digest or in plain words; a change of any is told by name. */
export const bindingParts = [
  "agent",
  "run_tree",
  "tool",
  "arguments",
  "staged",
  "workspace",
  "tmp",
  "artifact",
  "entrypoint",
  "layers",
  "environment",
  "secrets",
  "hosts",
  "server",
] as const;
export type BindingPart = (typeof bindingParts)[number];

export const Binding = z
  .object({
    digest: Digest.describe("Of the canonical JSON of the parts"),
    parts: z.record(z.string(), z.string()),
  })
  .meta({ id: "Binding" });
export type Binding = z.infer<typeof Binding>;

/** What will run if a person says so. */
export const ApprovalSubject = z
  .object({
    tool: z.string(),
    command: z.string().nullable(),
    artifact_id: z.string().nullable(),
    artifact_digest: Digest.nullable(),
    entrypoint: z.string().nullable(),
    arguments: z
      .record(z.string(), z.unknown())
      .describe("All arguments of the call, as they will be used"),
    files: z
      .array(z.object({ name: z.string(), sha256: Digest }))
      .describe("Content that the call sees, or the files of the artifact"),
    server: z
      .object({
        name: z.string(),
        url: z.string(),
        tool: z.string(),
        description: z.string().describe("The server's own words"),
      })
      .optional()
      .describe("The MCP server that is called, with exactly these arguments, and runs its tool"),
  })
  .meta({ id: "ApprovalSubject" });
export type ApprovalSubject = z.infer<typeof ApprovalSubject>;

/** What is asked, as the journal keeps it. */
export const ApprovalRequest = z.object({
  request_id: ApprovalId,
  call_id: CallId,
  agent: z.object({ id: z.string().nullable(), revision: Digest }),
  tool: z.string(),
  summary: z.string().describe("One line: what it wants"),
  rule: z.string().describe("Why it is asked"),
  intent: z.string().nullable().describe("What the agent says it is for; its own words"),
  warning: z.string().nullable().describe("What a person should not overlook"),
  subject: ApprovalSubject,
  findings: z.array(Finding),
  hosts: z.array(z.string()).describe("What the call will be able to reach: host:port, no other"),
  binding: Binding,
  keys: z
    .object({ run: Digest, agent_revision: Digest, artifact: Digest.nullable() })
    .describe("What two requests have in common that the scope of that name covers both of"),
  scopes: z.array(ApprovalScope).describe("What may be chosen"),
  default_scope: ApprovalScope,
  expires_at: z.iso.datetime(),
});
export type ApprovalRequest = z.infer<typeof ApprovalRequest>;

/** What became of a request. */
export const ApprovalAnswer = z.object({
  request_id: ApprovalId,
  call_id: CallId,
  status: z.enum(["approved", "denied", "expired", "cancelled"]),
  scope: ApprovalScope.nullable(),
  scope_expires_at: z.iso.datetime().nullable(),
  answered_by: z
    .string()
    .nullable()
    .describe("A token, or the approval whose answer covered this one; null: nobody"),
  note: z.string().nullable().describe("Of the person who answered"),
  remembered_until: z.iso
    .datetime()
    .nullable()
    .describe("A refusal: until then nobody is asked the same again"),
});
export type ApprovalAnswer = z.infer<typeof ApprovalAnswer>;

/** An approval as the API shows it. */
export const Approval = z
  .object({
    id: ApprovalId,
    runId: RunId,
    rootRunId: RunId,
    status: ApprovalStatus,
    request: ApprovalRequest,
    answer: ApprovalAnswer.nullable(),
    identical: z
      .int()
      .min(1)
      .describe("Pending requests for the very same call, this one among them"),
    requestedAt: z.iso.datetime(),
    answeredAt: z.iso.datetime().nullable(),
    spentAt: z.iso.datetime().nullable().describe("When the call that asked was started"),
    revokedAt: z.iso.datetime().nullable(),
  })
  .meta({ id: "Approval" });
export type Approval = z.infer<typeof Approval>;

/** Calls of the past that asked, and that an approval of this scope would have allowed as well. */
export const ScopePreview = z
  .object({
    scope: ApprovalScope,
    count: z.int(),
    calls: z
      .array(
        z.object({
          approvalId: ApprovalId,
          runId: RunId,
          callId: CallId,
          summary: z.string(),
          requestedAt: z.iso.datetime(),
        }),
      )
      .describe("The newest of them"),
  })
  .meta({ id: "ScopePreview" });
export type ScopePreview = z.infer<typeof ScopePreview>;

/** What is not as it was when the same agent was last approved with the same tool. */
export const SinceApproved = z
  .object({
    approvalId: ApprovalId,
    approvedAt: z.iso.datetime(),
    changes: z.array(
      z.object({
        what: z.string().describe("`command`, `hosts`, `file NAME` …"),
        diff: z.string().describe("A unified diff; empty when only the digest is known to differ"),
      }),
    ),
  })
  .meta({ id: "SinceApproved" });
export type SinceApproved = z.infer<typeof SinceApproved>;

export const ApprovalDetail = Approval.extend({
  previews: z.array(ScopePreview),
  sinceApproved: SinceApproved.nullable(),
  toolResult: z
    .record(z.string(), z.unknown())
    .describe("How the call stands for its agent while it waits: `approval_required`"),
}).meta({ id: "ApprovalDetail" });
export type ApprovalDetail = z.infer<typeof ApprovalDetail>;

export const ApproveRequest = z
  .strictObject({
    scope: ApprovalScope.optional().describe("Default: the request's `default_scope`"),
    expiresAt: z.iso
      .datetime()
      .optional()
      .describe("Until when the scope reaches. Default: `run` as long as the run, others 30 days"),
    note: z.string().max(2000).optional(),
  })
  .meta({ id: "ApproveRequest" });
export type ApproveRequest = z.infer<typeof ApproveRequest>;

export const DenyRequest = z
  .strictObject({ reason: z.string().max(2000).optional().describe("The agent reads it") })
  .meta({ id: "DenyRequest" });
export type DenyRequest = z.infer<typeof DenyRequest>;

export const RevokeRequest = z
  .strictObject({ reason: z.string().max(2000).optional() })
  .meta({ id: "RevokeRequest" });
export type RevokeRequest = z.infer<typeof RevokeRequest>;

export const StopRequest = z
  .strictObject({ reason: z.string().trim().min(1).max(2000) })
  .meta({ id: "StopRequest" });
export type StopRequest = z.infer<typeof StopRequest>;
