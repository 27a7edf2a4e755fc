import {
  chmodSync,
  closeSync,
  cpSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { openLog } from "../base/log.ts";
import { openThreads, type Threads } from "../base/threads.ts";
import { openRoot } from "../base/tree.ts";
import { syncFilesystem } from "../sandbox/sandbox.ts";
import { captureTree } from "./capture.ts";
import { importLayer } from "./import.ts";
import { readManifest } from "./manifest.ts";
import { layerDirectory, removeSealed } from "./places.ts";
import type { StoredLayer } from "./publish.ts";
import { publisherIn, type TestPublisher } from "./publisher.testing.ts";
import { entriesOf } from "./trees.testing.ts";
import { packed } from "./unpack.ts";

const never = new AbortController().signal;

let data: string;
let threads: Threads;
let publisher: TestPublisher;
beforeAll(() => {
  data = mkdtempSync(join(tmpdir(), "airlock-left-out-"));
  mkdirSync(join(data, "run"));
  threads = openThreads({ log: openLog("silent") });
  publisher = publisherIn(data, threads, syncFilesystem);
});
afterAll(async () => {
  await threads.close();
  removeSealed(data);
});

type Files = Record<string, string | Buffer>;

function plant(files: Files): void {
  for (const [path, content] of Object.entries(files)) {
    const full = join(data, "run/tree", path);
    mkdirSync(dirname(full), { recursive: true });
    writeFileSync(full, content);
  }
}

async function captured(files: Files): Promise<StoredLayer> {
  plant(files);
  const root = openRoot(join(data, "run"));
  try {
    const published = await captureTree(publisher, { root, path: "tree" }, never);
    if (!published.ok) throw new Error(published.reason);
    return published.layer;
  } finally {
    closeSync(root);
  }
}

function pathsIn({ digest }: StoredLayer): string[] {
  const manifest = readFileSync(join(layerDirectory(publisher.places, digest), "manifest"));
  const entries = readManifest(manifest);
  return entries.filter(({ type }) => type === "file").map(({ path }) => path.toString());
}

/** Bytecode as Python writes it: magic, flags, the time or the hash of its source, code. */
const bytecode = (flags: number, source: string) =>
  Buffer.concat([Buffer.from([0xcb, 0x0d, 0x0d, 0x0a, flags, 0, 0, 0]), Buffer.from(source)]);

const installs: [string, Files, Files, string[]][] = [
  [
    "a home of cargo",
    { "registry/src/a-1.0.0/lib.rs": "fn a" },
    { ".global-cache": "when", ".package-cache": "", ".package-cache-mutate": "" },
    ["locks of cargo", "record of cargo of when it used what"],
  ],
  [
    "a module cache of go",
    { "cache/download/h.org/m/@v/v1.0.0.zip": "zip", "h.org/m@v1.0.0/m.go": "package m" },
    {
      "cache/lock": "",
      "cache/download/sumdb/sum/tile/8/0/000.p/1": "tile",
      "cache/vcs/0123/HEAD": "ref",
    },
    ["lock of go", "checksum database of go", "clones of repositories of go"],
  ],
  [
    "a module cache of go further down",
    { "go/pkg/mod/cache/download/h.org/m/@v/v1.0.0.zip": "zip" },
    { "go/pkg/mod/cache/lock": "", "go/pkg/mod/cache/download/sumdb/sum/latest": "1" },
    ["lock of go", "checksum database of go"],
  ],
  [
    "packages of Python",
    { "six.py": "import sys", "p/__pycache__/kept.pyc": bytecode(1, "hash") },
    { "__pycache__/six.cpython-311.pyc": bytecode(0, "time") },
    ["bytecode of Python that holds times"],
  ],
];

it.each(installs)(
  "%s is the same layer with and without what it keeps for itself",
  async (_name, tree, own, what) => {
    const without = await captured(tree);
    expect(without.leftOut).toEqual([]);
    const layer = await captured({ ...tree, ...own });
    expect(layer.digest).toBe(without.digest);
    expect(layer.existed).toBe(true);
    expect(layer.leftOut.map((kind) => kind.what).sort()).toEqual([...what].sort());
    expect(pathsIn(layer).sort()).toEqual(Object.keys(tree).sort());
  },
);

it("what only bears such a name is taken", async () => {
  const files: Files = {
    ".package-cache": "beside no registry",
    "cache/lock": "beside no downloads",
    "download/sumdb/x": "in no cache",
    lock: "at the top",
    "p/__pycache__/m.pyc": bytecode(0, "time"),
    "p/__pycache__/notes.txt": "somebody's",
    "q/__pycache__": "a file",
    "r/.global-cache/registry": "a directory",
  };
  const layer = await captured(files);
  expect(layer.leftOut).toEqual([]);
  expect(pathsIn(layer).sort()).toEqual(Object.keys(files).sort());
});

it("what its owner locked is taken", async () => {
  plant({ "__pycache__/m.pyc": bytecode(0, "time") });
  chmodSync(join(data, "run/tree/__pycache__"), 0o311);
  const layer = await captured({});
  const isRoot = process.getuid?.() === 0;
  expect(pathsIn(layer)).toEqual(isRoot ? [] : ["__pycache__/m.pyc"]);
});

it("an archive is taken as it is: its digest says what is in it", async () => {
  const source = mkdtempSync(join(tmpdir(), "airlock-left-out-"));
  mkdirSync(join(source, "registry"));
  writeFileSync(join(source, ".package-cache"), "");
  cpSync(source, join(data, "run/tree"), { recursive: true });
  const archive = packed(source, entriesOf(source), never);
  const imported = await importLayer(publisher, archive, { archiveBytes: 10_000 }, never);
  removeSealed(source);
  expect(pathsIn(imported)).toEqual([".package-cache"]);
  expect((await captured({})).digest).not.toBe(imported.digest);
});
