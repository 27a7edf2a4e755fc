import {
  closeSync,
  constants,
  mkdirSync,
  mkdtempSync,
  openSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeEach, expect, test } from "vitest";
import { openLog } from "../base/log.ts";
import { openThreads } from "../base/threads.ts";
import { containsSecret } from "../egress/egress.ts";
import { findSecretBelow, findSecretThread } from "./content.ts";

const secret = "Kp3-another-secret-Vb8";
const canary = "Zq9-canary-Xw7";
const threads = openThreads({ log: openLog("silent") });
afterAll(() => threads.close());

let dir = "";
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "airlock-find-secret-"));
});
afterEach(() => rmSync(dir, { recursive: true }));

async function found() {
  const root = openSync(dir, constants.O_RDONLY | constants.O_DIRECTORY);
  try {
    const { recipe } = containsSecret([secret], { canary });
    const task = { module: findSecretThread, work: findSecretBelow };
    return await threads.run(task, { root, scanner: recipe });
  } finally {
    closeSync(root);
  }
}

test("a tree without a secret is passed, and one with a secret names its path", async () => {
  mkdirSync(join(dir, "sub"));
  writeFileSync(join(dir, "sub", "plain"), "nothing here".repeat(50_000));
  expect(await found()).toBeUndefined();
  writeFileSync(join(dir, "sub", "file"), `${"x".repeat(300_000)}${btoa(`u:${secret}`)}`);
  expect(await found()).toEqual({ path: "sub/file", isCanary: false });
});

test.each<[string, () => void, string]>([
  ["the bytes of a file", () => writeFileSync(join(dir, "file"), `it is ${canary}`), "file"],
  ["its name", () => writeFileSync(join(dir, `is-${canary}`), ""), `is-${canary}`],
  ["what a link points to", () => symlinkSync(`/tmp/${canary}`, join(dir, "link")), "link"],
])("the canary is told in %s", async (_where, put, path) => {
  put();
  expect(await found()).toEqual({ path, isCanary: true });
});
