import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { openLog } from "../base/log.ts";
import { openRemovals } from "./removals.ts";

let dataDir: string;
beforeEach(() => {
  dataDir = mkdtempSync(join(tmpdir(), "airlock-removals-"));
});
afterEach(() => rmSync(dataDir, { recursive: true, force: true }));

const log = openLog("silent");
const aside = () => readdirSync(join(dataDir, "removed"));

function treeOf(name: string, files: number): string {
  const path = join(dataDir, name);
  mkdirSync(join(path, "tmp"), { recursive: true });
  for (let file = 0; file < files; file++) writeFileSync(join(path, "tmp", String(file)), "x");
  return path;
}

describe("removals", () => {
  it("take a small tree away at once, and leave nothing of it when they are closed", async () => {
    const removals = openRemovals(dataDir, log);
    const path = treeOf("run_a", 3);
    expect(await removals.remove(path)).toBe(true);
    expect(existsSync(path)).toBe(false);
    await removals.close();
    expect(aside()).toEqual([]);
    expect(await removals.remove(path)).toBe(true);
  });

  it("let whoever removes a large tree wait for it", async () => {
    const removals = openRemovals(dataDir, log);
    const path = treeOf("run_a", 300);
    expect(await removals.remove(path)).toBe(true);
    expect(existsSync(path)).toBe(false);
    expect(aside()).toEqual([]);
  });

  it("remove at the start what a gateway left when it died", async () => {
    treeOf("removed/left", 3);
    const removals = openRemovals(dataDir, log);
    expect(aside()).toEqual(["left"]);
    await removals.sweep();
    expect(aside()).toEqual([]);
  });
});
