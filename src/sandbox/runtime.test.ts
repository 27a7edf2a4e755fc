import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { walkTree } from "../base/tree.ts";
import { newDataDir, removeAll } from "./room.testing.ts";
import { stageRuntime } from "./runtime.ts";

let dataDir: string;
beforeEach(() => {
  dataDir = newDataDir();
});
afterEach(() => removeAll(dataDir));

const plain = { npm: false, python: undefined };

test("everything staged can be read by everybody and written by nobody else", () => {
  const umask = process.umask(0o077);
  let runtime: string;
  try {
    runtime = stageRuntime(dataDir, plain);
  } finally {
    process.umask(umask);
  }
  for (const entry of walkTree(runtime)) {
    if (entry.type === "symlink") continue;
    const shown = `${entry.path} ${entry.mode.toString(8)}`;
    expect([shown, entry.mode & 0o022, entry.mode & 0o004]).toEqual([shown, 0, 0o004]);
  }
  expect(statSync(join(runtime, "exec")).mode & 0o777).toBe(0o555);
  expect(statSync(join(runtime, "bin/node")).size).toBe(statSync(process.execPath).size);
});

test("the same contents have the same name, other contents another", () => {
  const first = stageRuntime(dataDir, plain);
  const inode = statSync(first).ino;
  expect(stageRuntime(dataDir, plain)).toBe(first);
  expect(statSync(first).ino).toBe(inode);
  expect(stageRuntime(dataDir, { ...plain, python: "/usr/bin/python3" })).not.toBe(first);
  expect(readdirSync(join(dataDir, "runtime"))).toHaveLength(2);
});

test("what a crash left half made is in nobody's way", () => {
  const half = join(dataDir, "runtime", "staging-left");
  mkdirSync(half, { recursive: true });
  execFileSync("/usr/bin/touch", ["-d", "2 days ago", half]);
  stageRuntime(dataDir, plain);
  expect(existsSync(half)).toBe(false);
});

test("npm is brought along whole, for a host that has none", () => {
  const runtime = stageRuntime(dataDir, { ...plain, npm: true });
  const npm = join(runtime, "lib/npm/bin/npm-cli.js");
  const version = execFileSync(join(runtime, "bin/node"), [npm, "--version"], {
    ...{ encoding: "utf8", cwd: dataDir, env: { HOME: dataDir, PATH: "/usr/bin:/bin" } },
  });
  expect(version).toMatch(/^\d+\.\d+\.\d+\n$/);
  expect(statSync(join(runtime, "bin/npx")).mode & 0o777).toBe(0o555);
});
