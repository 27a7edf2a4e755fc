/** A cancellation that races with the end, with a command's end and with its deadline: exactly one end, every time. */
import { setTimeout as sleep } from "node:timers/promises";
import { expect, it } from "vitest";
import { clientOf, defectsOf, historyOf } from "../support/airlock-api.ts";
import { randomFrom, times } from "../support/soak.ts";
import { startGateway } from "../support/start-gateway.ts";

const rounds = times(1000, 12);
const random = randomFrom(Date.now() % 1_000_000);
const command = (text: string) => ({
  calls: [{ tool: "sandbox_exec", arguments: { command: text } }],
});
const scripts = {
  says: { turns: [{ text: "done" }] },
  works: { turns: [command("sleep 0.05"), { text: "done" }] },
  late: { turns: [command("sleep 600"), { text: "done" }] },
};

it(
  `leaves one end in ${rounds} races of a cancellation with an end or a deadline`,
  async () => {
    const gateway = await startGateway({
      script: { scripts },
      env: { AIRLOCK_CALL_SECONDS: "1", AIRLOCK_LOG_LEVEL: "warn" },
    });
    const seen = new Map<string, number>();
    try {
      for (let round = 0; round < rounds; round++) {
        const name = ["says", "works", "late"][round % 3] ?? "";
        const run = await clientOf(gateway).submitRun({ model: `scripted/${name}`, prompt: "go" });
        // A deadline is a second away; an end some milliseconds.
        await sleep((name === "late" ? 950 : 0) + random() * 120);
        await run.cancel().catch((error: unknown) => {
          expect(error).toMatchObject({ code: "run_finished" });
        });
        const ended = await run.wait({ timeoutMs: 20_000 });
        expect(["succeeded", "cancelled"]).toContain(ended.status);
        seen.set(ended.status, (seen.get(ended.status) ?? 0) + 1);
        const events = await historyOf(gateway, run.id);
        expect(defectsOf(run.id, events)).toEqual([]);
        expect(events.filter(({ type }) => type === "run.finished")).toHaveLength(1);
        expect(events.at(-1)?.type).toBe("run.finished");
      }
      process.stdout.write(`${rounds} races: ${JSON.stringify(Object.fromEntries(seen))}\n`);
      expect(await clientOf(gateway).verify()).toMatchObject({ ok: true, defects: [] });
    } finally {
      await gateway.stop();
    }
  },
  60_000 + rounds * 3_000,
);
