import { z } from "zod";
import { ApprovalAnswer, ApprovalRequest } from "./approval.ts";
import { ArtifactId, ArtifactManifest, ArtifactRef } from "./artifact.ts";
import { ProofOutput } from "./artifact-proof.ts";
import { BlobRef } from "./blob-ref.ts";
import { Custody } from "./custody.ts";
import { PreparedPackages } from "./environment.ts";
import { DecisionReason } from "./explanation.ts";
import { Finding } from "./finding.ts";
import { ApprovalId, CallId, Digest, RunId } from "./ids.ts";
import { InteractionAnswer, InteractionRequest } from "./interaction.ts";
import { Abi, CapturedLayer } from "./layer.ts";
import { McpListed } from "./mcp-server.ts";
import { MissingOutput, Output } from "./output.ts";
import { ProxyCalled } from "./proxy-call.ts";
import { CleanupStatus, EndStatus, Isolation, StopReason } from "./run.ts";
import { SdkCalled } from "./sdk-call.ts";
import { RunSnapshot } from "./submission.ts";
import { JoinPolicy, SpawnedTask, WaitResolved, WaitStarted } from "./workflow.ts";

/**
 * The facts of a run, as its journal keeps them (`seq`, hash chain) and as the stream sends them. The data of an event
 * is spelt in snake_case, like the tools' own arguments and results. A client must let types pass that it does not know.
 */

export { BlobRef } from "./blob-ref.ts";

export const EventUsage = z.object({
  input_tokens: z.int(),
  output_tokens: z.int(),
  cache_read_tokens: z.int(),
  cache_write_tokens: z.int(),
});
export type EventUsage = z.infer<typeof EventUsage>;

/** One tool use that a turn asked for. `tool_call_id` is the model's own name for it, `call_id` is ours. */
export const RequestedCall = z.object({
  call_id: z.string(),
  tool_call_id: z.string(),
  tool: z.string(),
  arguments: z.unknown().describe("Long strings inside are BlobRefs"),
  provider_metadata: z.unknown().optional(),
});
export type RequestedCall = z.infer<typeof RequestedCall>;

/** A part of a reply that must go back to the model as it came: its text, or its reasoning with a signature. */
export const ReplyPart = z.object({
  type: z.enum(["text", "reasoning"]),
  text: z.union([z.string(), BlobRef]),
  provider_metadata: z.unknown().optional(),
});
export type ReplyPart = z.infer<typeof ReplyPart>;

/** The run that started this one by a call, and how it waits for it. */
export const RunParent = z.object({
  run_id: RunId,
  root_run_id: RunId,
  call_id: CallId,
  depth: z.int().describe("1: a child of the root"),
  group: z.string(),
  policy: JoinPolicy,
  async: z.boolean(),
});
export type RunParent = z.infer<typeof RunParent>;

const KeptContent = z.object({
  name: z.string(),
  visibility: z.enum(["private", "session"]),
  sha256: Digest,
  bytes: z.int(),
});

const KeptLayer = CapturedLayer.extend({
  abi: Abi.nullable(),
  hosts: z.array(z.string()),
  left_out: z
    .array(z.object({ what: z.string(), count: z.int() }))
    .optional()
    .describe("What package managers keep for themselves, and is in no layer"),
});

