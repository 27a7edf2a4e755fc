import type { z } from "zod";
import type { Handoff } from "../contract/handoff.ts";
import type { JoinPolicy, SpawnedTask, TaskStatus } from "../contract/workflow.ts";
import type { ToolOutcome } from "./tool.ts";

/** What somebody looks for in an agent. */
export interface Sought {
  intent: string;
  required_capabilities?: readonly string[];
  exclude_ids?: readonly string[];
}

/** An agent that may be of use, and why. */
export interface Discovered extends Record<string, unknown> {
  agent_id: string;
  score: number;
}

/** What a call asks another agent to do. */
export interface TaskAsk {
  agent: string;
  /** For people and models; null: the input says it all. */
  message: string | null;
  input?: z.core.util.JSONType;
  metadata: Record<string, z.core.util.JSONType>;
  async: boolean;
  group: string;
  policy: JoinPolicy;
}

export type TaskMade =
  | { ok: true; task: SpawnedTask }
  | { ok: false; result: ToolOutcome["result"] };

/** An artifact that a task built, or found built already. */
export interface TaskArtifact {
  artifact_id: string;
  artifact_ref: string;
  name: string | null;
  built_at: string;
}

/** One run of the tree, as durable rows tell of it. */
export interface TaskFacts {
  task_id: string;
  /** null: the first run of the tree. */
  parent: string | null;
  /** Empty: the built-in agent, or an inline one without an id. */
  agent_id: string;
  status: TaskStatus;
  stop_reason: string | null;
  /** Why it ended, when that needs a sentence. */
  message: string | null;
  /** What it said last; of a long text, its beginning. */
  reply: string | null;
  handoff: Handoff | null;
  /** null: the first run of the tree. */
  group: string | null;
  policy: JoinPolicy | null;
  approval_request_id: string | null;
  interaction_id: string | null;
  created_at: string;
  finished_at: string | null;
  usage: { model: string; input_tokens: number; output_tokens: number; cost_usd: number | null };
}

/** What a run may know of its tree and do in it. Whatever is not of the tree is not there (I14). */
export interface RunTasks {
  /** Makes the task of this call, or gives the one that it made before: a call makes one, however often it is repeated. */
  make(ask: TaskAsk): Promise<TaskMade>;
  /** Asks the operator's escalation model, once: a task without tools or power. As `make`. */
  consult(question: string): Promise<TaskMade>;
  /** Every run of the tree, its root first. */
  all(): Promise<TaskFacts[]>;
  /** What the runs of the tree built, by run, oldest first. */
  artifacts(): Promise<Map<string, TaskArtifact[]>>;
  /** The whole of what a task said last. */
  reply(taskId: string): Promise<string | null>;
  /** Asks a task to end; durable. */
  cancel(taskId: string): Promise<void>;
  /** An agent by its id. */
  agent(id: string): Promise<{ id: string; name: string; description: string } | undefined>;
  /** The agents that fit, best first. */
  discover(sought: Sought): Promise<Discovered[]>;
}
