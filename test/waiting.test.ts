/**
 * I12: a run that waits costs a row. The gateway is given one place and many runs; all but one have to wait without a
 * process, a directory or a host uid, and each must still get its turn.
 */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { isEvent } from "../src/sdk/sdk.ts";
import { clientOf } from "./support/airlock-api.ts";
import { startGateway } from "./support/start-gateway.ts";

const waiting = 60;

/** The command runs until the test lets it go on, by cancelling the run. */
const script = {
  scripts: {
    holds: { turns: [{ calls: [{ tool: "sandbox_exec", arguments: { command: "sleep 600" } }] }] },
    passes: { turns: [{ text: "Passed." }] },
  },
};

/** Every process that has this one among its ancestors. */
function descendantsOf(root: number): number[] {
  const parents = new Map<number, number>();
  for (const name of readdirSync("/proc")) {
    const status = `/proc/${name}/stat`;
    if (!/^\d+$/.test(name) || !existsSync(status)) continue;
    try {
      const fields = readFileSync(status, "latin1")
        .replace(/^.*\) /s, "")
        .split(" ");
      parents.set(Number(name), Number(fields[1]));
    } catch (error) {
      if (!["ENOENT", "ESRCH"].includes((error as NodeJS.ErrnoException).code ?? "")) throw error;
    }
  }
  const isBelow = (pid: number | undefined): boolean =>
    pid !== undefined && pid !== 0 && (pid === root || isBelow(parents.get(pid)));
  return [...parents.keys()].filter((pid) => pid !== root && isBelow(pid));
}

describe("a run that waits for a place", () => {
  it("holds no process, no directory and no slot, and gets its turn", async () => {
    const gateway = await startGateway({ script, env: { AIRLOCK_MAX_RUNS: "1" } });
    try {
      const airlock = clientOf(gateway);
      const holder = await airlock.submitRun({ model: "scripted/holds", prompt: "hold" });
      for await (const event of holder.stream()) if (isEvent(event, "call.started")) break;
      const runs = join(gateway.dataDir, "runs");
      const before = { processes: descendantsOf(gateway.pid).length, places: readdirSync(runs) };

      const queued = await Promise.all(
        Array.from({ length: waiting }, () =>
          airlock.submitRun({ model: "scripted/passes", prompt: "wait" }),
        ),
      );
      const last = await queued.at(-1)?.get();
      expect(last).toMatchObject({ status: "queued", startedAt: null });
      expect(last?.queue?.position).toBeGreaterThan(0);
      expect(readdirSync(runs)).toEqual(before.places);
      // The command's own processes may still be starting; sixty runs at work would be hundreds.
      expect(descendantsOf(gateway.pid).length).toBeLessThan(before.processes + 10);

      await holder.cancel();
      const ended = await Promise.all(queued.map((run) => run.wait()));
      expect(new Set(ended.map((run) => run.status))).toEqual(new Set(["succeeded"]));
    } finally {
      await gateway.stop();
    }
  });
});
