/**
 * Loaded into a gateway with `--import`: ends that process with SIGKILL right after the first rename whose new name matches
 * `AIRLOCK_TEST_KILL_RENAME`, or right before it with `AIRLOCK_TEST_KILL_WHEN=before`.
 */
import fs from "node:fs";
import { syncBuiltinESMExports } from "node:module";

const wanted = new RegExp(process.env.AIRLOCK_TEST_KILL_RENAME ?? "$^");
const isBefore = process.env.AIRLOCK_TEST_KILL_WHEN === "before";
const { renameSync } = fs;

fs.renameSync = (from, to) => {
  const isMeant = wanted.test(to.toString());
  if (isMeant && isBefore) process.kill(process.pid, "SIGKILL");
  renameSync(from, to);
  if (isMeant) process.kill(process.pid, "SIGKILL");
};
syncBuiltinESMExports();
