/**
 * A restart takes up every run at once: however many have not ended, each gets its next durable event, none gets it twice.
 *
 * Method: runs are brought to a turn boundary, where the model thinks for long, and the gateway is killed. The next one
 * has a model that answers at once; how long each run waits for its next event is measured from the ready line.
 */
import { rmSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { expect, it, onTestFinished } from "vitest";
import { clientOf, defectsOf, historyOf } from "./support/airlock-api.ts";
import { within } from "./support/processes.ts";
import { times } from "./support/soak.ts";
import { newDataDir, startGateway } from "./support/start-gateway.ts";

const count = times(1000, 50);
const write = { tool: "content_write", arguments: { name: "a", content: "one" } };
const thinks = { turns: [{ calls: [write] }, { text: "two", delayMs: 3_600_000 }] };
const answers = { turns: [{ calls: [write] }, { text: "two" }] };
const env = {
  AIRLOCK_MAX_RUNS: String(count),
  AIRLOCK_MAX_RUNS_PER_WORKSPACE: String(count),
  AIRLOCK_LOG_LEVEL: "warn",
};

/** What the database of a gateway says now, read as a second process may. */
function ask(dataDir: string, sql: string): Record<string, unknown>[] {
  const db = new DatabaseSync(join(dataDir, "airlock.db"), { readOnly: true, timeout: 5_000 });
  try {
    return db.prepare(sql).all();
  } finally {
    db.close();
  }
}

it(`takes up ${count} unfinished runs, each once`, async () => {
  const dataDir = newDataDir();
  onTestFinished(() => rmSync(dataDir, { recursive: true, force: true }));
  const doomed = await startGateway({ dataDir, script: thinks, env });
  const ids: string[] = [];
  for (let batch = 0; batch < count; batch += 50) {
    const runs = Array.from({ length: 50 }, () =>
      clientOf(doomed).submitRun({ model: "scripted/x", prompt: "go" }),
    );
    ids.push(...(await Promise.all(runs)).map(({ id }) => id));
  }
  const atBoundary = "SELECT count(*) AS n FROM events WHERE type = 'call.finished'";
  expect(await within(120_000, () => ask(dataDir, atBoundary)[0]?.n === count)).toBe(true);
  await doomed.kill9();

  const before = Date.now();
  const next = await startGateway({ dataDir, script: answers, env });
  const ready = Date.now();
  try {
    const ended = "SELECT count(*) AS n FROM runs WHERE status = 'succeeded'";
    const done = await within(120_000, () => ask(dataDir, ended)[0]?.n === count);
    expect(done).toBe(true);
    const rows = ask(
      dataDir,
      `SELECT type, count(*) AS n, count(DISTINCT run_id) AS runs, max(time) AS last
       FROM events GROUP BY type ORDER BY last`,
    );
    for (const type of ["run.resumed", "turn.replied", "call.started", "run.finished"]) {
      const { n, runs } = rows.find((row) => row.type === type) ?? {};
      const each = type === "turn.replied" ? 2 : 1;
      expect([type, n, runs]).toEqual([type, each * count, count]);
    }
    const last = (type: string) =>
      Date.parse(String(rows.find((row) => row.type === type)?.last)) - ready;
    process.stdout.write(
      `${count} unfinished runs: ready after ${ready - before} ms; from then, all resumed in ` +
        `${last("run.resumed")} ms, all had their next turn in ${last("turn.replied")} ms, ` +
        `all ended in ${last("run.finished")} ms\n`,
    );
    for (const id of ids.slice(0, 20)) {
      expect(defectsOf(id, await historyOf(next, id))).toEqual([]);
    }
    expect(await clientOf(next).verify()).toMatchObject({ ok: true, runs: count, defects: [] });
    // The 5 seconds that are promised are a row of the benchmark; a busy machine may take longer.
    expect(last("turn.replied")).toBeLessThan(60_000);
  } finally {
    await next.stop();
  }
}, 400_000);
