import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import {
  chmodSync,
  closeSync,
  existsSync,
  fstatSync,
  linkSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import {
  openDirectoryBelow,
  openFileBelow,
  openRoot,
  placeFileBelow,
  statBelow,
  TreeError,
  walkTree,
} from "./tree.ts";

let dir: string;
let root: string;

beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "airlock-tree-"));
  root = join(dir, "root");
  mkdirSync(root);
});

afterEach(() => {
  execFileSync("/bin/chmod", ["-R", "u+rwx", dir]);
  execFileSync("/bin/rm", ["-rf", "--", dir]);
});

const listed = (options = {}) =>
  [...walkTree(root, options)].map((entry) => `${entry.type} ${entry.path.toString("latin1")}`);

function openDescriptors(): number {
  return readdirSync("/proc/self/fd").length;
}

describe("walking", () => {
  test("reports a directory before its contents, each directory in byte order", () => {
    mkdirSync(join(root, "b"));
    for (const name of ["b/z", "b/A", "a", "é", "Z"]) writeFileSync(join(root, name), "x");
    symlinkSync("/etc", join(root, "link"));
    expect([...walkTree(root)].map((e) => `${e.type} ${e.path}`)).toEqual([
      "file Z",
      "file a",
      "directory b",
      "file b/A",
      "file b/z",
      "symlink link",
      "file é",
    ]);
  });

  test("keeps names apart that are not UTF-8 and would decode to the same text", () => {
    for (const last of [0xfe, 0xff]) {
      writeFileSync(Buffer.concat([Buffer.from(`${root}/a`), Buffer.from([last])]), `${last}`);
    }
    const read: unknown[] = [];
    for (const entry of walkTree(root)) {
      const fd = entry.open();
      read.push([entry.name.at(-1), readFileSync(fd, "utf8")]);
      closeSync(fd);
    }
    expect(read).toEqual([
      [0xfe, "254"],
      [0xff, "255"],
    ]);
  });

  test("never follows a link, and gives its target as bytes", () => {
    symlinkSync("../../etc/shadow", join(root, "evil"));
    const targets: string[] = [];
    for (const entry of walkTree(root)) {
      targets.push(entry.readLink().toString());
      expect(() => entry.open()).toThrow(TreeError);
    }
    expect(targets).toEqual(["../../etc/shadow"]);
  });

  test("refuses a root that is a symlink or a file", () => {
    symlinkSync("/etc", join(dir, "link"));
    writeFileSync(join(dir, "file"), "");
    expect(() => [...walkTree(join(dir, "link"))]).toThrow(TreeError);
    expect(() => [...walkTree(join(dir, "file"))]).toThrow(TreeError);
  });

  test("does not wait for the writer of a FIFO, and does not open it", () => {
    execFileSync("/usr/bin/mkfifo", [join(root, "pipe")]);
    const [entry] = [...walkTree(root)];
    expect(entry?.type).toBe("other");
    for (const pipe of walkTree(root)) expect(() => pipe.open()).toThrow(TreeError);
  });

  test("stops at the depth limit and says where", () => {
    mkdirSync(join(root, Array(40).fill("d").join("/")), { recursive: true });
    const entries = [...walkTree(root, { maxDepth: 10 })];
    expect(entries).toHaveLength(11);
    expect(entries.at(-1)?.type).toBe("too_deep");
    const before = openDescriptors();
    expect([...walkTree(root)]).toHaveLength(40);
    expect(openDescriptors()).toBe(before);
  });

  test("stops at the entry limit and says in which directory", () => {
    mkdirSync(join(root, "many"));
    for (let i = 0; i < 50; i++) writeFileSync(join(root, "many", `f${i}`), "");
    const entries = [...walkTree(root, { maxEntries: 20 })];
    expect(entries).toHaveLength(21);
    expect(entries.at(-1)).toMatchObject({ type: "too_many", path: Buffer.from("many") });
  });

  test("reports a directory that it may not read, and goes on", () => {
    mkdirSync(join(root, "locked"));
    writeFileSync(join(root, "locked", "x"), "");
    writeFileSync(join(root, "other"), "");
    chmodSync(join(root, "locked"), 0);
    const asRoot = process.getuid?.() === 0;
    expect(listed()).toEqual(
      asRoot
        ? ["directory locked", "file locked/x", "file other"]
        : ["unreadable locked", "file other"],
    );
  });

  test("closes its descriptors when the reader stops half way", () => {
    mkdirSync(join(root, "a/b/c"), { recursive: true });
    const before = openDescriptors();
    for (const entry of walkTree(root)) if (entry.name.toString() === "b") break;
    expect(openDescriptors()).toBe(before);
  });

  test("says how many names a file has", () => {
    writeFileSync(join(root, "a"), "four");
    linkSync(join(root, "a"), join(root, "b"));
    expect([...walkTree(root)].map((e) => [e.nlink, e.size])).toEqual([
      [2, 4],
      [2, 4],
    ]);
  });

  test("an entry cannot be opened once the walk has gone on", () => {
    writeFileSync(join(root, "a"), "");
    const [entry] = [...walkTree(root)];
    expect(() => entry?.open()).toThrow("newest of its walk");
  });
});

