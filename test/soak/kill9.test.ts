/**
 * P1 under load: whatever moment kill -9 comes at, and however often, no acknowledged run is lost, no journal has a gap, no
 * command ran twice, and nothing of a run stays behind.
 *
 * Method: four clients submit runs with keys of their own while the gateway is killed at random moments and started again
 * on the same directory. Every command leaves its line in an output of its run: the line is the evidence of how often it
 * really ran. At the end each key is sent once more, and must find its run.
 */
import { existsSync, readdirSync, readFileSync, rmSync, statSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, expect, it } from "vitest";
import { isEvent } from "../../src/sdk/sdk.ts";
import { call, clientOf, defectsOf, historyOf } from "../support/airlock-api.ts";
import { processesWith, within } from "../support/processes.ts";
import { randomFrom, times } from "../support/soak.ts";
import { newDataDir, type StartedGateway, startGateway } from "../support/start-gateway.ts";

const cycles = Number(process.env.AIRLOCK_SOAK_CYCLES ?? times(1000, 5));
const seed = Number(process.env.AIRLOCK_SOAK_SEED ?? Date.now() % 1_000_000);
const random = randomFrom(seed);
const clients = 4;
/** Runs that have not ended are never more, so that a soak of hours is not a test of its own backlog. */
const aheadMax = 12;

const marker = `airlock-kill9-${process.pid}`;
const line = (name: string) => ({
  tool: "sandbox_exec",
  arguments: { command: `sh -c 'echo ${name} >> /workspace/out/lines.txt; : ${marker}'` },
});
/** Host users that only the runs of this test have; an ordinary user's runs are told by their command line. */
const firstUid = 1_300_000_000 + (process.pid % 10_000) * 100;
const script = {
  turns: [
    { calls: [line("a")] },
    { calls: [{ tool: "content_write", arguments: { name: "n", content: "x".repeat(70_000) } }] },
    { calls: [line("b"), line("c")] },
    { text: "done" },
  ],
};
const dataDir = newDataDir();
afterAll(() => rmSync(dataDir, { recursive: true, force: true }));

const start = () =>
  startGateway({
    ...{ script, dataDir },
    env: {
      ...{ AIRLOCK_MAX_RUNS: "4", AIRLOCK_MAX_RUNS_PER_WORKSPACE: "4", AIRLOCK_LOG_LEVEL: "warn" },
      AIRLOCK_UID_RANGE: `${firstUid}-${firstUid + 99}`,
    },
  });
const submit = (gateway: StartedGateway, key: string) =>
  call(gateway, "POST", "/api/runs", {
    ...{ model: "scripted/x", prompt: key, outputDirs: ["/workspace/out"], idempotencyKey: key },
    files: [{ path: "key.txt", content: key }],
  });

/** So many requests at once are more than one client may send; the gateway says when to come back. */
async function submitWhenAllowed(gateway: StartedGateway, key: string) {
  for (;;) {
    const answer = await submit(gateway, key);
    if (answer.status !== 429) return answer;
    await sleep(1_000 * Number(answer.headers.get("retry-after") ?? 1));
  }
}

function processesOfRuns(): number[] {
  const all = readdirSync("/proc").map(Number).filter(Number.isInteger);
  const own = process.getuid?.() === 0 ? all.filter(hasRunUid) : processesWith(marker);
  return own.filter(isAlive);
}

function hasRunUid(pid: number): boolean {
  const uid = statSync(`/proc/${pid}`, { throwIfNoEntry: false })?.uid ?? 0;
  return uid >= firstUid && uid < firstUid + 100;
}

/** A zombie is only a number that nobody has collected yet. */
function isAlive(pid: number): boolean {
  try {
    return !/^State:\s+[ZX]/m.test(readFileSync(`/proc/${pid}/status`, "utf8"));
  } catch {
    return false; // It ended between the two looks.
  }
}

/** What was acknowledged: the run of every key that was answered. */
const acknowledged = new Map<string, string>();
const tried = new Set<string>();
const checked = new Set<string>();

