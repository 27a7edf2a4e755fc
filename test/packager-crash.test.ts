/**
 * A gateway that is killed in the middle of a build: the run goes on and its model is told that the call was interrupted;
 * there is no half layer, and nothing stays that the next sweep does not take.
 */
import { existsSync, readdirSync, utimesSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { CapturedLayer } from "../src/contract/layer.ts";
import { isEvent } from "../src/sdk/sdk.ts";
import { clientOf, defectsOf, historyOf } from "./support/airlock-api.ts";
import type { CallAnswer } from "./support/directed-run.ts";
import { openPackageHost, type PackageHost, type Restart } from "./support/package-host.ts";
import { within } from "./support/processes.ts";
import { untilEvent } from "./support/results-of.ts";

let host: PackageHost;
/** The number of the event with which a build of this test is finished. */
let finishedSeq = 0;
beforeAll(async () => {
  host = await openPackageHost();
  const run = await host.open({ hosts: null });
  await run.call("sandbox_exec", buildOf("control"));
  await run.end();
  const history = await historyOf(host.gateway, run.id);
  finishedSeq = history.find((event) => isEvent(event, "call.finished"))?.seq ?? 0;
}, 180_000);
afterAll(async () => {
  await host?.close();
});

function buildOf(word: string, more = "true") {
  const command = `mkdir -p out && echo ${word} > out/word && for i in {1..50}; do echo $i > out/$i; done; ${more}`;
  return { command, capture_paths: [{ path: "/tmp/out" }] };
}

const killAt = (rename: string, when = "after"): Restart => ({
  preload: ["test/support/kill-at-rename.ts"],
  env: { AIRLOCK_TEST_KILL_RENAME: rename, AIRLOCK_TEST_KILL_WHEN: when },
});

const layersOnDisk = () =>
  readdirSync(join(host.dataDir, "layers")).filter((name) => /^[0-9a-f]{64}$/.test(name));

/** What every start has to leave behind, whenever the one before it was killed. */
async function expectSound(): Promise<void> {
  expect(readdirSync(join(host.dataDir, "layers/incoming"))).toEqual([]);
  const { layers } = clientOf(host.gateway);
  const known = await layers.list();
  for (const { digest } of known.layers) expect(await layers.verify(digest)).toEqual({ ok: true });
  expect((await clientOf(host.gateway).verify()).defects).toEqual([]);
}

interface Moment {
  when: string;
  start: () => Restart;
  more?: string;
  /** Whether the layer has its name on disk by then. */
  isNamed: boolean;
  /** Whether the call was finished by then. */
  isFinished?: boolean;
}

const moments: Moment[] = [
  { when: "while the command runs", start: () => ({}), more: "echo up; sleep 600", isNamed: false },
  {
    when: "when the run's directory has been taken",
    start: () => killAt("/layers/incoming/[^/]+/tree$"),
    isNamed: false,
  },
  {
    when: "before the layer gets its name",
    start: () => killAt("/layers/[0-9a-f]{64}$", "before"),
    isNamed: false,
  },
  {
    when: "when the layer has its name, and nobody knows of it",
    start: () => killAt("/layers/[0-9a-f]{64}$"),
    isNamed: true,
  },
  {
    when: "when the call is finished",
    start: () => ({
      preload: ["test/support/kill-after-event.ts"],
      env: { AIRLOCK_TEST_KILL_SEQ: String(finishedSeq) },
    }),
    isNamed: true,
    isFinished: true,
  },
];

describe("a gateway that is killed in the middle of a build", () => {
  it.each(moments)(
    "$when",
    async ({ when, start, more, isNamed, isFinished = false }) => {
      await host.gateway.stop();
      await host.restart(start());
      const before = layersOnDisk();
      const own = buildOf(when.replaceAll(/\W+/g, "-"), more);
      const run = await host.open({ hosts: null });
      const told = run.call("sandbox_exec", own);
      if (more !== undefined) {
        await untilEvent(run.run, "call.output");
        await host.gateway.kill9();
      }
      expect((await host.gateway.ended).signal).toBe("SIGKILL");
      expect(layersOnDisk()).toHaveLength(before.length + (isNamed ? 1 : 0));
      await host.restart();

      const answer: CallAnswer = await told;
      if (isFinished) expect(answer).toMatchObject({ ok: true, cached: false });
      else expect(answer).toMatchObject({ ok: false, error_type: "execution", interrupted: true });
      await expectSound();
      if (isNamed && !isFinished) {
        // Nobody needs it: once it is old enough it goes.
        const [orphan = ""] = layersOnDisk().filter((name) => !before.includes(name));
        const old = new Date(Date.now() - 2 * 60 * 60_000);
        utimesSync(join(host.dataDir, "layers", orphan), old, old);
        expect(await clientOf(host.gateway).gc()).toMatchObject({ layers: 1 });
        expect(layersOnDisk()).not.toContain(orphan);
      }
      const again = await run.call("sandbox_exec", buildOf(when.replaceAll(/\W+/g, "-")));
      expect(again, JSON.stringify(again)).toMatchObject({ ok: true });
      const [layer] = again.captured_layers as CapturedLayer[];
      expect(layer?.file_count).toBe(51);
      await expectSound();
      void run.end().catch(() => undefined);
      const ended = await clientOf(host.gateway).run(run.id).wait();
      expect(ended).toMatchObject({ status: "succeeded", cleanup_status: "succeeded" });
      expect(defectsOf(run.id, await historyOf(host.gateway, run.id))).toEqual([]);
      const place = join(host.dataDir, "runs", run.id);
      expect(await within(2_000, () => !existsSync(place))).toBe(true);
    },
    180_000,
  );
});
