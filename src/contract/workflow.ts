import { z } from "zod";
import { InteractionId, RunId } from "./ids.ts";

/** When a group of tasks counts as joined. `manual`: never by itself; nobody waits for it. */
export const joinPolicies = ["all", "any", "first_success", "manual"] as const;
export const JoinPolicy = z.enum(joinPolicies).meta({ id: "JoinPolicy" });
export type JoinPolicy = z.infer<typeof JoinPolicy>;

export const JoinGroup = z.object({
  group: z.string(),
  policy: JoinPolicy,
  tasks: z.array(RunId),
});
export type JoinGroup = z.infer<typeof JoinGroup>;

/** Where a task stands, in the words that agents are told. */
export const taskStatuses = [
  "queued",
  "running",
  "awaiting_approval",
  "awaiting_input",
  "waiting_children",
  "succeeded",
  "failed",
  "cancelled",
  "terminated",
] as const;
export const TaskStatus = z.enum(taskStatuses).meta({ id: "TaskStatus" });
export type TaskStatus = z.infer<typeof TaskStatus>;

/** A task that a call made, as its journal keeps it beside the call. A task is a run, and its id that run's. */
export const SpawnedTask = z.object({
  task_id: RunId,
  agent_id: z.string(),
  group: z.string(),
  policy: JoinPolicy,
  async: z.boolean(),
});
export type SpawnedTask = z.infer<typeof SpawnedTask>;

/** What a run waits for. `call_id` null: the run has nothing more to say until its groups are joined. */
export const WaitStarted = z.object({
  call_id: z.string().nullable(),
  on: z.enum(["children", "input"]),
  tasks: z.array(RunId).describe("Until each has ended or asks a person"),
  groups: z.array(JoinGroup).describe("Until one of them is joined"),
  interaction_id: InteractionId.nullable(),
  until: z.iso.datetime().nullable(),
});
export type WaitStarted = z.infer<typeof WaitStarted>;

export const WaitResolved = z.object({
  call_id: z.string().nullable(),
  reason: z.enum(["children", "answered", "timeout"]),
  joined: z
    .array(
      JoinGroup.extend({
        ended: z.array(z.object({ task_id: RunId, agent_id: z.string(), status: TaskStatus })),
      }),
    )
    .describe("The groups that are joined now"),
});
export type WaitResolved = z.infer<typeof WaitResolved>;
