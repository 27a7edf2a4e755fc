/**
 * A process that changes the key of a vault, for tests that kill it: `<dir> <n>`. It kills itself after step `n` of what
 * it does, beginning with whatever an earlier one has left undone, and says so when it came to the end.
 */
import { subscribe } from "node:diagnostics_channel";
import { writeSync } from "node:fs";
import { systemClock } from "../../src/base/clock.ts";
import { openLog } from "../../src/base/log.ts";
import { openSecrets, openVault } from "../../src/egress/egress.ts";
import { openStore } from "../../src/store/store.ts";

const [dir = "", last = ""] = process.argv.slice(2);
let steps = 0;
subscribe("airlock:vault.step", (step) => {
  steps += 1;
  if (steps !== Number(last)) return;
  writeSync(1, `killed after ${step}\n`);
  process.kill(process.pid, "SIGKILL");
});
const log = openLog("silent");
const store = await openStore({
  ...{ dir, clock: systemClock, log },
  onBroken: (error) => {
    throw error;
  },
});
const vault = await openVault({ dir });
const { workspaceSecrets: rows, sealed } = store;
const secrets = await openSecrets({ rows, sealed, vault, clock: systemClock, log });
const { resealed } = await secrets.rotateKey();
await store.close();
writeSync(1, `resealed ${resealed}\n`);
