import { execFileSync } from "node:child_process";
import { appendFileSync, renameSync, writeFileSync } from "node:fs";
import { chmod, mkdir, mkdtemp, readdir, rm, symlink, truncate, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { systemClock } from "../base/clock.ts";
import { openLog } from "../base/log.ts";
import { openThreads } from "../base/threads.ts";
import { containsSecret } from "../egress/egress.ts";
import { openBlobs } from "./blobs.ts";
import type { Blobs, Captured } from "./content.ts";
import type { SecretScanner } from "./output-file.ts";
import { type CaptureRequest, type OutputCaptureOptions, openOutputCapture } from "./outputs.ts";

const noSecrets: SecretScanner = { start: () => ({ push: () => false }) };
/** Time has gone on since the files were written, so that what was read may be remembered. */
const laterClock = { ...systemClock, now: () => systemClock.now() + 60_000 };
const canary = "sk-canary-123";

const threads = openThreads({ log: openLog("silent") });
let dir: string;
let roots: CaptureRequest["roots"];
let blobs: Blobs;

beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), "airlock-outputs-"));
  roots = { tmp: join(dir, "tmp"), workspace: join(dir, "workspace") };
  await mkdir(join(roots.workspace, "out"), { recursive: true });
  await mkdir(roots.tmp);
  blobs = await openBlobs({ dir, clock: systemClock, log: openLog("silent"), threads });
});
afterEach(() => rm(dir, { recursive: true, force: true }));

const out = (name: string) => join(roots.workspace, "out", name);

function openCapture(options: Partial<OutputCaptureOptions> = {}) {
  const capture = openOutputCapture({ blobs, clock: laterClock, secrets: noSecrets, ...options });
  return (request: Partial<CaptureRequest> = {}) =>
    capture({
      roots,
      outputDirs: ["/workspace/out"],
      previous: [],
      signal: new AbortController().signal,
      ...request,
    });
}

const reasons = (captured: Captured) =>
  Object.fromEntries(captured.missing.map(({ path, reason }) => [path, reason]));
const names = (captured: Captured) => captured.outputs.map(({ name }) => name);

/** Scans for the canary, and calls back while a file is being read. */
function scanner(onChunk: (text: string) => void = () => undefined): SecretScanner {
  return {
    start: () => ({
      push(chunk) {
        const text = Buffer.from(chunk).toString("latin1");
        onChunk(text);
        return text.includes(canary);
      },
    }),
  };
}

describe("a capture", () => {
  test("hands back every file, in the order of its bytes, with type, size and digest", async () => {
    await mkdir(out("sub"));
    await writeFile(out("sub/data.json"), "{}");
    await writeFile(out("b.csv"), "1,2");
    await writeFile(out("B"), "");
    const captured = await openCapture()();
    expect(captured.missing).toEqual([]);
    expect(captured.outputs).toMatchObject([
      { path: "/workspace/out/B", name: "B", bytes: 0, contentType: "application/octet-stream" },
      { path: "/workspace/out/b.csv", name: "b.csv", bytes: 3, contentType: "text/csv" },
      {
        path: "/workspace/out/sub/data.json",
        name: "sub/data.json",
        contentType: "application/json",
      },
    ]);
    for (const { sha256, bytes } of captured.outputs) {
      expect((await blobs.get(sha256)).length).toBe(bytes);
    }
  });

  test("reads several directories, one inside another only once", async () => {
    await mkdir(join(roots.tmp, "state"));
    await mkdir(out("inner"));
    await writeFile(join(roots.tmp, "state", "s"), "s");
    await writeFile(out("inner/i"), "i");
    const outputDirs = ["/workspace/out/inner", "/workspace/out", "/tmp/state"];
    expect(names(await openCapture()({ outputDirs }))).toEqual(["out/inner/i", "state/s"]);
  });

  test("keeps id and name of a path that was captured before, with new bytes", async () => {
    await writeFile(out("a"), "1");
    const capture = openCapture();
    const first = await capture();
    await writeFile(out("a"), "22");
    await writeFile(out("A"), "3");
    const second = await capture({ previous: first.outputs });
    const again = second.outputs.find(({ path }) => path === "/workspace/out/a");
    expect(again).toMatchObject({ id: first.outputs[0]?.id, name: "a", bytes: 2 });
  });

  test("reads a file again only when it changed", async () => {
    const read: string[] = [];
    await writeFile(out("a"), "same");
    await writeFile(out("b"), "old");
    const secrets = scanner((text) => read.push(text));
    const capture = openCapture({ secrets });
    const first = await capture();
    renameSync(out("b"), join(dir, "elsewhere"));
    await writeFile(out("b"), "new");
    read.length = 0;
    const second = await capture({ previous: first.outputs });
    expect(read).not.toContain("same");
    expect(read).toContain("new");
    expect(second.outputs.length).toBe(2);
  });

  test("reads a file again when it was written too shortly before to tell a later change", async () => {
    const read: string[] = [];
    await writeFile(out("a"), "hot");
    const now = systemClock.now();
    const clock = { ...systemClock, now: () => now };
    const capture = openCapture({ clock, secrets: scanner((text) => read.push(text)) });
    const first = await capture();
    await capture({ previous: first.outputs });
    expect(read.filter((text) => text === "hot").length).toBe(2);
  });

  test("reads a file again when no row refers to what was read before", async () => {
    await writeFile(out("a"), "a");
    const capture = openCapture();
    const first = await capture();
    const sha256 = first.outputs[0]?.sha256 ?? "";
    await rm(join(dir, "blobs", sha256.slice(7, 9), sha256.slice(9)));
    await capture({ previous: [] });
    expect((await blobs.get(sha256)).toString()).toBe("a");
  });
});