test("a directory swapped with a link in a loop never leads out of the tree", async () => {
  const outside = join(dir, "outside");
  mkdirSync(outside);
  writeFileSync(join(outside, "canary"), "secret");
  mkdirSync(join(root, "d"));
  writeFileSync(join(root, "d", "own"), "own");
  const script = `import { renameSync, symlinkSync } from "node:fs";
    symlinkSync(${JSON.stringify(outside)}, "link");
    console.log("started");
    for (;;) {
      renameSync("root/d", "kept"); renameSync("link", "root/d");
      renameSync("root/d", "link"); renameSync("kept", "root/d");
    }`;
  const child = spawn(process.execPath, ["--input-type=module", "-e", script], {
    cwd: dir,
    stdio: ["ignore", "pipe", "inherit"],
  });
  try {
    await once(child.stdout, "data");
    const until = Date.now() + 2000;
    const seen = new Set<string>();
    while (Date.now() < until) {
      for (const entry of walkTree(root)) seen.add(`${entry.type} ${entry.path}`);
      const fd = openRoot(root);
      try {
        const below = openDirectoryBelow(fd, "d");
        if (statBelow(below, "canary")) seen.add("canary through openDirectoryBelow");
        closeSync(below);
      } catch (error) {
        expect(error).toBeInstanceOf(TreeError);
        seen.add("refused");
      } finally {
        closeSync(fd);
      }
    }
    // Both faces were met, so the race was really run.
    expect([...seen]).toEqual(expect.arrayContaining(["file d/own", "symlink d", "refused"]));
    expect([...seen].filter((line) => line.includes("canary"))).toEqual([]);
  } finally {
    child.kill("SIGKILL");
    await once(child, "exit");
  }
});

describe("placing", () => {
  let rootFd: number;
  let temporary: number;

  beforeEach(() => {
    mkdirSync(join(dir, "temporary"));
    rootFd = openRoot(root);
    temporary = openRoot(join(dir, "temporary"));
  });
  afterEach(() => {
    closeSync(rootFd);
    closeSync(temporary);
  });

  const place = async (path: string, text: string, mode = 0o644) => {
    const names = path.split("/");
    const name = names.pop() ?? "";
    const create = { mode: 0o755, owner: undefined };
    const fd = openDirectoryBelow(rootFd, names.join("/"), create);
    try {
      await placeFileBelow(fd, name, [Buffer.from(text)], { mode, owner: undefined, temporary });
    } finally {
      closeSync(fd);
    }
  };

  test("makes directories and a file with exactly the mode that was asked for", async () => {
    const umask = process.umask(0o077);
    try {
      await place("a/b/run.sh", "echo hi", 0o755);
    } finally {
      process.umask(umask);
    }
    expect([...walkTree(root)].map((e) => [e.path.toString(), e.mode])).toEqual([
      ["a", 0o755],
      ["a/b", 0o755],
      ["a/b/run.sh", 0o755],
    ]);
    expect(readdirSync(join(dir, "temporary"))).toEqual([]);
  });

  test("refuses a link on the way and replaces a link in the last place", async () => {
    mkdirSync(join(dir, "outside"));
    writeFileSync(join(dir, "outside", "file"), "untouched");
    symlinkSync(join(dir, "outside"), join(root, "way"));
    symlinkSync(join(dir, "outside", "file"), join(root, "last"));
    await expect(place("way/new", "x")).rejects.toThrow(TreeError);
    expect(existsSync(join(dir, "outside", "new"))).toBe(false);
    await place("last", "placed");
    expect(readFileSync(join(dir, "outside", "file"), "utf8")).toBe("untouched");
    expect(readFileSync(join(root, "last"), "utf8")).toBe("placed");
  });

  test("refuses to write over a directory and leaves no temporary file behind", async () => {
    mkdirSync(join(root, "here"));
    await expect(place("here", "x")).rejects.toThrow(TreeError);
    expect(readdirSync(join(dir, "temporary"))).toEqual([]);
  });

  test.each(["../x", "a/../../x", "/etc/x", "a//b", "./x", "a/", "x\0y"])(
    "refuses %j",
    async (path) => {
      await expect(place(path, "x")).rejects.toThrow(TreeError);
      rmSync(root, { recursive: true });
      mkdirSync(root);
      expect(readdirSync(dir).sort()).toEqual(["root", "temporary"]);
    },
  );

  test("opens a file only when it is one", async () => {
    await place("f", "text");
    execFileSync("/usr/bin/mkfifo", [join(root, "pipe")]);
    symlinkSync("f", join(root, "link"));
    const fd = openFileBelow(rootFd, "f");
    expect(fstatSync(fd).size).toBe(4);
    closeSync(fd);
    for (const name of ["pipe", "link", "absent"]) {
      expect(() => openFileBelow(rootFd, name)).toThrow(TreeError);
    }
  });
});
