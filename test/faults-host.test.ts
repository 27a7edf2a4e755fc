/**
 * What a host can do to a gateway short of breaking its disk: another program locks the database, descriptors or memory run
 * out, the disk is slow, a program of the sandbox is replaced, a file is half written. None of it loses a run.
 */
import { execFileSync } from "node:child_process";
import {
  chmodSync,
  chownSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { Agent, get } from "node:http";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { setTimeout as sleep } from "node:timers/promises";
import { describe, expect, it, onTestFinished } from "vitest";
import { call, clientOf, defectsOf, historyOf } from "./support/airlock-api.ts";
import { checkoutFor } from "./support/checkout-for.ts";
import { openMemoryGroup } from "./support/memory-group.ts";
import { untilEvent } from "./support/results-of.ts";
import { isSoak } from "./support/soak.ts";
import { newDataDir, type StartedGateway, startGateway } from "./support/start-gateway.ts";
import { gone, mayAttach, straceFiles, straceMain } from "./support/strace.ts";

const { node, root } = checkoutFor(undefined);
const exec = (command: string) => ({
  calls: [{ tool: "sandbox_exec", arguments: { command } }],
});
const write = { tool: "content_write", arguments: { name: "a", content: "a".repeat(70_000) } };
const script = {
  scripts: {
    says: { turns: [{ text: "done" }] },
    works: { turns: [{ calls: [write] }, exec("sleep 1; echo up"), exec("true"), { text: "ok" }] },
    hangs: { turns: [exec("echo up; sleep 600"), { text: "ok" }] },
  },
};

async function start(options: Parameters<typeof startGateway>[0] = {}): Promise<StartedGateway> {
  const dataDir = options.dataDir ?? newDataDir();
  const gateway = await startGateway({ script, ...options, dataDir });
  onTestFinished(async () => {
    await gateway.stop();
    rmSync(dataDir, { recursive: true, force: true });
  });
  return gateway;
}

/** Enough for a gateway at work, not for a crowd at its door. */
const groupBytes = 200 * 1024 * 1024;

const submit = (gateway: StartedGateway, name: string) =>
  clientOf(gateway).submitRun({ model: `scripted/${name}`, prompt: "go" });

async function expectSound(gateway: StartedGateway, ids: readonly string[]): Promise<void> {
  for (const id of ids) {
    expect(await clientOf(gateway).wait(id)).toMatchObject({ status: "succeeded" });
    expect(defectsOf(id, await historyOf(gateway, id))).toEqual([]);
  }
  expect(await clientOf(gateway).verify()).toMatchObject({ ok: true, defects: [] });
}

function lock(dataDir: string): DatabaseSync {
  const db = new DatabaseSync(join(dataDir, "airlock.db"), { timeout: 5_000 });
  db.exec("BEGIN EXCLUSIVE");
  return db;
}

describe("a database that another program has locked", () => {
  it("holds up what is written, neither reads nor runs, and all goes on when it is free", async () => {
    const gateway = await start();
    const before = await submit(gateway, "says");
    await before.wait();
    const run = await submit(gateway, "works");
    await untilEvent(run, "call.started", 2);
    const other = lock(gateway.dataDir);
    const late = submit(gateway, "says");
    // Longer than SQLite itself would wait, and long enough for the run to want to write.
    for (const begun = performance.now(); performance.now() - begun < 4_000; ) {
      const asked = performance.now();
      expect((await before.get()).status).toBe("succeeded");
      expect((await clientOf(gateway).health()).live).toBe(true);
      expect(performance.now() - asked).toBeLessThan(3_500);
    }
    other.exec("ROLLBACK");
    other.close();
    await expectSound(gateway, [before.id, run.id, (await late).id]);
  });

  it("is waited for at the start, but not for ever", async () => {
    const gateway = await start();
    const { dataDir } = gateway;
    await gateway.kill9();
    const other = lock(dataDir);
    // In a soak the lock outlasts the patience of half a minute.
    if (isSoak) {
      await expect(startGateway({ dataDir, script })).rejects.toThrow(
        "is locked by a program that is not Airlock",
      );
    }
    const waiting = start({ dataDir });
    expect(await Promise.race([waiting, sleep(3_000, "waits")])).toBe("waits");
    other.exec("ROLLBACK");
    other.close();
    await expectSound(await waiting, []);
  }, 180_000);
});

// Only root can give a file to somebody else, or mount.
if (process.getuid?.() === 0) {
  describe("a data directory that cannot be written", () => {
    async function stopped(options: Parameters<typeof startGateway>[0] = {}): Promise<string> {
      const gateway = await start(options);
      await gateway.kill9();
      return gateway.dataDir;
    }

    it("because it is mounted read-only is refused by name, and is as it was", async () => {
      const dataDir = await stopped();
      const before = readFileSync(join(dataDir, "airlock.db"));
      const mount = 'mount --bind "$0" "$0" && mount -o remount,ro,bind "$0" && exec "$@"';
      const inside = ["sh", "-c", mount, dataDir, node, join(root, "src/main.ts")];
      const program = ["unshare", "--mount", ...inside];
      await expect(startGateway({ dataDir, program })).rejects.toThrow(
        `Cannot write "${dataDir}": its filesystem is mounted read-only`,
      );
      expect(readFileSync(join(dataDir, "airlock.db")).equals(before)).toBe(true);
      await expectSound(await start({ dataDir }), []);
    });

    it("because it is somebody else's is refused by name; what only has the wrong mode is put right", async () => {
      const uid = 12_345;
      const dataDir = newDataDir(uid);
      await stopped({ dataDir, uid });
      chownSync(join(dataDir, "airlock.db"), 0, 0);
      await expect(startGateway({ dataDir, uid })).rejects.toThrow(
        `Cannot write "${join(dataDir, "airlock.db")}": uid ${uid} may not (owner 0, mode 600)`,
      );
      chownSync(join(dataDir, "airlock.db"), uid, uid);
      chmodSync(join(dataDir, "airlock.db"), 0o400);
      await expectSound(await start({ dataDir, uid }), []);
    });
  });
}

describe("a gateway without", () => {
  it("free descriptors refuses connections, dies of nothing, and recovers", async () => {
    const gateway = await start();
    // Node takes all that it may at its start, so the limit comes later.
    execFileSync("prlimit", ["--pid", String(gateway.pid), "--nofile=96:"]);
    const run = await submit(gateway, "says");
    await run.wait();
    const agent = new Agent({ keepAlive: true, maxSockets: 400 });
    const asked = Array.from({ length: 300 }, () => {
      const headers = { authorization: `Bearer ${gateway.token}` };
      const request = get(`${gateway.url}/api/runs/${run.id}`, { agent, headers });
      return new Promise<number>((resolve) => {
        request.on("response", (response) => {
          response.resume();
          resolve(response.statusCode ?? 0);
        });
        request.on("error", () => resolve(0));
      });
    });
    const working = submit(gateway, "works").catch(() => undefined);
    const answers = await Promise.all(asked);
    for (const status of answers) expect([0, 200, 429, 500, 503]).toContain(status);
    expect(answers).toContain(200);
    // Control: there were not enough for everybody.
    expect(answers).toContain(0);
    agent.destroy();
    await (await working)?.wait().catch(() => undefined);
    const after = await submit(gateway, "works");
    await expectSound(gateway, [run.id, after.id]);
  });
});

const mayGroup = openMemoryGroup(groupBytes);
mayGroup?.remove();
if (mayGroup) {
  describe("a gateway that may use no more than 200 MiB", () => {
    it("is ended by the kernel under a load, and the next one has everything", async () => {
      const gateway = await start();
      const { dataDir } = gateway;
      const group = openMemoryGroup(groupBytes);
      if (!group) throw new Error("There was a group a moment ago");
      group.join(gateway.pid);
      const acknowledged = [
        (await submit(gateway, "works")).id,
        (await submit(gateway, "says")).id,
      ];
      await untilEvent(clientOf(gateway).run(acknowledged[0] ?? ""), "call.started");
      // Prompts as large as they may be, many at once, until it is too much.
      const gone = new AbortController();
      void gateway.ended.then(() => gone.abort(new Error("The gateway is gone")));
      const prompt = "x".repeat(3_900_000);
      const load = async () => {
        while (!gone.signal.aborted) {
          const body = { model: "scripted/says", prompt, signal: gone.signal };
          const run = await clientOf(gateway)
            .submitRun(body)
            .catch(() => undefined);
          if (run !== undefined) acknowledged.push(run.id);
        }
      };
      await Promise.all(Array.from({ length: 40 }, load));
      expect((await gateway.ended).signal).toBe("SIGKILL");
      expect(group.kills()).toBeGreaterThan(0);
      group.remove();
      await expectSound(await start({ dataDir }), acknowledged);
    }, 180_000);
  });
}

if (mayAttach()) {
  describe("a slow disk", () => {
    it("makes everything slow and nothing wrong", async () => {
      const gateway = await start({ env: { UV_THREADPOOL_SIZE: "1" } });
      const slow = { calls: "fsync,fdatasync", fault: "delay_exit=150ms" };
      const tracers = [await straceMain(gateway.pid, slow), await straceFiles(gateway.pid, slow)];
      const runs = await Promise.all(
        ["works", "says", "works", "says"].map((name) => submit(gateway, name)),
      );
      const asked = performance.now();
      expect((await clientOf(gateway).health()).live).toBe(true);
      expect(performance.now() - asked).toBeLessThan(20_000);
      await expectSound(
        gateway,
        runs.map(({ id }) => id),
      );
      for (const tracer of tracers) {
        tracer.kill("SIGTERM");
        await gone(tracer);
      }
    });
  });
}

describe("a file that is", () => {
  it("half a blob is swept at the next start and never served", async () => {
    const gateway = await start();
    const { dataDir } = gateway;
    await gateway.kill9();
    const half = join(dataDir, "blobs/tmp/0d7a1c36-3f1d-4a63-9d0c-6f1d5e2f9a11");
    writeFileSync(half, "half of something");
    mkdirSync(join(dataDir, "runs/run_01kadz3v6m5c0jx9s2qf8t7w4b"), { recursive: true });
    const next = await start({ dataDir });
    expect(existsSync(half)).toBe(false);
    expect(existsSync(join(dataDir, "runs/run_01kadz3v6m5c0jx9s2qf8t7w4b"))).toBe(false);
    await expectSound(next, []);
  });

  it("the gateway's own, replaced while it works, changes nothing for it", async () => {
    const dir = newDataDir();
    onTestFinished(() => rmSync(dir, { recursive: true, force: true }));
    const program = join(dir, "node");
    copyFileSync(node, program);
    const gateway = await start({ program: [program, join(root, "src/main.ts")] });
    const run = await submit(gateway, "works");
    await untilEvent(run, "call.started");
    writeFileSync(`${program}.new`, "#!/bin/sh\nexit 1\n", { mode: 0o755 });
    renameSync(`${program}.new`, program);
    const after = await submit(gateway, "works");
    await expectSound(gateway, [run.id, after.id]);
    expect((await call(gateway, "GET", "/api/whoami")).status).toBe(200);
  });
});
