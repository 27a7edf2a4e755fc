import { type AgentLibrary, discover } from "../agents/agents.ts";
import { handoffOf } from "../contract/handoff.ts";
import { isEnd } from "../contract/run.ts";
import type { Store, TaskRow } from "../store/store.ts";
import type { RunTasks, TaskArtifact, TaskFacts } from "../tools/tools.ts";
import { type ConsultDeps, consult } from "./consult.ts";
import { spawn } from "./spawn.ts";
import type { RunState } from "./state.ts";
import type { Restore } from "./transcript.ts";

export interface WorkflowDeps extends ConsultDeps {
  agents: AgentLibrary;
  store: Pick<Store, "journal" | "runs">;
  /** Asks a run to end. */
  cancel: (workspaceId: string, runId: string, by: string) => Promise<unknown>;
}

/** What one call of a run may know of its tree and do in it: all of it from rows, none of it from memory (I3). */
export function workflowTasks(
  deps: WorkflowDeps,
  state: RunState,
  callId: string,
  restore: Restore,
): RunTasks {
  const { workspaceId, rootRunId, runId } = state;
  const { runs, journal } = deps.store;
  return {
    make: (ask) => spawn(deps, state, callId, ask),
    consult: (question) => consult(deps, state, callId, question),
    all: async () => (await runs.treeTasks(workspaceId, rootRunId)).map(factsOf),
    async artifacts() {
      const byRun = new Map<string, TaskArtifact[]>();
      for (const row of await runs.built(workspaceId, rootRunId)) {
        const { artifactId: artifact_id, artifactRef: artifact_ref, name, builtAt } = row;
        const one = { artifact_id, artifact_ref, name, built_at: builtAt };
        byRun.set(row.runId, [...(byRun.get(row.runId) ?? []), one]);
      }
      return byRun;
    },
    async reply(taskId) {
      const last = await journal.latest(taskId, "turn.replied");
      const row = (await runs.treeTasks(workspaceId, rootRunId)).find(
        (one) => one.runId === taskId,
      );
      if (row === undefined || last?.type !== "turn.replied") return row?.reply ?? null;
      const texts = last.data.parts.filter(({ type }) => type === "text").map(({ text }) => text);
      const whole = ((await restore(texts)) as string[]).join("");
      // The last turn may say nothing, and then an earlier one had the last word.
      return whole === "" ? row.reply : whole;
    },
    async cancel(taskId) {
      await deps.cancel(workspaceId, taskId, runId);
    },
    async agent(id) {
      const found = await deps.agents.find(workspaceId, id);
      if (found === undefined) return undefined;
      const { name = id, description = "" } = found.manifest.agent;
      return { id, name, description };
    },
    discover: async (sought) =>
      discover(await deps.agents.list(workspaceId), sought).map((one) => ({ ...one })),
  };
}

function factsOf(row: TaskRow): TaskFacts {
  return {
    task_id: row.runId,
    parent: row.parentRunId,
    agent_id: row.agent ?? "",
    status: row.status,
    stop_reason: row.stopReason,
    message: row.message,
    reply: isEnd(row.status) ? row.reply : null,
    handoff: isEnd(row.status) ? handoffOf(row.reply) : null,
    group: row.group,
    policy: row.policy,
    approval_request_id: row.approvalId,
    interaction_id: row.interactionId,
    created_at: row.createdAt,
    finished_at: row.finishedAt,
    usage: {
      model: row.model,
      input_tokens: row.inputTokens,
      output_tokens: row.outputTokens,
      cost_usd: row.costNanoUsd === null ? null : row.costNanoUsd / 1e9,
    },
  };
}
