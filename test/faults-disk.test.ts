/**
 * A disk that breaks a promise ends the gateway: it says so, tries the same fsync never again, and the next one, on a
 * sound disk, has everything that was acknowledged.
 */
import { readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, describe, expect, it, onTestFinished } from "vitest";
import { call, clientOf, defectsOf, historyOf } from "./support/airlock-api.ts";
import { isSoak, times } from "./support/soak.ts";
import { newDataDir, type StartedGateway, startGateway } from "./support/start-gateway.ts";
import { env, mayAttach, straced, straceFiles, straceMain } from "./support/strace.ts";

const script = {
  turns: [
    { calls: [{ tool: "content_write", arguments: { name: "a", content: "a".repeat(70_000) } }] },
    { calls: [{ tool: "sandbox_exec", arguments: { command: "cp a /workspace/out/" } }] },
    { text: "done" },
  ],
};

/** Submits runs with files of their own until the gateway is gone; the keys that it said yes to, with their runs. */
async function submitUntilGone(gateway: StartedGateway): Promise<Map<string, string>> {
  const acknowledged = new Map<string, string>();
  const isGone = gateway.ended.then(() => "gone" as const);
  for (let index = 0; index < 200; index++) {
    const key = `key-${index}`;
    const answer = await Promise.race([submit(gateway, key).catch(() => undefined), isGone]);
    if (answer === "gone" || answer === undefined) break;
    if (answer.status === 201) acknowledged.set(key, (answer.body.run as { id: string }).id);
  }
  return acknowledged;
}

const submit = (gateway: StartedGateway, key: string) =>
  call(gateway, "POST", "/api/runs", {
    ...{ model: "scripted/x", prompt: "go", idempotencyKey: key },
    files: [{ path: "in.txt", content: `the input of ${key}` }],
    outputDirs: ["/workspace/out"],
  });

/** After a gateway that a disk ended: every promise is kept by the next. */
async function expectKept(dataDir: string, acknowledged: Map<string, string>): Promise<void> {
  const next = await startGateway({ script, dataDir });
  try {
    for (const [key, runId] of acknowledged) {
      const again = await submit(next, key);
      expect([again.status, (again.body.run as { id: string }).id]).toEqual([200, runId]);
      expect(await clientOf(next).wait(runId)).toMatchObject({ status: "succeeded" });
      expect(defectsOf(runId, await historyOf(next, runId))).toEqual([]);
    }
    expect((await clientOf(next).verify()).defects).toEqual([]);
  } finally {
    await next.stop();
  }
}

function newDir(): string {
  const dataDir = newDataDir();
  onTestFinished(() => rmSync(dataDir, { recursive: true, force: true }));
  return dataDir;
}

