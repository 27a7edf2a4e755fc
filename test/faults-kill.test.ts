/**
 * P1 at the disk: a gateway that dies at the k-th call that changes the disk has lost nothing that it said yes to, has
 * nothing half, and is whole when it starts again.
 *
 * Method: strace kills the gateway at its k-th write, rename, unlink, truncation or synchronisation; a second gateway,
 * undisturbed, must then find every acknowledged run and bring it to its end.
 */
import { existsSync, readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { isEvent } from "../src/sdk/sdk.ts";
import { clientOf, defectsOf, historyOf } from "./support/airlock-api.ts";
import { isSoak, sampled } from "./support/soak.ts";
import { newDataDir, type StartedGateway, startGateway } from "./support/start-gateway.ts";
import {
  countCalls,
  env,
  type Injection,
  mayAttach,
  straced,
  straceFiles,
} from "./support/strace.ts";

const script = {
  turns: [
    {
      calls: [
        { tool: "content_write", arguments: { name: "a.txt", content: "a".repeat(100_000) } },
        { tool: "sandbox_exec", arguments: { command: "cp a.txt /workspace/out/" } },
      ],
    },
    { text: "done" },
  ],
};
const submission = {
  model: "scripted/x",
  prompt: "go",
  files: [{ path: "in.txt", content: "input" }],
  outputDirs: ["/workspace/out"],
  idempotencyKey: "one",
};
const calls = [
  ...["fsync", "fdatasync", "rename", "renameat", "renameat2", "unlink", "unlinkat"],
  ...["write", "writev", "pwrite64", "pwritev", "ftruncate"],
];

type Part = "database" | "files";

async function start(part: Part, dataDir: string, injection: Injection): Promise<StartedGateway> {
  if (part === "database") {
    return startGateway({ script, dataDir, env, program: straced(injection) });
  }
  const gateway = await startGateway({ script, dataDir, env });
  await straceFiles(gateway.pid, injection);
  return gateway;
}

/** How often a gateway makes each call while it plays the run and stops; with its database, while it starts too. */
async function learn(part: Part): Promise<Map<string, number>> {
  const dataDir = newDataDir();
  const trace = join(dataDir, "trace.txt");
  const gateway = await start(part, dataDir, { calls: calls.join(","), trace });
  await (await clientOf(gateway).submitRun(submission)).wait();
  await gateway.stop();
  const counted = countCalls(trace);
  rmSync(dataDir, { recursive: true, force: true });
  return counted;
}

/** Plays until the gateway dies, if it does. Resolves with the run that it said yes to. */
async function playDoomed(
  part: Part,
  dataDir: string,
  injection: Injection,
): Promise<string | undefined> {
  let acknowledged: string | undefined;
  try {
    const doomed = await start(part, dataDir, injection);
    const gone = new AbortController();
    void doomed.ended.then(() => gone.abort(new Error("The gateway is gone")));
    const run = await clientOf(doomed).submitRun({ ...submission, signal: gone.signal });
    acknowledged = run.id;
    await run.wait({ signal: gone.signal }).catch(() => undefined);
    await doomed.kill9();
  } catch {
    // It died before it could answer, which is what this is about.
  }
  return acknowledged;
}

/** One of each in a short test, all of them in a soak; the first is always a start's, the last a stop's. */
function moments(count: number): number[] {
  const all = Array.from({ length: count }, (_, index) => index + 1);
  if (isSoak || count <= 3) return all;
  return sampled([...new Set([2, Math.ceil(count / 2), count - 1])], 1);
}

const parts: Part[] = mayAttach() ? ["database", "files"] : ["database"];

describe.each(parts)("kill -9 of a gateway at work on its %s", async (part) => {
  const counted = await learn(part);
  // Control: what a gateway does to be durable was seen.
  for (const call of part === "database" ? ["fsync", "pwrite64"] : ["fsync", "rename", "write"]) {
    expect(counted.get(call), call).toBeGreaterThan(1);
  }
  for (const [call, count] of counted) {
    for (const k of moments(count)) {
      it(`loses nothing at ${call} ${k} of ${count}`, async () => {
        const dataDir = newDataDir();
        const fault = `signal=SIGKILL:when=${k}`;
        const acknowledged = await playDoomed(part, dataDir, { calls: call, fault });
        const next = await startGateway({ script, dataDir });
        try {
          const again = await clientOf(next).submitRun(submission);
          if (acknowledged !== undefined) expect(again.id).toBe(acknowledged);
          expect((await again.wait()).status).toBe("succeeded");
          expect((await clientOf(next).listRuns()).runs).toHaveLength(1);
          const history = await historyOf(next, again.id);
          expect(defectsOf(again.id, history)).toEqual([]);
          expect((await clientOf(next).verify()).defects).toEqual([]);
          expect(readdirSync(join(dataDir, "blobs/tmp"))).toEqual([]);
          expect(readdirSync(dataDir).filter((name) => name.includes(".unfinished"))).toEqual([]);
          expect(existsSync(join(dataDir, "runs", again.id))).toBe(false);
          const interrupted = history.some(
            (event) => isEvent(event, "call.finished") && event.data.outcome === "interrupted",
          );
          // A command that was cut off is told of, not repeated: only then may its file be missing.
          if (interrupted) return;
          const output = await again.downloadOutput({ path: "a.txt", match: "suffix" });
          expect(output.length).toBe(100_000);
        } finally {
          await next.stop();
          rmSync(dataDir, { recursive: true, force: true });
        }
      });
    }
  }
});
