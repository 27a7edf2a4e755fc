/** Layers as archives, and archives damaged anywhere: C07, C08, C17 and D10 of the catalogue of attacks. */
import { isUtf8 } from "node:buffer";
import { execFile, execFileSync } from "node:child_process";
import {
  createWriteStream,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pipeline } from "node:stream/promises";
import { promisify } from "node:util";
import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { Problem } from "../contract/problem.ts";
import { zstdCompressed, zstdExpanded } from "./compression.ts";
import type { LayerEntry } from "./layer-entry.ts";
import { readTar } from "./tar-read.ts";
import { writeTar } from "./tar-write.ts";
import { openTreeTarget } from "./tree-target.ts";
import { entriesOf, type Node, plant } from "./trees.testing.ts";

let dir: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "airlock-tar-"));
});
afterEach(() => rmSync(dir, { recursive: true }));

const limits = { entries: 1000, fileBytes: 1e6, totalBytes: 1e7, depth: 64, pathBytes: 4000 };
const expansion = { totalBytes: 1e7, ratio: 1000, freeBytes: 1e6 };

const byte = fc.integer({ min: 1, max: 255 }).filter((value) => value !== 0x2f);
const bytesOf = (minLength: number, maxLength: number) =>
  fc
    .oneof(
      fc.array(byte, { minLength, maxLength }),
      fc.array(fc.integer({ min: 0x61, max: 0x7a }), { minLength, maxLength }),
      fc.array(fc.constantFrom(0x61, 0x20, 0x0a, 0x2e, 0xff, 0x5c), { minLength, maxLength }),
    )
    .map((values) => Buffer.from(values));

const name = fc
  .oneof({ weight: 9, arbitrary: bytesOf(1, 40) }, { weight: 1, arbitrary: bytesOf(100, 255) })
  .map((bytes) => bytes.toString("latin1"))
  .filter((text) => text !== "." && text !== "..");

/** Any tree of up to a few dozen entries, with names of any bytes. */
const anyTree: fc.Arbitrary<Map<string, Node>> = fc.letrec<{ names: Map<string, Node> }>((tie) => ({
  names: fc
    .array(
      fc.tuple(
        name,
        fc.oneof(
          { depthSize: "small", withCrossShrink: true },
          fc.record({
            type: fc.constant("file" as const),
            bytes: fc.uint8Array({ maxLength: 1500 }).map((bytes) => Buffer.from(bytes)),
            executable: fc.boolean(),
          }),
          fc.record({ type: fc.constant("symlink" as const), target: bytesOf(1, 300) }),
          fc.record({ type: fc.constant("directory" as const), names: tie("names") }),
        ),
      ),
      { maxLength: 5 },
    )
    .map((pairs) => new Map<string, Node>(pairs)),
})).names;

let planted = 0;
function newTree(names: Map<string, Node>): string {
  planted += 1;
  const tree = join(dir, String(planted));
  mkdirSync(tree);
  plant(Buffer.from(tree), names);
  return tree;
}

async function whole(pieces: AsyncIterable<Buffer>): Promise<Buffer> {
  const all: Buffer[] = [];
  for await (const piece of pieces) all.push(piece);
  return Buffer.concat(all);
}

async function readInto(tree: string, archive: Buffer): Promise<void> {
  const source = async function* () {
    yield archive;
  };
  const target = openTreeTarget(tree);
  try {
    await readTar(source(), target, limits);
  } finally {
    target.close();
  }
}

const bytes = (text: string) => Buffer.from(text, "latin1");
const file = (text: string, executable = false): Node => {
  return { type: "file", bytes: bytes(text), executable };
};
const odd = new Map<string, Node>([
  ["plain", file("text")],
  ["run", file("#!/bin/sh\n", true)],
  ["empty", file("")],
  ["block", file("b".repeat(512))],
  ["a\xff", file("one")],
  ["a\xfe", file("another")],
  ["new\nline \\ tab\t", file("odd")],
  ["-rf", file("dash")],
  [" 12 path=x", file("like a record")],
  ["l".repeat(255), { type: "directory", names: new Map([["m".repeat(255), file("deep")]]) }],
  ["d".repeat(90), { type: "directory", names: new Map([["e".repeat(90), file("split")]]) }],
  [Buffer.from("é").toString("latin1"), { type: "symlink", target: bytes("t".repeat(4095)) }],
  ["link", { type: "symlink", target: bytes("../\xff") }],
]);

