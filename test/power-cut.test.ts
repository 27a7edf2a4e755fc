/**
 * K04: the power goes. Not the process dies with all that it had written in the kernel's hands, but the machine, and of
 * what was not synchronised any part may be lost, in any order, in pieces.
 *
 * Method: every system call of a process that keeps runs and blobs is written down, and a model of a disk makes from them
 * the directories that a power cut after the k-th may leave. Each must open, hold all that was promised by then, and be
 * sound. Control: with a disk that ignores synchronisation the same looks find what is lost.
 */
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { systemClock } from "../src/base/clock.ts";
import { openLog } from "../src/base/log.ts";
import { openThreads } from "../src/base/threads.ts";
import { openBlobs } from "../src/content/content.ts";
import { openStore } from "../src/store/store.ts";
import { checkoutFor } from "./support/checkout-for.ts";
import { afterPowerCut, record } from "./support/disk-model.ts";
import { isSoak, randomFrom, times } from "./support/soak.ts";
import { newDataDir } from "./support/start-gateway.ts";

const base = newDataDir();
const data = join(base, "data");
mkdirSync(data, { mode: 0o711 });
const log = openLog("silent");
const threads = openThreads({ log });
afterAll(async () => {
  await threads.close();
  rmSync(base, { recursive: true, force: true });
});

const program = join(checkoutFor(undefined).root, "test/support/power-process.ts");
const recording = record(program, data, join(base, "trace"));
const seed = Number(process.env.AIRLOCK_SOAK_SEED ?? Date.now() % 1_000_000);

/** All that is wrong with the directory after a power cut; empty when it kept every promise. */
async function defectsAfter(after: number, random: () => number, lies: boolean): Promise<string[]> {
  const dir = join(base, `cut-${after}`);
  rmSync(dir, { recursive: true, force: true });
  mkdirSync(dir, { mode: 0o711 });
  const said = afterPowerCut(recording, { after, random, lies }, data, dir);
  const broken: unknown[] = [];
  const onBroken = (error: unknown) => broken.push(error);
  const store = await openStore({ dir, clock: systemClock, log, onBroken }).catch(String);
  if (typeof store === "string") return [`does not open: ${store}`];
  const defects: string[] = [];
  try {
    const blobs = await openBlobs({ dir, clock: systemClock, log, threads, onBroken });
    for (const { runId, seq, sha256 } of said) {
      if (typeof sha256 === "string") {
        await blobs.get(sha256).catch((error: unknown) => defects.push(`${sha256}: ${error}`));
      }
      if (typeof runId !== "string" || typeof seq !== "number") continue;
      const [event] = await store.journal.read(runId, seq - 1, 1);
      if (event?.seq !== seq) defects.push(`${runId} has lost its event ${seq}`);
    }
    defects.push(...(await store.verify()).defects.map((defect) => JSON.stringify(defect)));
    for await (const sha256 of store.files.referenced()) {
      if (sha256 === `sha256:${"0".repeat(64)}`) continue;
      await blobs.get(sha256).catch((error: unknown) => defects.push(`${sha256}: ${error}`));
    }
    const temp = join(dir, "blobs/tmp");
    if (existsSync(temp) && readdirSync(temp).length > 0) defects.push("temporary files are left");
  } finally {
    await store.close();
    rmSync(dir, { recursive: true, force: true });
  }
  return [...defects, ...broken.map(String)];
}

/** Twice as many as there are steps in a soak; some of them otherwise. */
function cuts(): number[] {
  const all = recording.steps.length;
  const random = randomFrom(seed);
  return Array.from({ length: times(2 * all, 60) }, () => Math.ceil(random() * all));
}

describe(`a power cut (seed ${seed})`, { timeout: isSoak ? 3_600_000 : 120_000 }, () => {
  it("is seen by the model: it makes the very directory that is there", () => {
    const said = recording.steps.filter((step) => step.type === "said");
    expect(said.length).toBeGreaterThan(60);
    for (const [path, bytes] of recording.end) {
      if (path.endsWith("-shm")) continue;
      expect(readFileSync(join(data, path)).equals(bytes), path).toBe(true);
    }
    expect([...recording.end.keys()].filter((path) => path.startsWith("blobs/")).length).toBe(30);
  });

  it("loses nothing that was promised, wherever it comes", async () => {
    const random = randomFrom(seed);
    const found: string[] = [];
    const all = cuts();
    for (const after of all) {
      const defects = await defectsAfter(after, random, false);
      if (defects.length > 0) found.push(`after ${after}: ${defects.slice(0, 3).join("; ")}`);
    }
    process.stdout.write(`${all.length} power cuts within ${recording.steps.length} steps\n`);
    expect(found).toEqual([]);
  });

  it("is noticed with a disk that ignores every synchronisation", async () => {
    const random = randomFrom(seed);
    let bad = 0;
    for (let count = 0; count < 10; count++) {
      const after = recording.steps.length - count;
      if ((await defectsAfter(after, random, true)).length > 0) bad += 1;
    }
    expect(bad).toBeGreaterThan(5);
  });
});