describe("what does not come back", () => {
  test("is every link and special file, and none of them is followed or waited for", async () => {
    await symlink("/etc/passwd", out("passwd"));
    await symlink("/etc", out("etc"));
    await symlink("nowhere", out("dangling"));
    execFileSync("mkfifo", [out("fifo")]);
    const server = createServer().listen(out("socket"));
    await new Promise((resolve) => server.once("listening", resolve));
    const captured = await openCapture()();
    server.close();
    expect(captured.outputs).toEqual([]);
    const found = ["dangling", "etc", "fifo", "passwd", "socket"];
    expect(reasons(captured)).toEqual(
      Object.fromEntries(found.map((name) => [`/workspace/out/${name}`, "not_a_regular_file"])),
    );
  });

  test("is a name that is not UTF-8, each of two that decode alike told apart", async () => {
    for (const byte of [0xff, 0xfe]) {
      writeFileSync(Buffer.concat([Buffer.from(`${out("a")}`), Buffer.of(byte)]), "x");
    }
    expect(reasons(await openCapture()())).toEqual({
      "/workspace/out/a\\xff": "name_not_utf8",
      "/workspace/out/a\\xfe": "name_not_utf8",
    });
  });

  test("is a directory that is missing, a file, or reached through a link", async () => {
    await writeFile(out("file"), "");
    await symlink("/etc", join(roots.workspace, "link"));
    const outputDirs = ["/workspace/none", "/workspace/out/file", "/workspace/link", "/tmp/a/b"];
    expect(reasons(await openCapture()({ outputDirs }))).toEqual(
      Object.fromEntries(outputDirs.map((outputDir) => [outputDir, "directory_missing"])),
    );
  });

  test("is everything, once the run's directories are gone", async () => {
    await rm(roots.workspace, { recursive: true });
    expect(reasons(await openCapture()())).toEqual({
      "/workspace/out": "session_terminated_pre_sync",
    });
  });

  test("is a file that changes while it is read, and nothing of it is stored", async () => {
    await writeFile(out("grows"), "content of grows");
    await writeFile(out("same-size"), "content of same");
    const secrets = scanner((text) => {
      if (text === "content of grows") appendFileSync(out("grows"), "more");
      if (text === "content of same") writeFileSync(out("same-size"), "CONTENT OF SAME");
    });
    const captured = await openCapture({ secrets })();
    expect(reasons(captured)).toEqual({
      "/workspace/out/grows": "changed_while_read",
      "/workspace/out/same-size": "changed_while_read",
    });
    expect(await Array.fromAsync(blobs.all())).toEqual([]);
  });

  test("is a file that holds a secret, in its bytes or in its name, and no blob has it", async () => {
    await writeFile(out("env"), `KEY=${canary}`);
    await writeFile(out(`name-${canary}`), "harmless");
    await writeFile(out("fine"), "fine");
    const captured = await openCapture({ secrets: scanner() })();
    expect(names(captured)).toEqual(["fine"]);
    expect(reasons(captured)).toEqual({
      "/workspace/out/env": "contains_secret",
      "/workspace/out": "contains_secret",
    });
    expect(JSON.stringify(captured)).not.toContain(canary);
    expect((await Array.fromAsync(blobs.all())).length).toBe(1);
    expect(await readdir(join(dir, "blobs", "tmp"))).toEqual([]);
  });

  test("is a file whose logical size is too large, before a byte of it is read", async () => {
    await writeFile(out("sparse"), "");
    await truncate(out("sparse"), 1024 ** 4);
    await writeFile(out("x"), "x");
    const captured = await openCapture()();
    expect(names(captured)).toEqual(["x"]);
    expect(reasons(captured)).toEqual({ "/workspace/out/sparse": "file_too_large" });
  });

  test("is what exceeds the sum, while smaller files still come back", async () => {
    for (const [name, size] of [
      ["a", 6],
      ["b", 6],
      ["c", 4],
    ] as const) {
      await writeFile(out(name), "x".repeat(size));
    }
    const limits = { outputFiles: 10, outputFileBytes: 100, outputTotalBytes: 10 };
    const captured = await openCapture({ limits })();
    expect(names(captured)).toEqual(["a", "c"]);
    expect(reasons(captured)).toEqual({ "/workspace/out/b": "storage_cap_exceeded" });
  });

  test("is every file after the most that a run may keep", async () => {
    for (let i = 0; i < 5; i++) await writeFile(out(`f${i}`), "x");
    const limits = { outputFiles: 3, outputFileBytes: 100, outputTotalBytes: 100 };
    const captured = await openCapture({ limits })();
    expect(names(captured)).toEqual(["f0", "f1", "f2"]);
    expect(reasons(captured)).toEqual({ "/workspace/out": "too_many_files" });
  });

  test("is listed up to a thousand rows and then counted", async () => {
    for (let i = 0; i < 1_010; i++) await symlink("x", out(`l${i}`));
    const { missing } = await openCapture()();
    expect(missing.length).toBe(1_001);
    expect(missing.at(-1)?.message).toContain("10 more entries");
  });

  test("is a file that the gateway may not read, which as root it always may", async () => {
    await writeFile(out("closed"), "x");
    await chmod(out("closed"), 0);
    const captured = await openCapture()();
    if (process.getuid?.() === 0) expect(names(captured)).toEqual(["closed"]);
    else expect(reasons(captured)).toEqual({ "/workspace/out/closed": "unreadable" });
  });

  test("is a tree deeper than is read", async () => {
    const deep = out(Array.from({ length: 70 }, () => "d").join("/"));
    await mkdir(deep, { recursive: true });
    await writeFile(join(deep, "f"), "x");
    const captured = await openCapture()();
    expect(captured.outputs).toEqual([]);
    expect(captured.missing.map(({ reason }) => reason)).toEqual(["too_deep"]);
  });
});

