/** Archives that somebody made for us to read: C02, C03, C04, C05, C08 and C17 of the catalogue of attacks. */
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { Problem } from "../contract/problem.ts";
import { writePax } from "./pax.ts";
import { readTar, type TarLimits } from "./tar-read.ts";
import { openTreeTarget } from "./tree-target.ts";

let dir: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "airlock-tar-"));
  mkdirSync(join(dir, "tree"));
  mkdirSync(join(dir, "canary"));
  writeFileSync(join(dir, "canary", "file"), "untouched");
});
afterEach(() => {
  expect(readdirSync(dir).sort()).toEqual(["canary", "tree"]);
  expect(readdirSync(join(dir, "canary"))).toEqual(["file"]);
  expect(readFileSync(join(dir, "canary", "file"), "utf8")).toBe("untouched");
  rmSync(dir, { recursive: true });
});

interface Fields {
  name: string;
  type?: string;
  content?: string | Buffer;
  size?: string;
  mode?: string;
  link?: string;
  magic?: string;
  prefix?: string;
  tail?: string;
  checksum?: string;
}

/** An entry whose header says whatever a test wants, with a checksum that is right unless it is given. */
function entry(fields: Fields): Buffer {
  const content = Buffer.from(fields.content ?? "");
  const block = Buffer.alloc(512);
  block.write(fields.name, 0, 100, "latin1");
  block.write(fields.mode ?? "0000644\0", 100, "latin1");
  block.write("0000000\x000000000\0", 108, "latin1");
  const size = fields.size ?? `${content.length.toString(8).padStart(11, "0")}\0`;
  block.write(`${size}00000000000\0`, 124, "latin1");
  block.write(fields.type ?? "0", 156, "latin1");
  block.write(fields.link ?? "", 157, 100, "latin1");
  block.write(fields.magic ?? "ustar\x0000", 257, "latin1");
  block.write(fields.prefix ?? "", 345, 155, "latin1");
  block.write(fields.tail ?? "", 500, "latin1");
  block.write("        ", 148, "latin1");
  const sum = block.reduce((total, byte) => total + byte, 0);
  block.write(fields.checksum ?? `${sum.toString(8).padStart(6, "0")}\0 `, 148, "latin1");
  const padding = Buffer.alloc((512 - (content.length % 512)) % 512);
  return Buffer.concat([block, content, padding]);
}

const directory = (name: string) => entry({ name, type: "5" });
const link = (name: string, target: string) => entry({ name, type: "2", link: target });
const file = (name: string, content = "x") => entry({ name, content });
const pax = (records: Record<string, string>, type = "x") =>
  entry({
    name: "pax",
    type,
    content: writePax(
      new Map(
        Object.entries(records).map(([k, v]) => [
          k,
          Buffer.from(v, v.includes("\xff") ? "latin1" : "utf8"),
        ]),
      ),
    ),
  });
const end = Buffer.alloc(1024);

const limits: TarLimits = {
  ...{ entries: 1000, fileBytes: 1e6, totalBytes: 1e7, depth: 63, pathBytes: 4000 },
};

async function read(parts: Buffer[], changed: Partial<TarLimits> = {}) {
  const target = openTreeTarget(join(dir, "tree"));
  try {
    const source = async function* () {
      yield* parts;
    };
    await readTar(source(), target, { ...limits, ...changed });
  } finally {
    target.close();
  }
}

async function refusalOf(parts: Buffer[], changed: Partial<TarLimits> = {}): Promise<Problem> {
  const error = await read(parts, changed).then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  if (!(error instanceof Problem)) throw new Error(`Expected a Problem, got ${error}`);
  return error;
}

