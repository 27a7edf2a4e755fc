import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { systemClock } from "../src/base/clock.ts";
import { openLog } from "../src/base/log.ts";
import type { NewEvent } from "../src/contract/event.ts";
import { newId } from "../src/contract/ids.ts";
import { openStore, type Store } from "../src/store/store.ts";

/** One run as its worker sees it: what is appended goes behind what was appended before. */
export interface OpenRun {
  runId: string;
  append(events: NewEvent[]): Promise<void>;
}

export function openBenchStore(dir: string): Promise<Store> {
  const onBroken = (error: unknown) => {
    throw error;
  };
  return openStore({ dir, clock: systemClock, log: openLog("error"), onBroken });
}

/** Submits a run and claims it. */
export async function newRun(
  store: Store,
  workspaceId: string,
  prompt = "Measure",
): Promise<OpenRun> {
  const runId = newId("run");
  await store.journal.submit({
    ...{ runId, workspaceId, idempotencyKey: null, secrets: [], submittedBy: newId("token") },
    bodyHash: `sha256:${"0".repeat(64)}`,
    snapshot: { model: "scripted/bench", prompt: [prompt] },
  });
  await store.journal.claim(runId, store.epoch);
  let seq = 1;
  return {
    runId,
    async append(events) {
      const fence = { epoch: store.epoch, seq };
      const appended = await store.journal.append(runId, fence, events);
      if (appended.type !== "appended") throw new Error(`Cannot append: ${appended.type}`);
      seq += events.length;
    },
  };
}

/** A small event like the ones that a run's every call leaves. */
export const callStarted: NewEvent = {
  type: "call.started",
  data: { call_id: "call_1", tool: "sandbox_exec", turn: 1 },
};

export const callFinished: NewEvent = {
  type: "call.finished",
  data: {
    ...{ call_id: "call_1", tool: "sandbox_exec", outcome: "returned", duration_ms: 3 },
    result: { ok: true, exit_code: 0, stdout: "", stderr: "" },
  },
};

/** The floor of the journal: the same bytes as one row, committed and synced, in the same database file. */
export function openRawInserts(dir: string): { insert(): void; close(): void } {
  const db = new DatabaseSync(join(dir, "airlock.db"), { timeout: 5_000 });
  db.exec("PRAGMA synchronous = FULL");
  db.exec(
    "CREATE TABLE IF NOT EXISTS bench_rows (run_id text not null, seq integer not null, " +
      "workspace_id text, type text, time text, hash text, data text, primary key (run_id, seq))",
  );
  const statement = db.prepare("INSERT INTO bench_rows VALUES (?, ?, ?, ?, ?, ?, ?)");
  const [run, workspace] = [newId("run"), newId("workspace")];
  const data = JSON.stringify(callStarted.data);
  let seq = 0;
  return {
    insert() {
      seq += 1;
      const time = new Date().toISOString();
      statement.run(run, seq, workspace, callStarted.type, time, "0".repeat(64), data);
    },
    close: () => db.close(),
  };
}
