import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { openRoom, type Room, removeAll, runUid } from "./room.testing.ts";
import type { StageRequest } from "./sandbox.ts";

let room: Room;
beforeAll(async () => {
  room = await openRoom();
});
afterAll(() => room.close());

const digest = (text: string) => `sha256:${createHash("sha256").update(text).digest("hex")}`;

function request(name: string, text: string, more: Partial<StageRequest> = {}): StageRequest {
  const read = async () => [Buffer.from(text)];
  return { name, sha256: digest(text), placedBefore: [], newer: false, read, ...more };
}

const stage = (...requests: StageRequest[]) => room.sandbox.stage(room.place, requests);
const here = (name: string) => join(room.place.tmp, name);

describe("staging", () => {
  afterEach(() => {
    for (const name of readdirSync(room.place.tmp)) removeAll(here(name));
  });

  test("places a file that the run owns and can change, also with a new name over it", async () => {
    const staged = await stage(request("a/b/data.json", "{}"));
    expect(staged).toEqual({
      placed: [{ name: "a/b/data.json", sha256: digest("{}") }],
      ...{ kept: [], refused: [] },
    });
    expect(statSync(here("a/b/data.json")).mode & 0o777).toBe(0o644);
    const change = "cd a/b && sed -i s/{}/[]/ data.json && echo new >x && mv x data.json";
    expect((await room.run(change)).end).toEqual({ type: "exited", exitCode: 0 });
    expect(readFileSync(here("a/b/data.json"), "utf8")).toBe("new\n");
  });

  test("does nothing when the content is there already, and does not read it again", async () => {
    await stage(request("f", "same"));
    const before = statSync(here("f")).ino;
    const read = () => Promise.reject(new Error("read again"));
    expect(await stage(request("f", "same", { read }))).toEqual({
      ...{ placed: [], kept: [], refused: [] },
    });
    expect(statSync(here("f")).ino).toBe(before);
  });

  test("replaces an older copy that the run left alone", async () => {
    await stage(request("f", "one"));
    const staged = await stage(request("f", "two", { placedBefore: [digest("one")] }));
    expect(staged.placed).toHaveLength(1);
    expect(readFileSync(here("f"), "utf8")).toBe("two");
  });

  test("keeps a copy that the run changed, unless the content is newer", async () => {
    await stage(request("f", "one"));
    await room.run("echo mine >f");
    const placedBefore = [digest("one")];
    expect((await stage(request("f", "one", { placedBefore }))).kept).toEqual(["f"]);
    expect(readFileSync(here("f"), "utf8")).toBe("mine\n");
    const newer = await stage(request("f", "two", { placedBefore, newer: true }));
    expect(newer.placed).toHaveLength(1);
    expect(readFileSync(here("f"), "utf8")).toBe("two");
  });

  test("places again what the run removed", async () => {
    await stage(request("f", "one"));
    await room.run("rm f");
    expect((await stage(request("f", "one"))).placed).toHaveLength(1);
  });

  test("writes through no link and over no directory or FIFO, and says so", async () => {
    await room.run("ln -s /etc/passwd link; ln -s / way; mkdir dir; mkfifo pipe; echo x >file");
    const names = ["link", "way/f", "dir", "pipe", "file/f"];
    const staged = await stage(...names.map((name) => request(name, "x", { newer: true })));
    expect(staged.refused.map(({ name }) => name)).toEqual(names);
    expect(staged.placed).toEqual([]);
    expect(lstatSync(here("link")).isSymbolicLink()).toBe(true);
    expect(existsSync("/f")).toBe(false);
    for (const { reason } of staged.refused) expect(reason).toMatch(/in the way$/);
  });

  test("never leaves /tmp through a name", async () => {
    const names = ["../escaped", "/etc/escaped", "a/../../escaped", "", ".", "a//b"];
    const staged = await stage(...names.map((name) => request(name, "x")));
    expect(staged.refused.map(({ name }) => name)).toEqual(names);
    expect(readdirSync(dirname(room.place.tmp)).sort()).toEqual([
      ...["cache", "own", "staging", "tmp", "workspace"],
    ]);
  });

  test("a hard link that the run made is parted, not written through", async () => {
    await stage(request("f", "one"));
    await room.run("ln f other");
    await stage(request("f", "two", { placedBefore: [digest("one")] }));
    expect((await room.run("cat f other")).stdout).toBe("twoone");
  });

  test("bytes that are not what their digest says are a defect, and nothing is placed", async () => {
    const wrong = request("f", "one", { sha256: digest("other") });
    await expect(stage(wrong)).rejects.toMatchObject({ code: "digest_mismatch" });
    expect(existsSync(here("f"))).toBe(false);
    expect(readdirSync(join(dirname(room.place.tmp), "staging"))).toEqual([]);
  });

  test("a file that nobody may read counts as the run's own", async () => {
    writeFileSync(here("f"), "mine");
    chmodSync(here("f"), 0);
    expect((await stage(request("f", "one"))).kept).toEqual(["f"]);
  });
});