describe("an archive is refused, and the entry and its offset are named, for", () => {
  const good = file("good");
  const long = "n".repeat(256);
  it.each<[string, string, Buffer[]]>([
    ["a path that climbs out", 'the name ".."', [file("../x")]],
    ["an absolute path", "an absolute path", [file("/abs")]],
    ["a path that climbs out later", 'the name ".."', [directory("a"), file("a/../../x")]],
    ["a path that hides its climb", 'the name "."', [file("./../x")]],
    ["a NUL in a name", "bytes behind its NUL", [file("a\0b")]],
    ["a NUL in a record", "a path with a NUL", [pax({ path: "é\0b" }), file("e")]],
    ["an empty name", "an empty path", [file("")]],
    ["the root itself", 'the name "."', [directory(".")]],
    ["a file with a slash at its end", "an empty name", [file("a/")]],
    ["a directory with two slashes", "an empty name", [directory("a//")]],
    ["a prefix that climbs out", 'the name ".."', [entry({ name: "x", prefix: "../.." })]],
    ["a name that is too long", "more than 255 bytes", [pax({ path: long }), file(long)]],
    [
      "a path that is too deep",
      "more than 64 names",
      [pax({ path: `${"a/".repeat(64)}b` }), file("a")],
    ],
    [
      "a file through a link to outside",
      "no directory that came",
      [link("d", "../canary"), file("d/file")],
    ],
    [
      "a file through a link to a directory inside",
      "no directory that came",
      [directory("a"), link("d", "a"), file("d/x")],
    ],
    [
      "a file through a chain of links",
      "no directory that came",
      [link("a", "b"), link("b", ".."), file("a/canary")],
    ],
    ["a directory over a link", "a path twice", [link("d", "../canary"), directory("d")]],
    ["a file over a link", "a path twice", [link("f", "../canary/file"), file("f")]],
    ["a hard link", "a hard link", [entry({ name: "h", type: "1", link: "../canary/file" })]],
    [
      "a hard link to an earlier link",
      "a hard link",
      [link("l", "../canary/file"), entry({ name: "h", type: "1", link: "l" })],
    ],
    ["a character device", "a character device", [entry({ name: "d", type: "3" })]],
    ["a block device", "a block device", [entry({ name: "d", type: "4" })]],
    ["a FIFO", "a FIFO", [entry({ name: "d", type: "6" })]],
    ["a socket, or what else is unknown", 'type "s"', [entry({ name: "d", type: "s" })]],
    [
      "a GNU long name",
      "a GNU long name",
      [entry({ name: "././@LongLink", type: "L", content: "../x\0" }), good],
    ],
    [
      "a GNU long link",
      "a GNU long link",
      [entry({ name: "././@LongLink", type: "K", content: "/etc\0" }), link("l", "x")],
    ],
    ["a GNU sparse file", "a GNU sparse file", [entry({ name: "s", type: "S" })]],
    [
      "a sparse file of records",
      'keyword "GNU.sparse.major"',
      [pax({ "GNU.sparse.major": "1" }), good],
    ],
    [
      "an extended attribute",
      'keyword "SCHILY.xattr.security.capability"',
      [pax({ "SCHILY.xattr.security.capability": "x" }), good],
    ],
    ["a header of GNU tar", "not POSIX", [entry({ name: "g", magic: "ustar  \0" })]],
    ["a file of the old type", "old type NUL", [entry({ name: "g", type: "\0" })]],
    ["a negative size", "not octal", [entry({ name: "n", size: "-0000000001\0" })]],
    ["a size in base 256", "not octal", [entry({ name: "n", size: `\x80${"\0".repeat(10)}\x01` })]],
    ["no size", "not octal", [entry({ name: "n", size: "\0".repeat(12) })]],
    [
      "a size on a directory",
      "a size on what has no content",
      [entry({ name: "d", type: "5", content: "x" })],
    ],
    [
      "a size on a link",
      "a size on what has no content",
      [entry({ name: "d", type: "2", link: "x", content: "x" })],
    ],
    ["a wrong checksum", "checksum is wrong", [entry({ name: "c", checksum: "000001\0 " })]],
    ["a global header", "a global pax header", [pax({ path: "../x" }, "g"), good]],
    [
      "a path that contradicts its header",
      "contradicts its header",
      [pax({ path: "b" }), file("a")],
    ],
    ["a path that climbs out by a record", 'the name ".."', [pax({ path: "../é" }), file("a")]],
    [
      "a size that contradicts its header",
      "contradicts its header",
      [pax({ size: "600" }), file("a")],
    ],
    [
      "a size of nothing that contradicts",
      "contradicts its header",
      [pax({ size: "0" }), file("a")],
    ],
    ["a size that is no number", "no number", [pax({ size: "1e3" }), file("a")]],
    [
      "a record twice",
      'keyword "path" twice',
      [entry({ name: "p", type: "x", content: "9 path=a\n9 path=b\n" }), file("a")],
    ],
    [
      "a record of a wrong length",
      "length is wrong",
      [entry({ name: "p", type: "x", content: "90 path=a\n" }), file("a")],
    ],
    [
      "a record without a length",
      "without a decimal length",
      [entry({ name: "p", type: "x", content: "path=a\n" }), file("a")],
    ],
    [
      "two extended headers",
      "an extended header of an extended header",
      [pax({ path: "é" }), pax({ path: "ö" }), file("a")],
    ],
    ["an extended header alone", "without its entry", [pax({ path: "é" })]],
    ["a record that is not UTF-8", "not UTF-8", [pax({ path: "a\xff" }), file("a")]],
    [
      "a character set",
      "the character set",
      [pax({ hdrcharset: "KOI8", path: "a\xff" }), file("a")],
    ],
    ["a link target on a file", "what is no symlink", [entry({ name: "f", link: "x" })]],
    [
      "a link target on a file by a record",
      "what is no symlink",
      [pax({ linkpath: "é" }), file("f")],
    ],
    ["a link without a target", "without a target", [entry({ name: "l", type: "2" })]],
    ["a path twice", "a path twice", [file("a"), file("a", "other")]],
    ["a directory twice", "a path twice", [directory("a"), directory("a/")]],
    ["a file as a directory", "no directory that came", [file("a"), file("a/b")]],
    ["a directory that did not come before", "no directory that came", [file("a/b")]],
    [
      "a header with hidden bytes",
      "bytes behind its fields",
      [entry({ name: "a", tail: "hidden" })],
    ],
  ])("%s", async (_, reason, parts) => {
    const problem = await refusalOf([directory("first"), ...parts, end]);
    expect(problem.code).toBe("invalid_request");
    expect(problem.message).toContain(reason);
    expect(problem.message).toMatch(/ \(byte [0-9]+(, entry ".*")?\)$/s);
    expect(problem.details?.offset).toBeGreaterThanOrEqual(512);
  });

  it.each<[string, string, Buffer[]]>([
    ["no end", "an end without two blocks", [good]],
    ["one block of zeros", "an end without two blocks", [good, Buffer.alloc(512)]],
    [
      "an entry behind one block of zeros",
      "behind a block of zeros",
      [good, Buffer.alloc(512), file("b"), end],
    ],
    ["an entry behind the end", "data behind the end", [good, end, file("b"), end]],
    ["bytes behind the end", "data behind the end", [good, end, Buffer.from("x")]],
    ["content that is cut off", "content that is cut off", [good.subarray(0, 512)]],
    ["padding that is cut off", "content that is cut off", [good.subarray(0, 600)]],
    [
      "an extended header that is cut off",
      "is cut off",
      [entry({ name: "p", type: "x", size: "00000000777\0" })],
    ],
    [
      "bytes behind the content",
      "hidden behind its content",
      [Buffer.concat([good.subarray(0, 1023), Buffer.from("x")]), end],
    ],
    ["nothing at all", "an end without two blocks", []],
  ])("%s", async (_, reason, parts) => {
    const problem = await refusalOf(parts);
    expect([problem.code, problem.message]).toEqual([
      "invalid_request",
      expect.stringContaining(reason),
    ]);
  });
});