describe("a layer as an archive", () => {
  it("comes back as the same layer, whatever its names and contents are", async () => {
    await fc.assert(
      fc.asyncProperty(anyTree, async (names) => {
        const tree = newTree(names);
        const back = newTree(new Map());
        await readInto(back, await whole(writeTar(tree, entriesOf(tree))));
        expect(entriesOf(back)).toEqual(entriesOf(tree));
      }),
      { numRuns: 150 },
    );
  }, 180_000);

  it("is the same bytes for the same tree, compressed or not", async () => {
    const [one, two] = [newTree(odd), newTree(new Map([...odd].reverse()))];
    const archive = await whole(writeTar(one, entriesOf(one)));
    expect((await whole(writeTar(two, entriesOf(two)))).equals(archive)).toBe(true);
    const packed = await whole(zstdCompressed(writeTar(one, entriesOf(one))));
    expect(await whole(zstdCompressed(writeTar(two, entriesOf(two))))).toEqual(packed);
    expect(archive.length % 512).toBe(0);
  });

  it("has no extended header where a plain one says it all", async () => {
    const tree = newTree(
      new Map<string, Node>([
        ["bin", { type: "directory", names: new Map([["x".repeat(200), file("x")]]) }],
        ["short", file("x")],
      ]),
    );
    const archive = (await whole(writeTar(tree, entriesOf(tree)))).toString("latin1");
    expect(archive.split("PaxHeaders").length).toBe(2);
  });

  it("lies under a prefix, whose directories are entries", async () => {
    const tree = newTree(new Map([["a", file("x")]]));
    const back = newTree(new Map());
    await readInto(back, await whole(writeTar(tree, entriesOf(tree), { prefix: "opt/venv" })));
    const paths = entriesOf(back).map((entry) => entry.path.toString());
    expect(paths).toEqual(["opt", "opt/venv", "opt/venv/a"]);
  });

  it.each<[string, (tree: string) => void]>([
    ["other bytes of the same size", (tree) => writeFileSync(join(tree, "plain"), "Text")],
    ["more bytes", (tree) => writeFileSync(join(tree, "plain"), "text!")],
    ["fewer bytes", (tree) => writeFileSync(join(tree, "plain"), "tex")],
    ["nothing", (tree) => rmSync(join(tree, "plain"))],
  ])("is refused when a file holds %s than its manifest says", async (_, tamper) => {
    const tree = newTree(odd);
    const entries = entriesOf(tree);
    tamper(tree);
    const error = await whole(writeTar(tree, entries)).catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(Problem);
    expect(error).toMatchObject({ code: "digest_mismatch", details: { path: "plain" } });
  });

  it("says a size that a plain header cannot, without reading it first", async () => {
    const tree = newTree(new Map([["big", file("x")]]));
    const big = 9 * 2 ** 30;
    const entries: LayerEntry[] = entriesOf(tree).map((entry) => ({ ...entry, size: big }));
    const archive = writeTar(tree, entries);
    const head = [];
    for (let count = 0; count < 4; count++) head.push((await archive.next()).value as Buffer);
    await archive.return();
    expect(Buffer.concat(head).toString("latin1")).toContain("19 size=9663676416\n");
  });
});