describe("a capture that cannot go on", () => {
  test("stops with the signal's reason and keeps no file open", async () => {
    await writeFile(out("a"), "a");
    const before = (await readdir("/proc/self/fd")).length;
    const stop = new AbortController();
    const secrets = scanner((text) => text === "a" && stop.abort(new Error("stopping")));
    await expect(openCapture({ secrets })({ signal: stop.signal })).rejects.toThrow("stopping");
    expect((await readdir("/proc/self/fd")).length).toBe(before);
    expect(await readdir(join(dir, "blobs", "tmp"))).toEqual([]);
  });
});

describe("a file that another thread reads", () => {
  const mebibyte = 1024 * 1024;
  const large = Buffer.alloc(3 * mebibyte + 17, "0123456789abcdef");
  const capture = (signal?: AbortSignal) =>
    openCapture({ secrets: containsSecret([canary]) })(signal ? { signal } : {});
  const kept = async () => {
    const all = [];
    for await (const { sha256 } of blobs.all()) all.push(sha256);
    return [...all, ...(await readdir(join(dir, "blobs", "tmp")))];
  };

  test("comes back byte for byte", async () => {
    await writeFile(out("big"), large);
    const { outputs } = await capture();
    expect(outputs).toMatchObject([{ name: "big", bytes: large.length }]);
    expect(Buffer.compare(await blobs.get(outputs[0]?.sha256 ?? ""), large)).toBe(0);
  });

  test("is not kept when a secret lies across two of its pieces", async () => {
    const dirty = Buffer.from(large);
    dirty.write(canary, mebibyte - 5);
    await writeFile(out("big"), dirty);
    expect(reasons(await capture())).toEqual({ "/workspace/out/big": "contains_secret" });
    expect(await kept()).toEqual([]);
  });

  test("tells when what it holds is the canary, and only then", async () => {
    let met = 0;
    const onCanary = () => {
      met += 1;
    };
    const secrets = containsSecret(["another-secret"], { canary, onCanary });
    await writeFile(out("big"), Buffer.concat([large, Buffer.from("another-secret")]));
    const search = openCapture({ secrets });
    expect(reasons(await search({}))).toEqual({ "/workspace/out/big": "contains_secret" });
    expect(met).toBe(0);
    await writeFile(out("big"), Buffer.concat([large, Buffer.from(btoa(`u:${canary}`))]));
    expect(reasons(await search({}))).toEqual({ "/workspace/out/big": "contains_secret" });
    expect(met).toBe(1);
    await writeFile(out("big"), `a small one with ${canary}`);
    expect(reasons(await search({}))).toEqual({ "/workspace/out/big": "contains_secret" });
    expect(met).toBe(2);
    expect(await kept()).toEqual([]);
  });

  test("is not kept when it changes meanwhile, in place or in length", async () => {
    await writeFile(out("big"), large);
    for (const change of [
      () => appendFileSync(out("big"), "more"),
      () => writeFileSync(out("big"), "other", { flag: "r+" }),
    ]) {
      const captured = capture();
      change();
      expect(reasons(await captured)).toEqual({ "/workspace/out/big": "changed_while_read" });
    }
    expect(await kept()).toEqual([]);
  });

  test("is let go of when the capture is aborted", async () => {
    await writeFile(out("big"), large);
    const before = (await readdir("/proc/self/fd")).length;
    const abort = new AbortController();
    const captured = capture(abort.signal);
    abort.abort(new Error("Enough"));
    await expect(captured).rejects.toThrow("Enough");
    expect(await kept()).toEqual([]);
    expect((await readdir("/proc/self/fd")).length).toBeLessThanOrEqual(before);
  });
});
