/**
 * A process that does one thing with the layers of a data directory, for a test that kills it in the middle: `<dir>
 * capture|import|sweep`. It says `ready` when its threads run, begins when it is sent a line, and says `done` or `failed`.
 */
import { createReadStream, writeSync } from "node:fs";
import { join } from "node:path";
import { systemClock } from "../../src/base/clock.ts";
import { openLog } from "../../src/base/log.ts";
import { openThreads } from "../../src/base/threads.ts";
import { openRoot } from "../../src/base/tree.ts";
import { openLayers } from "../../src/layers/layers.ts";
import { syncFilesystem } from "../../src/sandbox/sandbox.ts";

const [dataDir = "", work = ""] = process.argv.slice(2);
const log = openLog("silent");
const signal = new AbortController().signal;
// One thread takes all the work, so that its k-th call is the same one in every play.
const threads = openThreads({ log, count: 1 });
const layers = openLayers({ dataDir, clock: systemClock, log, threads, syncFilesystem });

const works: Record<string, () => Promise<unknown>> = {
  async capture() {
    const root = openRoot(join(dataDir, "run"));
    const published = await layers.capture({ root, path: "tree" }, signal);
    if (!published.ok) throw new Error(published.reason);
  },
  import: () => {
    const archive = createReadStream(join(dataDir, "archive"));
    return layers.import(archive, { archiveBytes: 1_000_000 }, signal);
  },
  sweep: () => layers.sweep({ keep: new Set(), before: Number.POSITIVE_INFINITY }, signal),
};

await layers.verify(`sha256:${"0".repeat(64)}`);
writeSync(1, "ready\n");
process.stdin.once("data", async () => {
  try {
    await works[work]?.();
    writeSync(1, "done\n");
  } catch (error) {
    writeSync(1, `failed ${error}\n`);
  }
  await threads.close();
  process.exit(0);
});
