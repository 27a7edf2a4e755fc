/**
 * Two runs at once with one layer in both (A27). One of them swaps all that it can, all the time: its caches, and the
 * places at which a layer is mounted, for links to the other's directories and to a canary of the host.
 */
import { randomUUID } from "node:crypto";
import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { systemClock } from "../src/base/clock.ts";
import { openLog } from "../src/base/log.ts";
import { Problem } from "../src/contract/problem.ts";
import { bareSurroundings, openSandbox, type Place, type Sandbox } from "../src/sandbox/sandbox.ts";
import { times } from "./support/soak.ts";
import { removeTree } from "./support/temp-dir.ts";

const raceMs = times(30_000, 6_000);
const MiB = 1024 * 1024;
const limits = {
  ...{ timeoutMs: 20_000, memoryBytes: 256 * MiB, processes: 64, diskBytes: 64 * MiB },
  ...{ outputKeptBytes: MiB, outputKilledBytes: 64 * MiB },
};
const range = { first: 600_000, last: 600_099 };
const isRoot = process.getuid?.() === 0;

const dataDir = mkdtempSync(join(tmpdir(), "airlock-caches-"));
const canary = mkdtempSync(join(tmpdir(), "airlock-canary-"));
const secret = `canary-${randomUUID()}`;
const layer = join(dataDir, "layer");
let sandbox: Sandbox;

beforeAll(async () => {
  // Open to everybody, so that nothing but the sandbox stands between a run and it.
  chmodSync(canary, 0o777);
  writeFileSync(join(canary, "word"), secret);
  chmodSync(join(canary, "word"), 0o666);
  chmodSync(dataDir, 0o711);
  mkdirSync(join(layer, "sub"), { recursive: true, mode: 0o755 });
  writeFileSync(join(layer, "sub", "word"), "layer");
  sandbox = await openSandbox({
    ...{ dataDir, uidRange: range, toolchains: [] },
    ...{ clock: systemClock, log: openLog("silent") },
  });
});
afterAll(async () => {
  for (const name of ["swaps", "works"]) {
    await sandbox.remove(`run_${name}`, isRoot ? range.first + 1 : null);
  }
  await sandbox.close();
  await removeTree(dataDir);
  await removeTree(canary);
});

const provision = (runId: string, offset: number) =>
  sandbox.provision({
    ...{ runId, uid: isRoot ? range.first + offset : null, outputDirs: [], files: [], own: [] },
  });

async function run(place: Place, command: string, places = ["/tmp/deps/lib", "/deps/lib"]) {
  const mounts = places.map((target) => ({ source: layer, target }));
  const surroundings = { ...bareSurroundings, mounts };
  const signal = new AbortController().signal;
  const { stdout } = await sandbox.exec(place, { command, surroundings, limits, signal });
  return stdout.kept.toString();
}

/**
 * Swaps every place for a link and back, and reads and writes by way of it. A link stays for the next call, where the
 * layer was when it is not mounted now: a mount point itself cannot be taken away.
 */
function swapping(victim: Place, round: number): string {
  const targets = [
    ...[victim.cache, join(victim.cache, "npm"), victim.tmp, canary, layer],
    ...["/proc/1/root", "../../run_works/cache", "/deps/lib/sub", "/cache", "/tmp"],
  ];
  const last = targets[round % targets.length];
  return [
    "mkdir -p /cache/npm /tmp/deps",
    ...targets.flatMap((target) => [
      `rm -rf /cache/npm; ln -s ${target} /cache/npm`,
      "cat /cache/npm/word /cache/npm/npm/word 2>/dev/null; echo stolen >/cache/npm/word",
    ]),
    "mv /deps/lib/sub /tmp/sub 2>/dev/null; rm -rf /deps/lib/sub 2>/dev/null",
    "ln -sfn /tmp /deps/lib/sub 2>/dev/null; echo bad 2>/dev/null >/deps/lib/sub/word",
    "mount --bind /tmp /deps/lib 2>/dev/null",
    `rm -rf /tmp/deps/lib 2>/dev/null; ln -sT ${last} /tmp/deps/lib 2>/dev/null`,
    `rm -rf /tmp/deps 2>/dev/null; ln -sT ${last} /tmp/deps 2>/dev/null`,
  ].join("\n");
}

it(
  "leaves one run's caches and layers as they are, whatever another swaps in its own",
  async () => {
    const [swaps, works] = [await provision("run_swaps", 1), await provision("run_works", 2)];
    const until = performance.now() + raceMs;
    let [swapped, refused, worked] = [0, 0, 0];
    // The control: it goes on until they really have met, which takes a busy machine longer.
    const goesOn = () => performance.now() < until || Math.min(swapped, refused, worked) <= 20;

    async function attack() {
      while (goesOn()) {
        try {
          const places = swapped % 2 === 0 ? undefined : [];
          const said = await run(swaps, swapping(works, swapped), places);
          expect(said).not.toContain(secret);
          expect(said).not.toContain("own-");
          swapped += 1;
          // What the gateway itself does in the run's directories follows no link either.
          await sandbox.removeOnce(await sandbox.openFreshCache(swaps));
          sandbox.list(swaps, { entries: 10_000, bytes: 64 * MiB }, bareSurroundings);
        } catch (error) {
          // A link where the layer has to be: the call is refused, and the run has to take it away itself.
          if (!(error instanceof Problem) || !error.message.startsWith("Cannot mount at"))
            throw error;
          refused += 1;
          await sandbox.clear(swaps, "/tmp/deps", false);
        }
      }
    }

    async function work() {
      let last = "";
      while (goesOn()) {
        const word = `own-${randomUUID()}`;
        const said = await run(
          works,
          "cat /cache/npm/word 2>/dev/null; cat /deps/lib/sub/word /tmp/deps/lib/sub/word; " +
            `mkdir -p /cache/npm; printf ${word} >/cache/npm/word`,
        );
        expect(said).toBe(`${last}layerlayer`);
        last = word;
        worked += 1;
      }
    }

    await Promise.all([attack(), work()]);
    expect(readdirSync(canary)).toEqual(["word"]);
    expect(readFileSync(join(canary, "word"), "utf8")).toBe(secret);
    expect(readdirSync(join(layer, "sub"))).toEqual(["word"]);
    expect(readFileSync(join(layer, "sub", "word"), "utf8")).toBe("layer");
  },
  raceMs + 90_000,
);
