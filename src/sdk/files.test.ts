import { execFileSync, spawn } from "node:child_process";
import { lstatSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { afterAll, expect, it } from "vitest";
import { saveTo } from "./files.ts";

const directory = mkdtempSync(join(tmpdir(), "airlock-save-"));
afterAll(() => rmSync(directory, { recursive: true }));

it("writes into a pipe or a device and leaves it what it is", async () => {
  const pipe = join(directory, "pipe");
  execFileSync("mkfifo", [pipe]);
  const reader = spawn("cat", [pipe], { stdio: ["ignore", "pipe", "inherit"] });
  const read = text(reader.stdout);
  const saved = await saveTo(
    pipe,
    (async function* () {
      yield Buffer.from("all ");
      yield Buffer.from("of it");
    })(),
  );
  expect(saved).toEqual({ path: pipe, bytes: 9 });
  expect(await read).toBe("all of it");
  expect(lstatSync(pipe).isFIFO()).toBe(true);
});

it("writes a file whose name is as long as a name can be", async () => {
  const inside = mkdtempSync(join(directory, "long-"));
  const path = join(inside, `${"n".repeat(251)}.txt`);
  const saved = await saveTo(
    path,
    (async function* () {
      yield Buffer.from("whole");
    })(),
  );
  expect(saved).toEqual({ path, bytes: 5 });
  expect(readFileSync(path, "utf8")).toBe("whole");
  expect(readdirSync(inside)).toHaveLength(1);
});