/** The files that were synchronised after the first failure. */
function syncedAfterFailure(trace: string): { failed: string; later: string[] } {
  const lines = readFileSync(trace, "utf8").split("\n");
  const files = lines.map((line) => /(?:fsync|fdatasync)\(\d+<([^>]*)>/.exec(line)?.[1] ?? "");
  const failure = lines.findIndex((line) => line.includes("EIO"));
  // Node syncs its own stdout and stderr too, which are no disk.
  const later = files.slice(failure + 1).filter((file) => file.startsWith("/"));
  return { failed: files[failure] ?? "", later };
}

if (mayAttach()) {
  // A disk that is full for good, and for blobs as well, is in disk-full.test.ts.
  describe("a disk that is full for a moment", () => {
    for (const nth of Array.from({ length: times(30, 2) }, (_, index) => 3 + index * 4)) {
      it(`at writes ${nth} to ${nth + 4} refuses by name and loses nothing`, async () => {
        const dataDir = newDir();
        const gateway = await startGateway({ script, dataDir, env });
        const trace = join(dataDir, "trace.txt");
        const fault = `error=ENOSPC:when=${nth}..${nth + 4}`;
        await straceMain(gateway.pid, { calls: "pwrite64", fault, trace });
        const acknowledged = new Map<string, string>();
        for (const key of Array.from({ length: 10 }, (_, index) => `key-${index}`)) {
          const { status, body } = await submit(gateway, key);
          if (status === 201) acknowledged.set(key, (body.run as { id: string }).id);
          else expect([status, body]).toMatchObject([507, { error: { code: "storage_full" } }]);
        }
        expect(acknowledged.size).toBeGreaterThan(0);
        for (const runId of acknowledged.values()) {
          expect(await clientOf(gateway).wait(runId)).toMatchObject({ status: "succeeded" });
        }
        expect((await clientOf(gateway).verify()).defects).toEqual([]);
        expect(await gateway.stop()).toBe(0);
        // Control: the disk was full.
        expect(readFileSync(trace, "utf8")).toContain("ENOSPC");
        await expectKept(dataDir, acknowledged);
      });
    }
  });
}

describe("a failed fsync", () => {
  /** How many a start takes; those of a run at work come after. */
  let atStart = 0;
  beforeAll(async () => {
    const dataDir = newDataDir();
    const trace = join(dataDir, "trace.txt");
    const fault = "error=EIO:when=65535";
    const program = straced({ calls: "fsync,fdatasync", fault, trace });
    try {
      const gateway = await startGateway({ script, dataDir, env, program });
      atStart = readFileSync(trace, "utf8").match(/f(data)?sync\(/g)?.length ?? 0;
      await gateway.stop();
    } finally {
      rmSync(dataDir, { recursive: true, force: true });
    }
    expect(atStart).toBeGreaterThan(6);
  });

  for (const nth of isSoak ? Array.from({ length: 40 }, (_, index) => index + 1) : [4, 15]) {
    it(`of the database, number ${nth} after the start, ends the gateway and is not tried again`, async () => {
      const dataDir = newDir();
      const trace = join(dataDir, "trace.txt");
      const fault = `error=EIO:when=${atStart + nth}`;
      const program = straced({ calls: "fsync,fdatasync", fault, trace });
      const gateway = await startGateway({ script, dataDir, env, program });
      const acknowledged = await submitUntilGone(gateway);
      const { code, signal } = await gateway.ended;
      expect({ code, signal }).toEqual({ code: 1, signal: null });
      expect(gateway.log()).toContain("store.broken");
      const { failed, later } = syncedAfterFailure(trace);
      expect(failed).toContain("airlock.db");
      expect(later).toEqual([]);
      await expectKept(dataDir, acknowledged);
    });
  }

  for (const nth of isSoak ? [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12] : [1, 6]) {
    it(`at the start, number ${nth}, is an end with a message, and the next start is a good one`, async () => {
      const dataDir = newDir();
      const trace = join(dataDir, "trace.txt");
      const fault = `error=EIO:when=${nth}`;
      const program = straced({ calls: "fsync,fdatasync", fault, trace });
      const said = await startGateway({ script, dataDir, env, program }).then(
        (gateway) => gateway.kill9().then(() => "started"),
        String,
      );
      const { failed } = syncedAfterFailure(trace);
      // SQLite does not ask whether the sync of its directory failed, and while it makes a database nobody needs it.
      if (failed.startsWith("/") && failed !== dataDir) expect(said).toMatch(/EIO|I\/O/);
      await expectKept(dataDir, new Map());
    });
  }

  const nths = isSoak ? [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12] : [1, 2, 4];
  for (const nth of mayAttach() ? nths : []) {
    it(`of a blob or its directory, number ${nth}, does the same and fails no run`, async () => {
      const dataDir = newDir();
      const trace = join(dataDir, "trace.txt");
      const gateway = await startGateway({ script, dataDir, env });
      await straceFiles(gateway.pid, {
        calls: "fsync,fdatasync",
        fault: `error=EIO:when=${nth}`,
        trace,
      });
      const acknowledged = await submitUntilGone(gateway);
      const { code, signal } = await gateway.ended;
      expect({ code, signal }).toEqual({ code: 1, signal: null });
      expect(gateway.log()).toContain("blobs.broken");
      const { failed, later } = syncedAfterFailure(trace);
      expect(failed).toContain("/blobs");
      expect(later).not.toContain(failed);
      await expectKept(dataDir, acknowledged);
    });
  }
});