describe("other programs", () => {
  async function packed(names: Map<string, Node>): Promise<{ tree: string; path: string }> {
    const tree = newTree(names);
    const path = join(dir, "layer.tar.zst");
    await pipeline(zstdCompressed(writeTar(tree, entriesOf(tree))), createWriteStream(path));
    return { tree, path };
  }
  const named = [...odd].filter(([name]) => isUtf8(bytes(name)) && name !== "link");

  it("tar takes a layer out as it was", async () => {
    const tree = newTree(new Map(named));
    const path = join(dir, "layer.tar");
    await pipeline(writeTar(tree, entriesOf(tree)), createWriteStream(path));
    const back = newTree(new Map());
    execFileSync("tar", ["-xf", path, "-C", back]);
    expect(entriesOf(back)).toEqual(entriesOf(tree));
  });

  it("tar takes names of any bytes out of a layer, and only grumbles at the character set", async () => {
    const tree = newTree(odd);
    const path = join(dir, "layer.tar");
    await pipeline(writeTar(tree, entriesOf(tree)), createWriteStream(path));
    const back = newTree(new Map());
    const env = { PATH: process.env.PATH, LC_ALL: "C" };
    await promisify(execFile)("tar", ["-xf", path, "-C", back], { env });
    expect(entriesOf(back)).toEqual(entriesOf(tree));
  });

  it("zstd reads the compressed form, or what reads zstd here", async () => {
    const { tree, path } = await packed(new Map(named));
    const plain = await whole(writeTar(tree, entriesOf(tree)));
    const found = (process.env.PATH ?? "").split(":").some((place) => {
      try {
        return readdirSync(place).includes("zstd");
      } catch {
        return false;
      }
    });
    const out = found
      ? execFileSync("zstd", ["-dc", path], { maxBuffer: 1e8 })
      : await whole(zstdExpanded(createRead(path), expansion));
    expect(out.equals(plain)).toBe(true);
  });

  it("are read when they made an archive in POSIX form", async () => {
    const tree = newTree(new Map(named));
    const names = readdirSync(tree).sort();
    const path = join(dir, "made.tar");
    execFileSync("tar", ["--format=posix", "-cf", path, "-C", tree, "--", ...names]);
    const back = newTree(new Map());
    await readInto(back, await whole(createRead(path)));
    expect(entriesOf(back)).toEqual(entriesOf(tree));
  });
});

async function* createRead(path: string): AsyncGenerator<Buffer> {
  const { readFile } = await import("node:fs/promises");
  yield await readFile(path);
}

describe("a damaged archive", () => {
  const tree = () =>
    newTree(
      new Map<string, Node>([
        ["a", { type: "directory", names: new Map([["b", file("inside".repeat(99))]]) }],
        ["l", { type: "symlink", target: bytes("../canary") }],
        ["p".repeat(120), file("long")],
        ["z", file("last", true)],
      ]),
    );

  const mutation = fc.oneof(
    fc.record({ kind: fc.constant("flip" as const), at: fc.nat(), bit: fc.nat(7) }),
    fc.record({ kind: fc.constant("cut" as const), at: fc.nat(), bit: fc.nat(2000) }),
    fc.record({ kind: fc.constant("insert" as const), at: fc.nat(), bit: fc.nat(2000) }),
    fc.record({ kind: fc.constant("swap" as const), at: fc.nat(), bit: fc.nat(30) }),
    fc.record({ kind: fc.constant("repeat" as const), at: fc.nat(), bit: fc.nat(5) }),
  );

  it("is refused or is exactly the tree that its entries say, and nothing is made beside it", async () => {
    const source = tree();
    const archive = await whole(writeTar(source, entriesOf(source)));
    const outcomes = { refused: 0, read: 0 };
    await fc.assert(
      fc.asyncProperty(fc.array(mutation, { minLength: 1, maxLength: 4 }), async (changes) => {
        const room = newTree(new Map([["canary", file("untouched")]]));
        const back = join(room, "tree");
        mkdirSync(back);
        const damaged = changes.reduce(damage, archive);
        const target = openTreeTarget(back);
        try {
          await readTar(once(damaged), target, limits);
          outcomes.read += 1;
          expect(entriesOf(back)).toEqual(target.entries.sort((a, b) => a.path.compare(b.path)));
        } catch (error) {
          if (!(error instanceof Problem)) throw error;
          outcomes.refused += 1;
        } finally {
          target.close();
        }
        expect(readdirSync(room).sort()).toEqual(["canary", "tree"]);
        rmSync(room, { recursive: true });
      }),
      { numRuns: 500 },
    );
    expect(outcomes.refused).toBeGreaterThan(250);
  }, 180_000);

  /** Whole frames may follow each other, so blocks are not moved here. */
  const inFrames = mutation.filter(({ kind }) => ["flip", "cut", "insert"].includes(kind));

  it("that is damaged where it is compressed is refused, or is what it was", async () => {
    const source = tree();
    const archive = await whole(writeTar(source, entriesOf(source)));
    const compressed = await whole(zstdCompressed(once(archive)));
    await fc.assert(
      fc.asyncProperty(inFrames, async (change) => {
        const expanded = await whole(
          zstdExpanded(once(damage(compressed, change)), expansion),
        ).catch((error: unknown) => error);
        if (Buffer.isBuffer(expanded)) expect(expanded.equals(archive)).toBe(true);
        else expect(expanded).toBeInstanceOf(Problem);
      }),
      { numRuns: 300 },
    );
  }, 180_000);

  async function* once(archive: Buffer): AsyncGenerator<Buffer> {
    yield archive;
  }

  function damage(archive: Buffer, change: { kind: string; at: number; bit: number }): Buffer {
    const at = archive.length === 0 ? 0 : change.at % archive.length;
    const block = Math.floor(at / 512) * 512;
    const [head, tail] = [archive.subarray(0, at), archive.subarray(at)];
    switch (change.kind) {
      case "flip": {
        const copy = Buffer.from(archive);
        if (copy.length > 0) copy[at] = (copy[at] ?? 0) ^ (1 << (change.bit % 8));
        return copy;
      }
      case "cut":
        return Buffer.concat([head, tail.subarray(change.bit)]);
      case "insert":
        return Buffer.concat([head, Buffer.alloc(change.bit, 0x30), tail]);
      case "swap": {
        const blocks = chunked(archive);
        blocks.push(...blocks.splice(block / 512, 1 + (change.bit % 3)));
        return Buffer.concat(blocks);
      }
      default:
        return Buffer.concat([
          archive.subarray(0, block),
          archive.subarray(block, block + 512 * change.bit),
          archive.subarray(block),
        ]);
    }
  }

  function chunked(archive: Buffer): Buffer[] {
    const blocks = [];
    for (let at = 0; at < archive.length; at += 512) blocks.push(archive.subarray(at, at + 512));
    return blocks;
  }
});

