/**
 * P1 at the disk: a gateway that dies at the k-th fsync, or at any rename or unlink around it, has lost nothing that it
 * said yes to, and is whole when it starts again.
 *
 * Method: strace counts the synchronising calls of the gateway's threads and kills the process at the k-th one; a second
 * gateway, undisturbed, must then find every acknowledged run and bring it to its end. Sandboxes are not traced
 * (`--detach-on=execve`), and strace is not the parent (`-D`), so that signals reach the gateway itself.
 */
import { execFileSync } from "node:child_process";
import { readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { isEvent } from "../src/sdk/sdk.ts";
import { clientOf, defectsOf, historyOf } from "./support/airlock-api.ts";
import { checkoutFor } from "./support/checkout-for.ts";
import { newDataDir, startGateway } from "./support/start-gateway.ts";

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

const { node, root } = checkoutFor(undefined);
const calls = "fsync,fdatasync";

function straced(trace: string, inject?: string): string[] {
  return [
    ...["strace", "-D", "-f", "-qq", "--detach-on=execve", "-o", trace, "-e", `trace=${calls}`],
    ...(inject === undefined ? [] : ["-e", `inject=${calls}:${inject}`]),
    node,
    join(root, "src/main.ts"),
  ];
}

/** How often each thread of a gateway synchronises while it starts, plays the run and stops. */
async function countSyncs(): Promise<number> {
  const dataDir = newDataDir();
  const trace = join(dataDir, "trace.txt");
  const gateway = await startGateway({ script, dataDir, program: straced(trace) });
  const run = await clientOf(gateway).submitRun(submission);
  await run.wait();
  await gateway.stop();
  const perThread = new Map<string, number>();
  for (const line of readFileSync(trace, "utf8").split("\n")) {
    const thread = /^(\d+) +f(?:data)?sync\(/.exec(line)?.[1];
    if (thread) perThread.set(thread, (perThread.get(thread) ?? 0) + 1);
  }
  rmSync(dataDir, { recursive: true, force: true });
  return Math.max(...perThread.values());
}

describe("kill -9 at the k-th fsync", async () => {
  execFileSync("strace", ["-V"], { stdio: "ignore" });
  const syncs = await countSyncs();
  expect(syncs).toBeGreaterThan(10);
  const soak = process.env.AIRLOCK_SOAK === "1";
  const step = soak ? 1 : Math.ceil(syncs / 10);
  for (let k = 1; k <= syncs; k += step) {
    it(`loses nothing at fsync ${k} of ${syncs}`, async () => {
      const dataDir = newDataDir();
      let acknowledged: string | undefined;
      try {
        const doomed = await startGateway({
          script,
          dataDir,
          program: straced("/dev/null", `signal=SIGKILL:when=${k}`),
        });
        const gone = new AbortController();
        void doomed.ended.then(() => gone.abort(new Error("The gateway is gone")));
        const run = await clientOf(doomed).submitRun({ ...submission, signal: gone.signal });
        acknowledged = run.id;
        await run.wait({ signal: gone.signal }).catch(() => undefined);
        await doomed.kill9();
      } catch {
        // It died before it could answer, which is what this is about.
      }
      const next = await startGateway({ script, dataDir });
      try {
        const again = await clientOf(next).submitRun(submission);
        if (acknowledged !== undefined) expect(again.id).toBe(acknowledged);
        expect((await again.wait()).status).toBe("succeeded");
        const history = await historyOf(next, again.id);
        expect(defectsOf(again.id, history)).toEqual([]);
        expect((await clientOf(next).verify()).defects).toEqual([]);
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
});
