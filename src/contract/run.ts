import { z } from "zod";
import { AgentId } from "./agent.ts";
import { Handoff } from "./handoff.ts";
import { ApprovalId, InteractionId, RunId, WorkspaceId } from "./ids.ts";
import { RunSnapshot } from "./submission.ts";

/** Where a run is. The last four are ends: they never change again. */
export const runStatuses = [
  "pending",
  "queued",
  "provisioning",
  "running",
  "waiting",
  "cleaning_up",
  "succeeded",
  "failed",
  "cancelled",
  "terminated",
] as const;
export const RunStatus = z.enum(runStatuses).meta({ id: "RunStatus" });
export type RunStatus = z.infer<typeof RunStatus>;

export const endStatuses = ["succeeded", "failed", "cancelled", "terminated"] as const;
export const EndStatus = z.enum(endStatuses).meta({ id: "EndStatus" });
export type EndStatus = z.infer<typeof EndStatus>;

export function isEnd(status: string): status is EndStatus {
  return (endStatuses as readonly string[]).includes(status);
}

/**
 * Why a run ended. succeeded: `end_turn`. cancelled: `cancelled`. terminated, by a limit of the run: `deadline`,
 * `turn_limit`, `call_limit`, `token_limit`, `disk_limit`, by a person: `emergency_stop`, or because its canary appeared:
 * `secret_exfiltration`, or because its tree used up its `budget`. cancelled as well: `parent_ended`, because the run that
 * started it has ended. failed: the rest.
 */
export const stopReasons = [
  "end_turn",
  "cancelled",
  "deadline",
  "turn_limit",
  "call_limit",
  "token_limit",
  "disk_limit",
  "emergency_stop",
  "secret_exfiltration",
  "budget",
  "parent_ended",
  "model_error",
  "model_refused",
  "model_credential_missing",
  "reply_truncated",
  "context_full",
  "loop_guard",
  "program_failed",
  "environment_failed",
  "sandbox_unavailable",
  "storage_full",
  "internal",
] as const;
export const StopReason = z.enum(stopReasons).meta({ id: "StopReason" });
export type StopReason = z.infer<typeof StopReason>;

/** What became of the run's directories and credentials; never changes how the run itself ended. */
export const CleanupStatus = z
  .enum([
    "not_started",
    "pending",
    "running",
    "succeeded",
    "failed_retryable",
    "failed_terminal",
    "skipped",
  ])
  .meta({ id: "CleanupStatus" });
export type CleanupStatus = z.infer<typeof CleanupStatus>;

export const Usage = z
  .object({
    inputTokens: z.int(),
    outputTokens: z.int(),
    cacheReadTokens: z.int(),
    cacheWriteTokens: z.int(),
    totalTokens: z.int(),
  })
  .meta({ id: "Usage" });
export type Usage = z.infer<typeof Usage>;

/**
 * What the host really gave, probed inside a sandbox: `A` all of it; `B` isolated, but limits are kept by a watchdog in
 * place of cgroups. There is no lower grade: a host that gives less runs nothing (I7).
 */
export const Isolation = z
  .object({
    grade: z.enum(["A", "B"]),
    limits: z.enum(["cgroup2", "cgroup1", "watchdog"]),
    ownUid: z
      .boolean()
      .describe("Each run has a host uid of its own (only a root gateway can give one)"),
    sandbox: z.string().describe("The sandbox program and its version"),
  })
  .meta({ id: "Isolation" });
export type Isolation = z.infer<typeof Isolation>;

/** One run. `stop_reason` and `cleanup_status` are spelt as the journal spells them. */
export const Run = z
  .object({
    id: RunId,
    workspaceId: WorkspaceId,
    status: RunStatus,
    stop_reason: StopReason.nullable(),
    cleanup_status: CleanupStatus,
    message: z.string().nullable().describe("Why it ended, in a sentence, when that needs one"),
    queue: z.object({ position: z.int() }).nullable().describe("The place in the queue, from 1"),
    waiting: z
      .discriminatedUnion("on", [
        z.object({ on: z.literal("approval"), approvalId: ApprovalId }),
        z.object({ on: z.literal("input"), interactionId: InteractionId }),
        z.object({ on: z.literal("children"), runIds: z.array(RunId) }),
      ])
      .nullable()
      .describe("What a run that is `waiting` waits for"),
    rootRunId: RunId.describe("The first run of its tree"),
    parentRunId: RunId.nullable().describe("The run that started it"),
    agent: AgentId.nullable().describe("null: the built-in agent, or an inline one without an id"),
    model: z.string(),
    handoff: Handoff.nullable().describe("What the agent asks for in place of an end of its work"),
    reply: z.string().nullable().describe("The text of the last turn, once the run has ended"),
    metadata: z.record(z.string(), z.json()),
    submission: RunSnapshot,
    isolation: Isolation.nullable(),
    usage: Usage,
    costUsd: z
      .number()
      .nullable()
      .describe("What the turns cost in USD; null when the price of one of them is not known"),
    turns: z.int(),
    calls: z.int(),
    lastSeq: z.int().describe("The number of the newest event"),
    head: z.string().describe("The hash of the newest event: the head of the journal's chain"),
    createdAt: z.iso.datetime(),
    startedAt: z.iso.datetime().nullable(),
    finishedAt: z.iso.datetime().nullable(),
    updatedAt: z.iso.datetime(),
  })
  .meta({ id: "Run" });
export type Run = z.infer<typeof Run>;