const byType = {
  "run.submitted": z.object({
    submission: RunSnapshot,
    body_hash: Digest,
    idempotency_key: z.string().nullable(),
    secrets: z.array(z.string()).describe("Names only"),
    submitted_by: z.string(),
    parent: RunParent.optional(),
  }),
  "run.forked": z
    .object({
      from_run_id: RunId,
      turn: z.int(),
      content: z.array(KeptContent),
      layers: z.array(KeptLayer),
      artifacts: z
        .array(
          z.object({
            artifact_id: ArtifactId,
            artifact_ref: ArtifactRef,
            name: z.string().nullable(),
          }),
        )
        .describe("Refs of its own for the artifacts that were handed over in the other tree"),
    })
    .describe("What a fork has from the beginning: what the other run saw at that turn"),
  "run.started": z.object({ epoch: z.int() }),
  "run.resumed": z.object({ epoch: z.int() }).describe("A new worker took the run over"),
  "run.provisioned": z.object({ isolation: Isolation }),
  "environment.prepared": z
    .object({ packages: z.array(PreparedPackages), layers: z.array(KeptLayer) })
    .describe(
      "The packages of the submission are there: what every command of the run has mounted",
    ),
  "mcp.listed": McpListed.describe("What an MCP server offers, or why it offers nothing"),
  "turn.replied": z.object({
    turn: z.int(),
    attempt: z.int(),
    model: z.string(),
    parts: z.array(ReplyPart),
    calls: z.array(RequestedCall),
    finish_reason: z.enum(["stop", "calls", "length", "refused", "other"]),
    usage: EventUsage,
    cost_usd: z
      .number()
      .nullable()
      .optional()
      .describe("By the price table of that day; null when the model has no price in it"),
    duration_ms: z.int(),
    read_seq: z.int().optional().describe("The newest event that the model had been told of"),
  }),
  "turn.lost": z
    .object({
      turn: z.int(),
      reason: z
        .enum(["crashed", "interrupted", "failed", "retried", "unreported"])
        .describe(
          "retried: the turn went on; unreported: it was replied, without saying its usage",
        ),
      tokens: z.int(),
      cost_usd: z.number(),
    })
    .describe(
      "A model was asked, and nobody knows what that cost: all that was reserved for it counts",
    ),
  "call.decided": z.object({
    call_id: z.string(),
    tool: z.string(),
    decision: z.enum(["allow", "ask", "deny"]),
    rule: z.string(),
    reasons: z.array(DecisionReason).optional(),
    findings: z.array(Finding).optional().describe("What in the call points to the network"),
    approval: ApprovalId.optional().describe("The standing approval that allows it"),
    hosts: z
      .array(z.string())
      .optional()
      .describe("What the call may reach; absent when it has no way out"),
  }),
  "approval.requested": ApprovalRequest.describe("The call waits for a person"),
  "approval.resolved": ApprovalAnswer,
  "approval.revoked": z.object({
    request_id: ApprovalId,
    revoked_by: z.string(),
    reason: z.string().nullable(),
  }),
  "call.started": z.object({
    call_id: z.string(),
    tool: z.string(),
    turn: z.int(),
    approval: ApprovalId.optional().describe(
      "The approval of this very call, spent with this event",
    ),
  }),
  "call.finished": z.object({
    call_id: z.string(),
    tool: z.string(),
    outcome: z.enum(["returned", "denied", "invalid", "interrupted", "cancelled"]),
    result: z.unknown().describe("What the model was told; long strings inside are BlobRefs"),
    duration_ms: z.int(),
    staged: z
      .array(z.object({ name: z.string(), sha256: Digest }))
      .optional()
      .describe("Content that this call placed in /tmp"),
    content: z.array(KeptContent).optional().describe("Content that this call wrote"),
    reply: z
      .union([z.string(), BlobRef])
      .optional()
      .describe("What the run says with it: a script agent's stdout"),
    stdout: z.object({ blob: Digest, bytes: z.int(), truncated: z.boolean() }).optional(),
    stderr: z.object({ blob: Digest, bytes: z.int(), truncated: z.boolean() }).optional(),
    layers: z
      .array(KeptLayer)
      .optional()
      .describe("Layers that this call captured, or found built already"),
    artifact: z
      .object({
        artifact_id: ArtifactId,
        artifact_ref: ArtifactRef,
        name: z.string().nullable(),
        manifest: ArtifactManifest,
      })
      .optional()
      .describe("The artifact that this call built, or found built already"),
    task: SpawnedTask.optional().describe("The task that this call made"),
    seen_tasks: z
      .array(RunId)
      .optional()
      .describe("Tasks that had ended, and whose end the result tells"),
  }),
  "wait.started": WaitStarted.describe("The run is let go until then: it is a row, and no more"),
  "wait.resolved": WaitResolved,
  "input.requested": InteractionRequest,
  "input.answered": InteractionAnswer,
  "message.received": z
    .object({
      from_run_id: RunId.nullable(),
      from: z.string(),
      text: z.union([z.string(), BlobRef]),
      call_id: CallId.optional().describe("The call that sent it: once, however often it is made"),
    })
    .describe("Told to the model before its next turn"),
  "egress.allowed": z
    .object({
      call_id: z.string(),
      host: z.string(),
      port: z.int(),
      address: z.string().nullable().describe("null behind a proxy that resolves by itself"),
      bytes_up: z.int(),
      bytes_down: z.int(),
      duration_ms: z.int(),
      cut: z
        .enum(["bytes_limit", "idle"])
        .nullable()
        .describe("Why the gateway ended it; null when one of its two ends did"),
    })
    .describe("One connection that left the sandbox, written down when it had ended"),
  "egress.denied": z.object({
    call_id: z.string(),
    host: z.string(),
    port: z.int().nullable(),
    reason: z.string(),
  }),
  "proxy.called": ProxyCalled.describe(
    "One call of a proxy endpoint, written down before its answer ended",
  ),
  "sdk.called": SdkCalled.describe("Code in the sandbox asked something of the gateway"),
  "secret.seen": z
    .object({
      call_id: CallId.nullable(),
      surface: z.string().describe("Where it was about to appear"),
    })
    .describe("The run's canary appeared: something read what nothing has to read, and sent it on"),
  "artifact.proved": z
    .object({
      call_id: z.string(),
      artifact_id: ArtifactId,
      artifact_digest: Digest,
      layers: z.array(Digest),
      entrypoint: z.string().nullable(),
      command: z.string().nullable(),
      args: z.array(z.string()),
      passed: z.boolean(),
      exit_code: z.int().nullable(),
      output: ProofOutput.optional(),
      isolation: Isolation,
      network: z.literal("none"),
    })
    .describe("An artifact was run with nothing but what is in it"),
  "outputs.captured": z.object({
    partial: z.boolean(),
    outputs: z.array(Output),
    missing: z.array(MissingOutput),
  }),
  "run.stopped": z
    .object({
      root_run_id: RunId,
      requested_by: z.string(),
      reason: z.string(),
    })
    .describe(
      "Emergency stop of the run tree: its processes, its egress and its approvals end at once",
    ),
  "run.cancel_requested": z.object({
    requested_by: z.string(),
    reason: z.literal("parent_ended").optional().describe("The run that started it has ended"),
  }),
  "run.finishing": z.object({
    status: EndStatus,
    stop_reason: StopReason,
    message: z.string().optional(),
  }),
  "run.finished": z.object({
    status: EndStatus,
    stop_reason: StopReason,
    message: z.string().optional(),
    cleanup_status: CleanupStatus,
    custody: Custody.optional().describe("What became of the secrets that the run was given"),
  }),
  "run.cleaned": z.object({ cleanup_status: CleanupStatus }),
} as const;

