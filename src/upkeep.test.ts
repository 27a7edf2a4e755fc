import { beforeEach, expect, it } from "vitest";
import { openSampleStore } from "../test/support/sample-store.ts";
import { tempDir } from "../test/support/temp-dir.ts";
import { type Clock, systemClock } from "./base/clock.ts";
import { limits } from "./base/limits.ts";
import { openLog } from "./base/log.ts";
import { openThreads } from "./base/threads.ts";
import { openBlobs } from "./content/content.ts";
import { newId } from "./contract/ids.ts";
import { openSecrets, openVault } from "./egress/egress.ts";
import { openLayers } from "./layers/layers.ts";
import { openUpkeepOver } from "./upkeep.ts";

let dir: string;
let passed: number;

beforeEach(async () => {
  dir = await tempDir("upkeep");
  passed = 0;
});

it("forgets replaced secrets when their time is over, also where collecting garbage fails", async () => {
  const log = openLog("silent");
  const sweeping = new AbortController();
  const clock: Clock = {
    ...systemClock,
    now: () => Date.UTC(2026, 10, 20) + passed,
    async sleep() {
      if (passed > 0) sweeping.abort();
      passed += limits.secretMaskedMs + 1;
    },
  };
  const store = await openSampleStore(dir, undefined, clock);
  const threads = openThreads({ log });
  const blobs = await openBlobs({ dir, clock, log, threads });
  const layers = openLayers({ dataDir: dir, clock, log, threads, syncFilesystem: async () => {} });
  const vault = await openVault({ dir });
  const { workspaceSecrets: rows, sealed } = store;
  const secrets = await openSecrets({ rows, sealed, vault, clock, log });
  const workspaceId = newId("workspace");
  const set = (value: string) => secrets.set(workspaceId, { name: "KEY", value, setBy: "tok_a" });
  await set("first value");
  await set("second value");

  const doctor = () => Promise.reject(new Error("Nobody asks"));
  const broken = {
    ...store,
    layers: { ...store.layers, dropUnheld: () => Promise.reject("full") },
  };
  const upkeep = openUpkeepOver({
    ...{ store: broken, blobs, layers, dataDir: dir, clock, log, doctor, secrets },
  });
  await expect(upkeep.gc({ dryRun: false })).rejects.toBe("full");
  await upkeep.sweepRegularly(sweeping.signal);
  expect(await secrets.known(workspaceId)).toEqual(["second value"]);
  await threads.close();
});