describe("provisioning", () => {
  const file = (path: string, text: string, executable = false) => ({
    ...{ path, executable, sha256: digest(text), read: async () => [Buffer.from(text)] },
  });

  test("places inputs and output directories, owned by the run", async () => {
    const runId = "run_inputs";
    const place = await room.sandbox.provision({
      ...{ runId, uid: runUid, outputDirs: ["/workspace/out/deep", "/tmp/results"], own: [] },
      files: [file("a/run.sh", "#!/bin/sh\necho ran", true), file("data", "x")],
    });
    const said = await room.sandbox.exec(place, {
      command: "~/a/run.sh && touch ~/out/deep/1 results/2 && stat -c %a ~/data && echo y >~/data",
      limits: {
        ...{ timeoutMs: 20_000, memoryBytes: 1e9, processes: 50, diskBytes: 1e9 },
        ...{ outputKeptBytes: 1000, outputKilledBytes: 1000 },
      },
      signal: new AbortController().signal,
    });
    expect(said.end).toEqual({ type: "exited", exitCode: 0 });
    expect(said.stdout.kept.toString()).toBe("ran\n644\n");
    expect(await room.sandbox.remove(runId, runUid)).toBe(true);
  });

  test("finds what it made before a crash, and repairs it", async () => {
    const provision = () =>
      room.sandbox.provision({
        ...{ runId: "run_again", uid: runUid, outputDirs: ["/workspace/out"] },
        files: [file("f", "whole")],
        own: [{ name: "index.json", data: Buffer.from("{}") }],
      });
    const place = await provision();
    writeFileSync(join(place.workspace, "f"), "who");
    writeFileSync(join(dirname(place.tmp), "staging", "placing-left"), "half");
    rmSync(join(place.workspace, "out"), { recursive: true });
    rmSync(join(place.own, "index.json"));
    writeFileSync(join(place.own, "left"), "of another time");
    expect(await provision()).toEqual(place);
    expect(readFileSync(join(place.workspace, "f"), "utf8")).toBe("whole");
    expect(existsSync(join(place.workspace, "out"))).toBe(true);
    expect(readdirSync(place.own)).toEqual(["index.json"]);
    expect(readdirSync(join(dirname(place.tmp), "staging"))).toEqual([]);
    await room.sandbox.remove("run_again", runUid);
  });

  test("gives the run the directories that a gateway made before it was killed", async () => {
    const runId = "run_half";
    const directory = join(room.dataDir, "runs", runId);
    for (const path of ["tmp", "workspace/out", "cache"]) {
      mkdirSync(join(directory, path), { recursive: true, mode: 0o700 });
    }
    const place = await room.sandbox.provision({
      ...{ runId, uid: runUid, outputDirs: ["/workspace/out"], files: [], own: [] },
    });
    const said = await room.sandbox.exec(place, {
      command: "touch /tmp/1 ~/2 ~/out/3 /cache/4",
      limits: {
        ...{ timeoutMs: 20_000, memoryBytes: 1e9, processes: 50, diskBytes: 1e9 },
        ...{ outputKeptBytes: 1000, outputKilledBytes: 1000 },
      },
      signal: new AbortController().signal,
    });
    expect(said.end, said.stderr.kept.toString()).toEqual({ type: "exited", exitCode: 0 });
    await room.sandbox.remove(runId, runUid);
  });

  test("follows no link in the place of a directory", async () => {
    const outside = join(room.dataDir, "outside");
    mkdirSync(outside);
    const directory = join(room.dataDir, "runs", "run_link");
    mkdirSync(join(directory, "workspace"), { recursive: true });
    symlinkSync(outside, join(directory, "workspace", "a"));
    const provision = room.sandbox.provision({
      ...{ runId: "run_link", uid: runUid, outputDirs: [], own: [] },
      files: [file("a/f", "x")],
    });
    await expect(provision).rejects.toThrow();
    expect(readdirSync(outside)).toEqual([]);
    await room.sandbox.remove("run_link", runUid);
  });

  test("an input that is not what its digest says is refused", async () => {
    const provision = room.sandbox.provision({
      ...{ runId: "run_wrong", uid: runUid, outputDirs: [], own: [] },
      files: [{ ...file("f", "x"), sha256: digest("y") }],
    });
    await expect(provision).rejects.toMatchObject({ code: "digest_mismatch" });
    await room.sandbox.remove("run_wrong", runUid);
  });
});

describe("removing", () => {
  test("takes away whatever a run left, and follows no link", async () => {
    const runId = "run_strange";
    const place = await room.sandbox.provision({
      ...{ runId, uid: runUid, outputDirs: [], files: [], own: [] },
    });
    const canary = join(room.dataDir, "canary");
    writeFileSync(canary, "alive");
    const script = `
import os
name = "d" * 200
for _ in range(3000):
    os.mkdir(name)
    os.chdir(name)
os.chdir("/workspace")
os.makedirs("locked/in")
open("locked/in/f", "w").close()
open(b"\\xff\\n -rf", "w").close()
os.mkfifo("pipe")
os.symlink(${JSON.stringify(canary)}, "link")
os.symlink("/", "root")
os.chmod("locked/in", 0)
os.chmod("locked", 0)
os.chmod("/workspace", 0)
`;
    const said = await room.sandbox.exec(place, {
      command: `python3 - <<'END'\n${script}\nEND`,
      limits: {
        ...{ timeoutMs: 20_000, memoryBytes: 1e9, processes: 50, diskBytes: 1e9 },
        ...{ outputKeptBytes: 1000, outputKilledBytes: 1000 },
      },
      signal: new AbortController().signal,
    });
    expect(said.stderr.kept.toString()).toBe("");
    expect(said.end).toEqual({ type: "exited", exitCode: 0 });
    expect(await room.sandbox.remove(runId, runUid)).toBe(true);
    expect(existsSync(dirname(place.tmp))).toBe(false);
    expect(readFileSync(canary, "utf8")).toBe("alive");
    expect(await room.sandbox.remove(runId, runUid)).toBe(true);
  });

  test("refuses an id that is a path", async () => {
    await expect(room.sandbox.remove("../../etc", runUid)).rejects.toThrow("is a run id");
  });
});

test("the test host has the programs that these tests use", () => {
  expect(execFileSync("/bin/sh", ["-c", "command -v python3 mkfifo"]).length).toBeGreaterThan(0);
});
