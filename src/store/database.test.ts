import { copyFileSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { describe, expect, it } from "vitest";
import {
  appendNext,
  claimedRun,
  openSampleStore,
  startedEvents,
} from "../../test/support/sample-store.ts";
import { tempDir } from "../../test/support/temp-dir.ts";

async function usedDir(): Promise<{ dir: string; path: string }> {
  const dir = await tempDir("database");
  const store = await openSampleStore(dir);
  for (let index = 0; index < 20; index++) await claimedRun(store);
  await store.close();
  return { dir, path: join(dir, "airlock.db") };
}

function change(path: string, sql: string): void {
  const db = new DatabaseSync(path);
  db.exec(sql);
  db.close();
}

describe("opening a database", () => {
  it("keeps what an earlier start wrote", async () => {
    const { dir } = await usedDir();
    const store = await openSampleStore(dir);
    expect(await store.runs.unfinished()).toHaveLength(20);
    expect(store.epoch).toBe(2);
  });

  it("is refused when the database is newer than the code, and changes nothing", async () => {
    const { dir, path } = await usedDir();
    const version = `(select value from meta where key = 'schema_version')`;
    change(path, `create table kept as select ${version} as value`);
    change(path, "update meta set value = 99 where key = 'schema_version'");
    await expect(openSampleStore(dir)).rejects.toMatchObject({
      name: "DatabaseRefused",
      message: expect.stringMatching(/schema version 99.*newer version/),
    });
    const was = "(select value from kept)";
    change(path, `update meta set value = ${was} where key = 'schema_version'`);
    expect((await openSampleStore(dir)).epoch).toBe(2);
  });

  it("is refused when the file is damaged, and the file is left as it is", async () => {
    const damages: ((bytes: Buffer) => Buffer)[] = [
      (bytes) => bytes.fill("not a database", 0, 4096),
      (bytes) => bytes.fill(0xa5, 8192, 16_384),
      (bytes) => bytes.subarray(0, 20_480),
      () => Buffer.alloc(0),
    ];
    for (const damage of damages) {
      const { dir, path } = await usedDir();
      const damaged = damage(readFileSync(path));
      writeFileSync(path, damaged);
      await expect(openSampleStore(dir)).rejects.toMatchObject({
        name: "DatabaseRefused",
        message: expect.stringContaining("damaged"),
      });
      expect(readFileSync(path).equals(damaged)).toBe(true);
    }
  });

  it("is refused when only the log of a database is there", async () => {
    const { dir, path } = await usedDir();
    copyFileSync(path, `${path}-wal`);
    rmSync(path);
    await expect(openSampleStore(dir)).rejects.toThrow("restore both");
    expect(readdirSync(dir)).not.toContain("airlock.db");
  });

  it("sweeps what a start that died left behind", async () => {
    const dir = await tempDir("database");
    writeFileSync(join(dir, "airlock.db.0000.unfinished"), "half a database");
    writeFileSync(join(dir, "airlock.db.0000.unfinished-journal"), "");
    await openSampleStore(dir);
    expect(readdirSync(dir).filter((name) => name.includes("unfinished"))).toEqual([]);
  });

  it("releases the directory when it fails", async () => {
    const { dir, path } = await usedDir();
    const sound = readFileSync(path);
    writeFileSync(path, "");
    await expect(openSampleStore(dir)).rejects.toThrow("damaged");
    writeFileSync(path, sound);
    const store = await openSampleStore(dir);
    const run = await claimedRun(store);
    await appendNext(store, run, startedEvents);
  });
});
