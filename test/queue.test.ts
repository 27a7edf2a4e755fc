/** Who works and who waits: the caps of the gateway and of each workspace, the place in the queue, and a restart. */
import { rmSync } from "node:fs";
import { describe, expect, it } from "vitest";
import type { RunRef } from "../src/sdk/sdk.ts";
import { clientOf, type Reachable } from "./support/airlock-api.ts";
import { untilEvent } from "./support/results-of.ts";
import { newDataDir, startGateway } from "./support/start-gateway.ts";

const script = {
  scripts: {
    holds: {
      turns: [
        { calls: [{ tool: "sandbox_exec", arguments: { command: "sleep 600" } }] },
        { text: "Went on." },
      ],
    },
    passes: { turns: [{ text: "Passed." }] },
  },
};

const submit = (at: Reachable, name: keyof typeof script.scripts) =>
  clientOf(at).submitRun({ model: `scripted/${name}`, prompt: "go" });
const working = (run: RunRef) => untilEvent(run, "call.started");
const positions = (runs: readonly RunRef[]) =>
  Promise.all(runs.map(async (run) => (await run.get()).queue?.position ?? null));

describe("the queue", () => {
  it("lets no workspace take the places of another, shows each its place, and moves up", async () => {
    const gateway = await startGateway({
      script,
      env: { AIRLOCK_MAX_RUNS: "3", AIRLOCK_MAX_RUNS_PER_WORKSPACE: "2" },
    });
    try {
      const { secret } = await clientOf(gateway).tokens.create({
        name: "b",
        scopes: ["runs"],
        workspace: "b",
      });
      const other = { url: gateway.url, token: secret };
      const greedy: RunRef[] = [];
      for (let i = 0; i < 5; i++) greedy.push(await submit(gateway, "holds"));
      const [first, second, third, fourth, fifth] = greedy as [
        RunRef,
        RunRef,
        RunRef,
        RunRef,
        RunRef,
      ];
      await Promise.all([working(first), working(second)]);
      expect(await positions(greedy)).toEqual([null, null, 1, 2, 3]);

      // The third place is the other workspace's, although three runs came before.
      const theirs = [await submit(other, "holds"), await submit(other, "holds")] as const;
      await working(theirs[0]);
      expect(await positions([third, fourth, fifth, theirs[1]])).toEqual([1, 2, 3, 4]);

      await fourth.cancel();
      await fourth.wait();
      expect(await positions([third, fifth, theirs[1]])).toEqual([1, 2, 3]);
      await first.cancel();
      await working(third);
      expect(await positions([fifth, theirs[1]])).toEqual([1, 2]);
      // A place that the greedy workspace may not have goes to the next that may.
      await theirs[0].cancel();
      await working(theirs[1]);
      expect(await positions([fifth])).toEqual([1]);
      expect((await second.get()).status).toBe("running");
    } finally {
      await gateway.kill9();
      rmSync(gateway.dataDir, { recursive: true, force: true });
    }
  });

  it("goes on in its order after kill -9, with the run that was at work first", async () => {
    const dataDir = newDataDir();
    const options = { script, dataDir, env: { AIRLOCK_MAX_RUNS: "1" } };
    const doomed = await startGateway(options);
    const holder = await submit(doomed, "holds");
    await working(holder);
    const queued: RunRef[] = [];
    for (let i = 0; i < 20; i++) queued.push(await submit(doomed, "passes"));
    const cancelled = await submit(doomed, "holds");
    await cancelled.cancel();
    expect(await cancelled.wait()).toMatchObject({ status: "cancelled" });
    await doomed.kill9();

    const next = await startGateway(options);
    try {
      const runs = [holder, ...queued].map(({ id }) => clientOf(next).run(id));
      const ended = await Promise.all(runs.map((run) => run.wait()));
      expect(new Set(ended.map(({ status }) => status))).toEqual(new Set(["succeeded"]));
      expect(ended[0]?.reply).toBe("Went on.");
      for (const [index, run] of ended.slice(1).entries()) {
        // One place: each began when the one before had ended.
        expect(Date.parse(run.startedAt ?? "")).toBeGreaterThanOrEqual(
          Date.parse(ended[index]?.finishedAt ?? ""),
        );
      }
    } finally {
      await next.stop();
      rmSync(dataDir, { recursive: true, force: true });
    }
  });
});
