import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { expect, it } from "vitest";
import { claimedRun, openSampleStore } from "../../test/support/sample-store.ts";
import { isSoak } from "../../test/support/soak.ts";
import { tempDir } from "../../test/support/temp-dir.ts";
import type { NewRun } from "./store.ts";

const program = join(import.meta.dirname, "../../test/support/store-process.ts");
/** Each of its calls is three commits to a disk that others may keep busy. */
const budget = isSoak ? 400 : 150;
const deaths = isSoak ? 8 : 3;

interface Said {
  reserved: Set<string>;
  dialled: Set<string>;
  settled: Set<string>;
}

/** Spends the budget in another process; with `dies`, until it is killed with a call in each of the two states. */
async function spend(dir: string, run: NewRun, said: Said, dies: boolean) {
  const { runId, workspaceId } = run;
  const argv = ["proxy", dir, runId, workspaceId, String(budget), dies ? "held" : "free"];
  const child = spawn(process.execPath, [program, ...argv], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const exited = once(child, "exit");
  const lines = 20 + Math.floor(Math.random() * 40);
  let seen = 0;
  let held = 0;
  let isSpent = false;
  for await (const text of createInterface(child.stdout)) {
    const line = JSON.parse(text);
    if (line.error) throw new Error(line.error);
    if (line.ok) said.reserved.add(line.reserved);
    if (line.ok === false) isSpent = true;
    if (line.dialled) said.dialled.add(line.dialled);
    if (line.settled) said.settled.add(line.settled);
    if (line.held) held++;
    if (++seen >= lines || isSpent) if (held === 2) child.kill("SIGKILL");
  }
  await exited;
}

it("kill -9 between reserve and settle never gives a call back that may have been sent, and frees those that were not", async () => {
  const dir = await tempDir("proxy-crash");
  const first = await openSampleStore(dir);
  const run = await claimedRun(first);
  await first.close();
  const said: Said = { reserved: new Set(), dialled: new Set(), settled: new Set() };
  let released = 0;
  let kept = 0;
  for (let death = 0; death < deaths; death++) {
    await spend(dir, run, said, true);
    const store = await openSampleStore(dir);
    const left = await store.proxy.unsettled(run.runId);
    released += left.filter(({ sent }) => !sent).length;
    kept += left.filter(({ sent }) => sent).length;
    for (const { id, sent } of left) {
      expect(said.settled.has(id)).toBe(false);
      if (said.dialled.has(id)) expect(sent).toBe(true);
    }
    expect((await store.proxy.used(run.runId, "api")).calls).toBeLessThanOrEqual(budget);
    expect(await store.verify()).toMatchObject({ ok: true, defects: [] });
    await store.close();
  }
  await spend(dir, run, said, false);
  const store = await openSampleStore(dir);
  const page = { after: null, most: 10_000 };
  const { rows } = await store.proxy.list(run.workspaceId, run.runId, page);
  const written = new Set(rows.map(({ id }) => id));
  expect([...said.dialled].filter((id) => !written.has(id))).toEqual([]);
  expect(said.dialled.size).toBeLessThanOrEqual(budget);
  expect(await store.proxy.used(run.runId, "api")).toEqual({ calls: budget, bytes: budget });
  expect(kept).toBeGreaterThanOrEqual(deaths);
  expect(released).toBeGreaterThanOrEqual(deaths);
}, 240_000);
