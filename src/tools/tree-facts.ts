import type { Approval } from "../contract/approval.ts";
import type { Interaction } from "../contract/interaction.ts";

/** What a call may find out about its run tree: nothing of another tree or workspace is there (I14). */
export interface TreeFacts {
  interaction(id: string): Promise<Interaction | undefined>;
  /** How often the tree has asked people within the last hour. */
  askedLately(): Promise<number>;
  approval(id: string): Promise<Approval | undefined>;
  /** Calls of the tree that have an end, newest first. */
  executions(search: ExecutionSearch): Promise<Execution[]>;
  /** Sends a message to the open runs that a name stands for: of an agent, of a run, or `parent`. Once for each call. */
  send(to: string, text: string): Promise<Sent>;
}

/** What became of a message. */
export type Sent =
  | { type: "delivered"; to: { session_id: string; agent_id: string | null }[] }
  /** There is nobody of this name in the tree; `known` are those who could be meant. */
  | { type: "unknown"; known: string[] }
  | { type: "ended" }
  | { type: "forbidden"; rule: string }
  | { type: "full"; session_id: string };

/** Which calls are wanted; what is left out is any. */
export interface ExecutionSearch {
  tool: string | undefined;
  success: boolean | undefined;
  errorType: string | undefined;
  /** A part of the command. */
  command: string | undefined;
  agent: string | undefined;
  ofRun: string | undefined;
  limit: number;
}

export interface Execution {
  runId: string;
  callId: string;
  agent: string | null;
  tool: string;
  success: boolean;
  outcome: string;
  errorType: string | null;
  exitCode: number | null;
  command: string | null;
  finishedAt: string;
  durationMs: number;
  /** Of the run's own calls: what was asked for, and what came of it. */
  own: { arguments: unknown; result: unknown } | null;
  /** What went wrong. */
  message: string | null;
}