describe("limits", () => {
  it.each<[string, Partial<TarLimits>, Buffer[]]>([
    ["more than 2 entries", { entries: 2 }, [file("a"), file("b"), file("c"), end]],
    ["a file of more than 3 bytes", { fileBytes: 3 }, [file("a", "1234"), end]],
    ["more than 5 bytes of files", { totalBytes: 5 }, [file("a", "1234"), file("b", "56"), end]],
    [
      "an extended header of more than 65536 bytes",
      {},
      [pax({ comment: "x".repeat(65_536) }), file("a"), end],
    ],
    ["more than 1048576 zeros", { totalBytes: 1e9 }, [file("a"), Buffer.alloc(2 ** 21)]],
    ["a file of more than 1000000 bytes", {}, [entry({ name: "a", size: "77777777777\0" })]],
  ])("%s is refused before it costs anything", async (reason, changed, parts) => {
    const problem = await refusalOf(parts, changed);
    expect([problem.code, problem.message]).toEqual([
      "payload_too_large",
      expect.stringContaining(reason),
    ]);
  });

  it("are checked against what a header says, before its content has come", async () => {
    const problem = await refusalOf([
      pax({ size: "99999999999999" }),
      entry({ name: "a", size: "00000000000\0" }),
    ]);
    expect(problem.code).toBe("payload_too_large");
  });
});

describe("what is taken", () => {
  it("is a tree of directories, files and links, without bits that give power", async () => {
    const parts = [
      directory("bin/"),
      entry({ name: "bin/su", mode: "0006777\0", content: "#!" }),
      entry({ name: "bin/data", mode: "0000077\0" }),
      link("shadow", "/etc/shadow"),
      link("up", "../../.."),
      pax({ mtime: "1.5", uid: "0", path: "bin/é" }),
      entry({ name: "x", content: "text" }),
    ];
    await read([...parts, end, Buffer.alloc(9 * 1024)]);
    const mode = (name: string) => statSync(join(dir, "tree", name)).mode & 0o7777;
    expect([mode("bin/su"), mode("bin/data"), mode("bin")]).toEqual([0o700, 0o600, 0o700]);
    expect(readdirSync(join(dir, "tree")).sort()).toEqual(["bin", "shadow", "up"]);
    expect(readdirSync(join(dir, "tree", "bin")).sort()).toEqual(["data", "su", "é"].sort());
  });

  it("comes in chunks of any size", async () => {
    const whole = Buffer.concat([directory("a"), file("a/b", "content".repeat(200)), end]);
    await read([...whole].map((byte) => Buffer.from([byte])));
    expect(readFileSync(join(dir, "tree/a/b"), "utf8")).toBe("content".repeat(200));
  });

  it("is never written through a link that was in the directory before", async () => {
    symlinkSync("../canary", join(dir, "tree", "d"));
    const problem = await refusalOf([file("d/file", "owned"), end]);
    expect(problem.message).toContain("no directory");
  });
});
