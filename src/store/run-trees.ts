import type { JoinPolicy, TaskStatus } from "../contract/workflow.ts";

/** A run whose call was answered, or that has what it waited for: it can go on. */
export interface Resumed {
  runId: string;
  workspaceId: string;
  rootRunId: string;
}

/** A run as the task of the one that started it. Of a root, what says so is null. */
export interface TaskRow {
  runId: string;
  parentRunId: string | null;
  callId: string | null;
  agent: string | null;
  status: TaskStatus;
  stopReason: string | null;
  /** Why it ended, when that needs a sentence. */
  message: string | null;
  /** What it said last; of a long text, its beginning. */
  reply: string | null;
  group: string | null;
  policy: JoinPolicy | null;
  /** What it asks a person, when it waits for that. */
  approvalId: string | null;
  interactionId: string | null;
  createdAt: string;
  finishedAt: string | null;
  model: string;
  inputTokens: number;
  outputTokens: number;
  costNanoUsd: number | null;
}

/** An artifact that a run built, or found built already. */
export interface BuiltRow {
  runId: string;
  artifactId: string;
  artifactRef: string;
  name: string | null;
  builtAt: string;
}

/** Runs that wait for their tasks or for a person. */
export interface Waits {
  /** Lets the run go on if what it waits for is there; undefined: it is not, or it does not wait. */
  settle(runId: string): Promise<Resumed | undefined>;
  /** Every run that waits. */
  all(): Promise<string[]>;
  /** The runs of a tree that wait for this one: whoever started it, and who else was told of it. */
  on(rootRunId: string, runId: string): Promise<string[]>;
  /** Runs whose time to wait is over, at most 100. */
  due(): Promise<string[]>;
  /** When the next of them is, as wall-clock milliseconds. */
  nextUntil(): Promise<number | undefined>;
}
