import { existsSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { setTimeout as sleep } from "node:timers/promises";
import type { NewEvent } from "../../src/contract/event.ts";
import { newId } from "../../src/contract/ids.ts";
import type { Bench, Group } from "../group.ts";
import { callFinished, callStarted, newRun, openBenchStore } from "../journals.ts";
import { quantile } from "../measure.ts";
import { atMost, type Row } from "../row.ts";
import { serve } from "../serve.ts";

const unfinished = 1_000;
const giveUpMs = 60_000;

/** A gateway that died with a thousand runs between two turns comes back: when has the last of them moved on? */
export const restartRows: Group = {
  name: "restart",
  async run(bench: Bench): Promise<Row[]> {
    const count = bench.quick ? 20 : unfinished;
    const dataDir = bench.newDirectory("restart");
    const lastSeq = await leaveUnfinished(dataDir, count);
    let start = Number.NaN;
    const scripts = { bench: { turns: [{}, { text: "Done" }] } };
    const gateway = await serve({ dataDir, scripts }, () => {
      start = Date.now();
    });
    try {
      const times = await nextEvents(join(dataDir, "airlock.db"), lastSeq, count);
      const took = times.map((time) => (time - start) / 1000);
      return [restartRow(took, count)];
    } finally {
      await gateway.stop();
    }
  },
};

/** Journals as a gateway leaves them that is killed between the end of a call and the next turn. */
async function leaveUnfinished(dataDir: string, count: number): Promise<number> {
  const events: NewEvent[] = [
    { type: "run.started", data: { epoch: 1 } },
    {
      type: "run.provisioned",
      data: {
        isolation: { grade: "B", limits: "watchdog", ownUid: false, sandbox: "bubblewrap 0.8.0" },
      },
    },
    {
      type: "turn.replied",
      data: {
        ...{ turn: 0, attempt: 1, model: "scripted/bench", parts: [], finish_reason: "calls" },
        calls: [
          {
            ...{ call_id: "call_1", tool_call_id: "call_0_0", tool: "sandbox_exec" },
            arguments: { command: "true" },
          },
        ],
        usage: { input_tokens: 9, output_tokens: 5, cache_read_tokens: 0, cache_write_tokens: 0 },
        duration_ms: 12,
      },
    },
    {
      type: "call.decided",
      data: {
        ...{ call_id: "call_1", tool: "sandbox_exec", decision: "allow" },
        rule: "CodeExecution *",
      },
    },
    callStarted,
    callFinished,
  ];
  const store = await openBenchStore(dataDir);
  try {
    const workspace = newId("workspace");
    const runs = Array.from({ length: count }, () => newRun(store, workspace));
    await Promise.all(runs.map(async (run) => (await run).append(events)));
  } finally {
    await store.close();
  }
  return 1 + events.length;
}

/** When each run's first event after `lastSeq` was written, in ms since the epoch. */
async function nextEvents(path: string, lastSeq: number, count: number): Promise<number[]> {
  if (!existsSync(path)) throw new Error(`There is no ${path}`);
  const db = new DatabaseSync(path, { readOnly: true, timeout: 5_000 });
  try {
    const next = db.prepare("SELECT time FROM events WHERE seq = ?");
    for (const end = performance.now() + giveUpMs; performance.now() < end; ) {
      const rows = next.all(lastSeq + 1);
      if (rows.length >= count) return rows.map(({ time }) => Date.parse(String(time)));
      await sleep(100);
    }
    throw new Error(`Not every run has moved on ${giveUpMs / 1000} s after the start`);
  } finally {
    db.close();
  }
}

function restartRow(took: readonly number[], count: number): Row {
  const at = (share: number) => quantile(took, share).toFixed(2);
  return {
    ...{ name: "restart.next-event", unit: "s", target: atMost(5) },
    what: `Restart with ${count} unfinished runs: the last of them has its next durable event`,
    value: Math.max(...took),
    detail: `from the start of the process; half of them after ${at(0.5)} s, nine of ten after ${at(0.9)} s`,
  };
}
