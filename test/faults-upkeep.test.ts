/**
 * kill -9 while the gateway does for an operator or a client what no run waits for: packing an archive, verifying, collecting
 * garbage, deleting. What was whole before is whole afterwards.
 */
import { mkdirSync, readdirSync, rmSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, describe, expect, it } from "vitest";
import { clientOf, defectsOf, historyOf } from "./support/airlock-api.ts";
import { randomFrom, times } from "./support/soak.ts";
import { newDataDir, type StartedGateway, startGateway } from "./support/start-gateway.ts";

const bytes = 2 * 1024 * 1024;
const make = `head -c ${bytes} /dev/urandom > /workspace/out/large; cp /workspace/out/large large`;
const script = {
  turns: [{ calls: [{ tool: "sandbox_exec", arguments: { command: make } }] }, { text: "done" }],
};
const dataDir = newDataDir();
afterAll(() => rmSync(dataDir, { recursive: true, force: true }));
const random = randomFrom(process.pid);

const submit = (gateway: StartedGateway) =>
  clientOf(gateway).submitRun({
    ...{ model: "scripted/x", prompt: "go", outputDirs: ["/workspace/out"] },
  });

/** Blobs that no row refers to, old enough to be collected. */
function leaveGarbage(count: number): void {
  const digit = () => Math.floor(random() * 16).toString(16);
  for (let index = 0; index < count; index++) {
    const name = Array.from({ length: 64 }, digit).join("");
    const shard = join(dataDir, "blobs", name.slice(0, 2));
    mkdirSync(shard, { recursive: true, mode: 0o700 });
    writeFileSync(join(shard, name.slice(2)), name);
    utimesSync(join(shard, name.slice(2)), 1, 1);
  }
}

async function archiveOf(gateway: StartedGateway, runId: string): Promise<number> {
  return (await clientOf(gateway).run(runId).download()).length;
}

describe("kill -9 in the middle of", () => {
  type Work = (gateway: StartedGateway, runId: string, other: string) => Promise<unknown>;
  const work: Record<string, Work> = {
    "packing an archive": archiveOf,
    verifying: (gateway) => clientOf(gateway).verify(),
    "collecting garbage": (gateway) => clientOf(gateway).gc({ dryRun: false }),
    "deleting a run": (gateway, _, other) => clientOf(gateway).deleteRun(other),
  };
  for (const [what, begin] of Object.entries(work)) {
    it(
      `${what} leaves everything whole`,
      async () => {
        for (let round = 0; round < times(25, 1); round++) {
          const doomed = await startGateway({ dataDir, script });
          const [run, other] = await Promise.all([submit(doomed), submit(doomed)]);
          await Promise.all([run.wait(), other.wait()]);
          const size = await archiveOf(doomed, run.id);
          leaveGarbage(100);
          const begun = begin(doomed, run.id, other.id).catch(() => undefined);
          await Promise.race([sleep(random() * 60), begun]);
          await doomed.kill9();
          await begun;

          const next = await startGateway({ dataDir, script });
          expect(await clientOf(next).verify()).toMatchObject({ ok: true, defects: [] });
          expect(defectsOf(run.id, await historyOf(next, run.id))).toEqual([]);
          expect(await archiveOf(next, run.id)).toBe(size);
          await clientOf(next).gc({ dryRun: false });
          expect(await clientOf(next).verify()).toMatchObject({ ok: true, defects: [] });
          expect(readdirSync(join(dataDir, "blobs/tmp"))).toEqual([]);
          expect(await next.stop()).toBe(0);
        }
      },
      times(600_000, 60_000),
    );
  }
});