export type EventType = keyof typeof byType;
export type EventData<T extends EventType> = z.infer<(typeof byType)[T]>;
export const eventData = byType;
export const eventTypes = Object.keys(byType) as EventType[];

/** What is appended: a type and its data. The journal adds number, time and hash. */
export type NewEvent = { [T in EventType]: { type: T; data: EventData<T> } }[EventType];

const stored = {
  runId: RunId,
  seq: z.int().min(1).describe("1, 2, 3 … without a gap"),
  time: z.iso.datetime(),
  hash: z.string().describe("sha256 over the previous hash and this event"),
};

/** A durable event. */
export type RunEvent = {
  [T in EventType]: {
    runId: string;
    seq: number;
    time: string;
    hash: string;
    type: T;
    data: EventData<T>;
  };
}[EventType];

export const RunEvent = z
  .object({ ...stored, type: z.string(), data: z.record(z.string(), z.unknown()) })
  .meta({ id: "RunEvent" });

/**
 * Live events are pushed to whoever listens and never stored. They carry turn, attempt and offset; none of a turn is
 * sent after its `turn.replied`; a retry sends `model.reset`, which voids the deltas of the attempt before.
 */
export type LiveEvent =
  | { type: "model.delta"; data: { turn: number; attempt: number; offset: number; text: string } }
  | { type: "model.reset"; data: { turn: number; attempt: number; reason: string } }
  | {
      type: "call.output";
      data: { call_id: string; stream: "stdout" | "stderr"; offset: number; text: string };
    }
  /** What an installer says while the packages of the submission are installed. */
  | {
      type: "environment.output";
      data: { ecosystem: string; stream: "stdout" | "stderr"; offset: number; text: string };
    }
  /** `bytes` of the directory at `path` are in its layer by now. */
  | { type: "call.capturing"; data: { call_id: string; path: string; bytes: number } }
  /** How far a remote tool says that it is, of `total` when it knows. */
  | {
      type: "call.progress";
      data: { call_id: string; progress: number; total: number | null; message: string };
    };

export const liveEventTypes = [
  "model.delta",
  "model.reset",
  "environment.output",
  "call.output",
  "call.capturing",
  "call.progress",
] as const;

/** Narrows an event that came over the wire to one type with its data. */
export function isEvent<T extends EventType>(
  event: { type: string },
  type: T,
): event is Extract<RunEvent, { type: T }> {
  return event.type === type;
}