describe("an archive that expands", () => {
  const zerosOf = async (count: number) => {
    const source = async function* () {
      for (let made = 0; made < count; made += 1e6) yield Buffer.alloc(1e6);
    };
    return whole(zstdCompressed(source()));
  };

  it.each<[string, Partial<typeof expansion>]>([
    ["to more than 2000000 bytes", { totalBytes: 2e6, ratio: 1e9 }],
    ["to more than 1000 times its size", {}],
  ])("%s is refused on the way, with bounded memory", async (reason, changed) => {
    const bomb = await zerosOf(9e6);
    let made = 0;
    const read = async () => {
      const source = async function* () {
        yield bomb;
      };
      for await (const piece of zstdExpanded(source(), { ...expansion, ...changed })) {
        made += piece.length;
        expect(piece.length).toBeLessThanOrEqual(64 * 1024);
      }
    };
    const error = await read().catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({
      code: "payload_too_large",
      message: expect.stringContaining(reason),
    });
    expect(made).toBeLessThanOrEqual(2e6 + 64 * 1024);
  });

  it.each<[string, Buffer[]]>([
    ["no zstd", [Buffer.from("PK\x03\x04 and so on")]],
    ["nothing", []],
  ])("but is %s is refused", async (_, parts) => {
    const source = async function* () {
      yield* parts;
    };
    await expect(whole(zstdExpanded(source(), expansion))).rejects.toMatchObject({
      code: "invalid_request",
    });
  });

  it("has nothing behind its end", async () => {
    const packed = await zerosOf(1e5);
    for (const behind of [Buffer.from("more"), Buffer.alloc(1)]) {
      for (const parts of [[packed, behind], [Buffer.concat([packed, behind])]]) {
        const source = async function* () {
          yield* parts;
        };
        await expect(whole(zstdExpanded(source(), expansion))).rejects.toMatchObject({
          code: "invalid_request",
          message: expect.stringContaining("behind the end"),
        });
      }
    }
  });
});
