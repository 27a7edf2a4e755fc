import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { expect, it } from "vitest";
import { claimedRun, openSampleStore } from "../../test/support/sample-store.ts";
import { isSoak } from "../../test/support/soak.ts";
import { tempDir } from "../../test/support/temp-dir.ts";
import { newId } from "../contract/ids.ts";
import type { NewRun } from "./store.ts";

const program = join(import.meta.dirname, "../../test/support/budget-process.ts");
const tokens = isSoak ? 60_000 : 20_000;
const deaths = isSoak ? 12 : 4;

interface Said {
  billed: number;
  held: number;
  settled: number;
}

/** Spends in another process until nothing is left or, `after` so many lines, it is killed with a turn reserved. */
async function spend(dir: string, root: NewRun, said: Said, after: number): Promise<void> {
  const child = spawn(process.execPath, [program, dir, root.runId, root.workspaceId], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const exited = once(child, "exit");
  let seen = 0;
  for await (const text of createInterface(child.stdout)) {
    const line = JSON.parse(text);
    if (line.error) throw new Error(line.error);
    if (line.held) said.held++;
    if (line.settled) said.settled++;
    said.billed += line.billed ?? 0;
    if (++seen >= after && said.held > said.settled) child.kill("SIGKILL");
  }
  await exited;
}

it("kill -9 between reserve and settle never lets a tree spend more than its budget, and counts what may be spent", async () => {
  const dir = await tempDir("budgets-crash");
  const first = await openSampleStore(dir);
  const snapshot = { model: "a/b", prompt: ["go"], budget: { tokens } };
  const root = await claimedRun(first, { snapshot });
  for (let at = 0; at < 9; at++) {
    const of = { run_id: root.runId, root_run_id: root.runId, depth: 1, group: "g" };
    const parent = { ...of, call_id: newId("call"), policy: "all", async: true } as const;
    await claimedRun(first, { workspaceId: root.workspaceId, parent });
  }
  await first.close();
  const said: Said = { billed: 0, held: 0, settled: 0 };
  let lost = 0;
  for (let death = 0; death <= deaths; death++) {
    await spend(dir, root, said, death === deaths ? Number.POSITIVE_INFINITY : 15 + death * 7);
    const store = await openSampleStore(dir);
    const shown = await store.budgets.shown(root.workspaceId, root.runId);
    // Whatever was reserved at the death counts by now, and nothing is reserved any more.
    expect(shown?.tokens.reserved).toBe(0);
    expect(shown?.tokens.used).toBeGreaterThanOrEqual(said.billed);
    expect(shown?.tokens.used).toBeLessThanOrEqual(tokens);
    const runs = [root.runId];
    for (const task of await store.runs.tasks(root.workspaceId, root.runId)) runs.push(task.runId);
    lost = 0;
    for (const runId of runs) {
      const events = await store.journal.read(runId, 0, 10_000);
      lost += events.filter(({ type }) => type === "turn.lost").length;
    }
    expect(await store.verify()).toMatchObject({ ok: true, defects: [] });
    await store.close();
  }
  expect(lost).toBeGreaterThanOrEqual(deaths);
}, 240_000);
