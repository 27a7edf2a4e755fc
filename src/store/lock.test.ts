import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { describe, expect, it, onTestFinished } from "vitest";
import { openSampleStore } from "../../test/support/sample-store.ts";
import { tempDir } from "../../test/support/temp-dir.ts";

const program = join(import.meta.dirname, "../../test/support/store-process.ts");

async function holder(dir: string): Promise<{ child: ChildProcess; line: unknown }> {
  const child = spawn(process.execPath, [program, "hold", dir], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  onTestFinished(async () => {
    if (child.exitCode === null && child.signalCode === null) {
      child.kill("SIGKILL");
      await once(child, "exit");
    }
  });
  const [line] = await once(createInterface(child.stdout), "line");
  return { child, line: JSON.parse(line) };
}

describe("the lock of a data directory", () => {
  it("refuses a second gateway in another process and names the directory and the holder", async () => {
    const dir = join(await tempDir("lock"), "data");
    const { child } = await holder(dir);
    await expect(openSampleStore(dir)).rejects.toMatchObject({
      code: "data_dir_locked",
      message: expect.stringContaining(`"${dir}"`),
      ...(process.platform === "linux" ? { details: { dir, pid: child.pid } } : {}),
    });
  });

  it("refuses a second gateway in the same process, and the first keeps the lock", async () => {
    const dir = await tempDir("lock");
    await openSampleStore(dir);
    await expect(openSampleStore(dir)).rejects.toMatchObject({ code: "data_dir_locked" });
    const { line } = await holder(dir);
    expect(line).toMatchObject({ error: expect.stringContaining("in use by another gateway") });
  });

  it("is free at once when its holder was killed, and the epoch has grown", async () => {
    const dir = await tempDir("lock");
    for (const epoch of [2, 4, 6]) {
      const { child } = await holder(dir);
      child.kill("SIGKILL");
      await once(child, "exit");
      const store = await openSampleStore(dir);
      expect(store.epoch).toBe(epoch);
      await store.close();
    }
  });
});

describe("the data directory", () => {
  it("is made with its parents, passable for the runs' group and listable for nobody else", async () => {
    const parent = join(await tempDir("dir"), "var");
    const before = process.umask(0o077);
    onTestFinished(() => {
      process.umask(before);
    });
    await openSampleStore(join(parent, "airlock"));
    expect(statSync(parent).mode & 0o777).toBe(0o710);
    expect(statSync(join(parent, "airlock")).mode & 0o777).toBe(0o710);
  });

  it("holds only files that nobody but the owner can read", async () => {
    const dir = await tempDir("dir");
    const before = process.umask(0);
    onTestFinished(() => {
      process.umask(before);
    });
    await openSampleStore(dir);
    for (const name of readdirSync(dir)) {
      expect([name, statSync(join(dir, name)).mode & 0o777]).toEqual([name, 0o600]);
    }
  });
});
