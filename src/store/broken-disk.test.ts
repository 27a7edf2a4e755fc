import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, readdirSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { describe, expect, it, onTestFinished } from "vitest";
import {
  appendNext,
  callFinished,
  claimedRun,
  openSampleStore,
  sampleRun,
} from "../../test/support/sample-store.ts";
import { tempDir } from "../../test/support/temp-dir.ts";

const program = join(import.meta.dirname, "../../test/support/store-process.ts");

describe("a disk that breaks a promise", () => {
  it("ends the store once, and no acknowledged append is lost", async () => {
    const dir = await tempDir("broken");
    // A file size limit fails a write in the middle with another error than a full disk: as a bad disk would.
    const child = spawn(
      "sh",
      ["-c", `ulimit -f 1200; exec "$0" "$@"`, process.execPath, program, "append", dir],
      {
        stdio: ["ignore", "pipe", "inherit"],
      },
    );
    const acked = new Map<string, number>();
    let end: unknown;
    for await (const text of createInterface(child.stdout)) {
      const line = JSON.parse(text);
      if (line.runId) acked.set(line.runId, line.seq);
      if (line.error) end = line;
    }
    if (child.exitCode === null) await once(child, "exit");
    expect(end).toMatchObject({ broken: 1 });
    expect(acked.size).toBe(5);
    const store = await openSampleStore(dir);
    for (const [runId, seq] of acked) {
      const events = await store.journal.read(runId, 0, 1_000_000);
      expect(events.length).toBeGreaterThanOrEqual(seq);
    }
    expect(await store.verify()).toMatchObject({ ok: true, defects: [] });
  });

  it("is noticed when the database is cut short under a running gateway", async () => {
    const dir = await tempDir("broken");
    const errors: unknown[] = [];
    const first = await openSampleStore(dir);
    const runs = [];
    for (let index = 0; index < 40; index++) {
      const run = await claimedRun(first);
      await appendNext(first, run, [callFinished({ result: { stdout: "x".repeat(20_000) } })]);
      runs.push(run);
    }
    await first.close();
    const store = await openSampleStore(dir, (error) => errors.push(error));
    truncateSync(join(dir, "airlock.db"), 40_960);
    for (const run of runs) {
      await store.journal.read(run.runId, 0, 10).catch(() => undefined);
    }
    expect(errors).toHaveLength(1);
    await expect(store.journal.submit(sampleRun())).rejects.toMatchObject({ name: "StoreBroken" });
    await expect(store.journal.submit(sampleRun())).rejects.toMatchObject({ name: "StoreBroken" });
    expect(errors).toHaveLength(1);
  });
});

/** A real small disk. Only root can mount one; the ordinary user's way to a full disk is in `writer.test.ts`. */
function smallDisk(parent: string): { dir: string; fill(): void; empty(): void } {
  const disk = join(parent, "disk");
  mkdirSync(disk);
  execFileSync("mount", ["-t", "tmpfs", "-o", "size=3m,mode=0711", "tmpfs", disk]);
  onTestFinished(() => {
    execFileSync("umount", ["-l", disk]);
  });
  return {
    dir: join(disk, "data"),
    fill() {
      for (const size of [100_000, 4096]) {
        for (let index = 0; ; index++) {
          try {
            writeFileSync(join(disk, `fill-${size}-${index}`), Buffer.alloc(size));
          } catch (error) {
            expect(error).toMatchObject({ code: "ENOSPC" });
            break;
          }
        }
      }
    },
    empty() {
      for (const name of readdirSync(disk)) {
        if (name.startsWith("fill-")) rmSync(join(disk, name));
      }
    },
  };
}

function canMount(): boolean {
  if (process.getuid?.() !== 0) return false;
  try {
    execFileSync("unshare", ["-m", "mount", "-t", "tmpfs", "tmpfs", "/mnt"], { stdio: "ignore" });
    return true;
  } catch {
    return false;
  }
}

if (canMount()) {
  describe("a disk that is really full", () => {
    it("costs the write storage_full and nothing else, and recovers by itself", async () => {
      const disk = smallDisk(await tempDir("full"));
      const errors: unknown[] = [];
      const store = await openSampleStore(disk.dir, (error) => errors.push(error));
      const run = await claimedRun(store);
      disk.fill();
      const big = callFinished({ result: { stdout: "x".repeat(200_000) } });
      let failures = 0;
      for (let index = 0; index < 20; index++) {
        await appendNext(store, run, [big]).catch((error) => {
          expect(error).toMatchObject({ code: "storage_full" });
          failures++;
        });
      }
      expect(failures).toBeGreaterThan(0);
      expect(await store.runs.get(run.workspaceId, run.runId)).toMatchObject({ status: "queued" });
      disk.empty();
      await appendNext(store, run, [callFinished()]);
      expect(errors).toEqual([]);
      expect(await store.verify()).toMatchObject({ ok: true, defects: [] });
    });
  });
}
