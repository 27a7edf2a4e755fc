import type { Kysely } from "kysely";
import type { RunEvent } from "../contract/event.ts";
import { isEnd, type RunStatus } from "../contract/run.ts";
import type { WaitResolved, WaitStarted } from "../contract/workflow.ts";
import type { AppendTo } from "./append.ts";
import type { WaitsTable } from "./interactions-schema.ts";
import { appendTo, type Parts } from "./journal.ts";
import type { RunsTable, Schema } from "./schema.ts";
import type { Statements } from "./statements.ts";
import type { Resumed, Waits } from "./store.ts";
import { taskStatusOf } from "./task-status.ts";
import { waitAfter } from "./tree-rows.ts";
import type { Tx } from "./writer.ts";

/** The row that an event makes or ends: a run waits for one thing at a time. In the transaction of the append. */
export async function writeWait(tx: Tx, run: AppendTo, event: RunEvent): Promise<void> {
  const wait = waitAfter(run, event);
  if (wait === null) await tx.deleteFrom("waits").where("run_id", "=", run.runId).execute();
  if (wait) await tx.insertInto("waits").values(wait).execute();
}

/**
 * What runs wait for beside approvals. `settle` looks whether it is there, and appends `wait.resolved` in the same
 * transaction: whoever looks first lets the run go on, and nobody does twice.
 */
export function openWaits(parts: Parts, announce: (events: RunEvent[]) => void): Waits {
  const { writer, reads, statements, clock } = parts;
  const now = () => new Date(clock.now()).toISOString();
  const settle = async (runId: string): Promise<Resumed | undefined> => {
    const events = await writer.write((tx) => settleOne(tx, statements, runId, now()), announce);
    const [event] = events;
    if (event === undefined) return undefined;
    const row = await statements.runRow.first(reads, { runId });
    return row && { runId, workspaceId: row.workspace_id, rootRunId: row.root_run_id };
  };
  return {
    settle,
    async all() {
      const rows = await reads.selectFrom("waits").select("run_id").orderBy("run_id").execute();
      return rows.map(({ run_id }) => run_id);
    },
    async on(rootRunId, runId) {
      const rows = await reads
        .selectFrom("waits")
        .innerJoin("runs", "runs.id", "waits.run_id")
        .select("waits.run_id")
        .where("runs.root_run_id", "=", rootRunId)
        .where("waits.on_what", "=", "children")
        // Where the id stands for anything else, somebody looks in vain, and no more.
        .where("waits.wait", "like", `%"${runId}"%`)
        .orderBy("waits.run_id")
        .execute();
      return rows.map(({ run_id }) => run_id);
    },
    async due() {
      const rows = await reads
        .selectFrom("waits")
        .select("run_id")
        .where("until", "<=", now())
        .limit(100)
        .execute();
      return rows.map(({ run_id }) => run_id);
    },
    async nextUntil() {
      const row = await reads
        .selectFrom("waits")
        .select((eb) => eb.fn.min("until").as("until"))
        .executeTakeFirst();
      return row?.until ? Date.parse(row.until) : undefined;
    },
  };
}

async function settleOne(
  tx: Tx,
  statements: Statements,
  runId: string,
  time: string,
): Promise<RunEvent[]> {
  const wait = await tx
    .selectFrom("waits")
    .selectAll()
    .where("run_id", "=", runId)
    .executeTakeFirst();
  const row = await statements.runRow.first(tx, { runId });
  if (wait === undefined || row === undefined) return [];
  const resolved = await resolution(tx, wait, time);
  if (resolved === undefined) return [];
  return appendTo(tx, statements, row, [{ type: "wait.resolved", data: resolved }], time);
}

type Task = Pick<RunsTable, "id" | "agent" | "status"> & { on_what: string | null };

/** What ends this wait now; undefined: nothing yet. */
async function resolution(
  tx: Kysely<Schema>,
  row: WaitsTable,
  time: string,
): Promise<WaitResolved | undefined> {
  const wait = JSON.parse(row.wait) as WaitStarted;
  const { call_id } = wait;
  const isLate = wait.until !== null && wait.until <= time;
  const late: WaitResolved | undefined = isLate
    ? { call_id, reason: "timeout", joined: [] }
    : undefined;
  if (wait.on === "input") {
    const answered = await isAnswered(tx, wait.interaction_id);
    return answered ? { call_id, reason: "answered", joined: [] } : late;
  }
  const ids = [...new Set([...wait.tasks, ...wait.groups.flatMap(({ tasks }) => tasks)])];
  const tasks = await tasksById(tx, row.workspace_id, ids);
  const joined = wait.groups
    .filter((group) => isJoined(group, tasks))
    .map((group) => ({ ...group, ended: group.tasks.flatMap((id) => endOf(tasks.get(id))) }));
  const isSettled = wait.tasks.length > 0 && wait.tasks.every((id) => hasSettled(tasks.get(id)));
  if (joined.length > 0 || isSettled) return { call_id, reason: "children", joined };
  return late;
}

async function isAnswered(tx: Kysely<Schema>, id: string | null): Promise<boolean> {
  if (id === null) return true;
  const row = await tx
    .selectFrom("interactions")
    .select("status")
    .where("id", "=", id)
    .executeTakeFirst();
  return row === undefined || row.status !== "pending";
}

async function tasksById(
  tx: Kysely<Schema>,
  workspaceId: string,
  ids: readonly string[],
): Promise<Map<string, Task>> {
  const found = new Map<string, Task>();
  for (let at = 0; at < ids.length; at += 200) {
    const rows = await tx
      .selectFrom("runs")
      .leftJoin("waits", "waits.run_id", "runs.id")
      .select(["runs.id", "runs.agent", "runs.status", "waits.on_what"])
      .where("runs.id", "in", ids.slice(at, at + 200))
      .where("runs.workspace_id", "=", workspaceId)
      .execute();
    for (const row of rows) found.set(row.id, row);
  }
  return found;
}

/** A run that is gone has ended. */
function hasEnded(task: Task | undefined): boolean {
  return task === undefined || isEnd(task.status);
}

/** It has ended, or nothing happens before a person answers. */
function hasSettled(task: Task | undefined): boolean {
  if (task === undefined || hasEnded(task)) return true;
  const status = taskStatusOf(task.status as RunStatus, task.on_what);
  return status === "awaiting_approval" || status === "awaiting_input";
}

function isJoined(
  { policy, tasks }: WaitStarted["groups"][number],
  found: Map<string, Task>,
): boolean {
  const all = tasks.every((id) => hasEnded(found.get(id)));
  switch (policy) {
    case "all":
      return all;
    case "any":
      return tasks.some((id) => hasEnded(found.get(id)));
    case "first_success":
      return all || tasks.some((id) => found.get(id)?.status === "succeeded");
    case "manual":
      return false;
  }
}

function endOf(task: Task | undefined): WaitResolved["joined"][number]["ended"] {
  if (task === undefined || !isEnd(task.status)) return [];
  const status = taskStatusOf(task.status as RunStatus, null);
  return [{ task_id: task.id, agent_id: task.agent ?? "", status }];
}