/** One client: submits until the gateway is gone. A key that got no answer is tried again by the next gateway. */
async function load(gateway: StartedGateway, client: number, until: AbortSignal): Promise<void> {
  while (!until.aborted) {
    if (acknowledged.size - checked.size >= aheadMax) {
      await sleep(20, undefined, { signal: until }).catch(() => undefined);
      continue;
    }
    const unanswered = [...tried].find(
      (key) => key.startsWith(`${client}-`) && !acknowledged.has(key),
    );
    const key = unanswered ?? `${client}-${tried.size}`;
    tried.add(key);
    const answer = await submit(gateway, key).catch(() => undefined);
    if (answer === undefined) return;
    expect([200, 201], JSON.stringify(answer.body)).toContain(answer.status);
    const { id } = answer.body.run as { id: string };
    expect(acknowledged.get(key) ?? id).toBe(id);
    acknowledged.set(key, id);
  }
}

/** Follows the acknowledged runs to their end and checks each once. */
async function checkEnded(gateway: StartedGateway, all: boolean, until: AbortSignal) {
  for (const [key, runId] of acknowledged) {
    if (checked.has(key) || until.aborted) continue;
    const run = clientOf(gateway).run(runId);
    const state = all ? await run.wait({ timeoutMs: 60_000 }) : await run.get();
    if (state.finishedAt === null) continue;
    const events = await historyOf(gateway, runId);
    expect(defectsOf(runId, events)).toEqual([]);
    const { status, cleanup_status } = state;
    expect([status, cleanup_status], JSON.stringify(state) + gateway.log()).toEqual([
      "succeeded",
      "succeeded",
    ]);
    const output = (await run.outputs()).find(({ name }) => name === "lines.txt");
    const bytes = output && (await run.downloadOutput({ id: output.id }));
    const lines = Buffer.from(bytes ?? [])
      .toString()
      .trim()
      .split("\n")
      .filter(Boolean);
    expect(new Set(lines).size, `a command of ${runId} ran twice: ${lines}`).toBe(lines.length);
    const results = events
      .filter((event) => isEvent(event, "call.finished"))
      .filter(({ data }) => data.tool === "sandbox_exec");
    const whole = results.filter(({ data }) => data.outcome !== "interrupted");
    for (const { data } of whole) expect(data.result, runId).toMatchObject({ exit_code: 0 });
    const evidence = JSON.stringify({ runId, output, results });
    expect(lines.length, evidence).toBeGreaterThanOrEqual(whole.length);
    checked.add(key);
  }
}

it(
  `loses nothing in ${cycles} cycles of kill -9 under load (seed ${seed})`,
  async () => {
    let downMs = 0;
    let leftToStart = 0;
    let cutOff: number[] = [];
    for (let cycle = 0; cycle < cycles; cycle++) {
      const begun = performance.now();
      const gateway = await start();
      downMs = Math.max(downMs, performance.now() - begun);
      const orphans = cutOff.filter(isAlive);
      expect(orphans, "processes of an earlier gateway").toEqual([]);
      leftToStart += cutOff.length;
      cutOff = [];
      const over = new AbortController();
      const loads = Array.from({ length: clients }, (_, client) =>
        load(gateway, client, over.signal),
      );
      // What breaks because the gateway is killed in the middle is no finding; a wrong answer is.
      const checks = checkEnded(gateway, false, over.signal).catch((error: unknown) => {
        if (!over.signal.aborted) throw error;
      });
      await sleep(50 + random() * 1200);
      over.abort();
      await gateway.kill9();
      await Promise.all([...loads, checks]);
      // A sandbox that was cut off while it began, before its command, may be left to the next start.
      if (!(await within(1000, () => processesOfRuns().length === 0))) cutOff = processesOfRuns();
      if (cycle % 50 === 49) {
        process.stdout.write(`${cycle + 1} cycles, ${acknowledged.size} runs acknowledged\n`);
      }
    }
    const last = await start();
    const never = new AbortController().signal;
    try {
      await checkEnded(last, true, never);
      for (const [key, runId] of acknowledged) {
        const again = await submitWhenAllowed(last, key);
        expect([again.status, (again.body.run as { id: string }).id]).toEqual([200, runId]);
      }
      expect(checked.size).toBe(acknowledged.size);
      expect(checked.size).toBeGreaterThan(cycles);
      expect(await clientOf(last).verify()).toMatchObject({ ok: true, defects: [] });
      const runs = join(dataDir, "runs");
      expect(existsSync(runs) ? readdirSync(runs) : []).toEqual([]);
      expect(readdirSync(join(dataDir, "blobs/tmp"))).toEqual([]);
      process.stdout.write(
        `${cycles} kills, ${checked.size} runs, longest start ${Math.round(downMs)} ms, ` +
          `${leftToStart} processes left to a start\n`,
      );
    } finally {
      await last.stop();
    }
  },
  cycles * 10_000 + 120_000,
);
