/** The text that names a layer: C07, C11 and D08 of the catalogue of attacks. */
import { createHash } from "node:crypto";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { LayerEntry } from "./layer-entry.ts";
import { digestOf, readManifest, writeManifest } from "./manifest.ts";

const hash = (bytes: Buffer | string) => createHash("sha256").update(bytes).digest("hex");
const entry = (path: string | Buffer, more: Partial<LayerEntry> = {}): LayerEntry => ({
  ...{ path: Buffer.from(path), type: "file", executable: false, size: 1 },
  ...{ sha256: hash("x"), target: null, ...more },
});
const directory = (path: string | Buffer) =>
  entry(path, { type: "directory", size: 0, sha256: null });
const link = (path: string, target: string) =>
  entry(path, { type: "symlink", size: 0, sha256: hash(target), target: Buffer.from(target) });

const byte = fc.integer({ min: 1, max: 255 }).filter((value) => value !== 0x2f);
const name = fc
  .array(byte, { minLength: 1, maxLength: 12 })
  .map((bytes) => Buffer.from(bytes))
  .filter((bytes) => ![".", ".."].includes(bytes.toString("latin1")));
/** A tree: files, links and directories below directories that are there. */
const tree = fc
  .array(fc.tuple(name, fc.nat(), fc.constantFrom("file", "directory", "symlink"), fc.boolean()), {
    maxLength: 20,
  })
  .map((parts) => {
    const made = new Map<string, LayerEntry>();
    const places = [""];
    for (const [own, place, type, executable] of parts) {
      const parent = places[place % places.length] ?? "";
      const text = `${parent === "" ? "" : `${parent}/`}${own.toString("latin1")}`;
      if (made.has(text)) continue;
      const path = Buffer.from(text, "latin1");
      if (type === "directory") {
        made.set(text, directory(path));
        places.push(text);
      } else if (type === "symlink") {
        made.set(text, {
          ...link("x", own.toString("latin1")),
          path,
          target: own,
          sha256: hash(own),
        });
      } else made.set(text, entry(path, { executable, size: place }));
    }
    return [...made.values()];
  });

describe("a manifest", () => {
  it("gives every tree back, whatever its names are made of", () => {
    fc.assert(
      fc.property(tree, (entries) => {
        const sorted = [...entries].sort((a, b) => Buffer.compare(a.path, b.path));
        expect(readManifest(writeManifest(entries))).toEqual(sorted);
      }),
    );
  });

  it("is the same in whatever order the entries were found", () => {
    fc.assert(
      fc.property(tree, (entries) => {
        expect(digestOf(writeManifest(entries.toReversed()))).toBe(
          digestOf(writeManifest(entries)),
        );
      }),
    );
  });

  it("is this text, byte for byte: a layer made today keeps its name", () => {
    const entries = [link("b", "../a b"), directory("d"), entry("d/é\n\\", { executable: true })];
    expect(writeManifest(entries).toString("latin1")).toBe(
      [
        "airlock-layer 1",
        `l 0 ${hash("../a b")} b -> ../a\\x20b`,
        "d 0 - d",
        `x 1 ${hash("x")} d/\\xc3\\xa9\\x0a\\x5c`,
        "",
      ].join("\n"),
    );
    expect(digestOf(writeManifest([]))).toBe(`sha256:${hash("airlock-layer 1\n")}`);
  });

  it("tells trees apart that differ in a bit, a name, a target or a mode", () => {
    const base = [directory("d"), entry("d/f"), link("l", "d/f")];
    const others = [
      [directory("d"), entry("d/f", { sha256: hash("y") }), link("l", "d/f")],
      [directory("d"), entry("d/F"), link("l", "d/f")],
      [directory("d"), entry("d/f"), link("l", "d/g")],
      [directory("d"), entry("d/f", { executable: true }), link("l", "d/f")],
      [directory("d"), entry("d/f", { size: 2 }), link("l", "d/f")],
      [directory("d"), link("l", "d/f")],
      [...base, directory("e")],
    ];
    const digests = [base, ...others].map((entries) => digestOf(writeManifest(entries)));
    expect(new Set(digests).size).toBe(others.length + 1);
  });
});

describe("what is no manifest is refused", () => {
  const good = [directory("d"), entry("d/f"), link("l", "d")];
  const lines = writeManifest(good).toString().split("\n");
  const [head = "", d = "", f = "", l = ""] = lines;

  it.each<[string, string[]]>([
    ["another first line", ["airlock-layer 2", d, f, l, ""]],
    ["no line break at the end", [head, d, f, l]],
    ["an empty line", [head, d, "", f, l, ""]],
    ["another order", [head, d, l, f, ""]],
    ["a path twice", [head, d, f, f, l, ""]],
    ["a file in no directory", [head, f, l, ""]],
    ["a file in a file", [head, `f 1 ${hash("x")} a`, `f 1 ${hash("x")} a/b`, ""]],
    ["a file in a link", [head, l, `${f.replace("d/f", "l/f")}`, ""]],
    ["an absolute path", [head, d.replace(" d", " /d"), ""]],
    ["a path upwards", [head, d.replace(" d", " .."), ""]],
    ["a dot", [head, d.replace(" d", " ."), ""]],
    ["a slash at the end", [head, d.replace(/ d$/, " d/"), ""]],
    ["a hash in capitals", [head, d, f.toUpperCase().replace(/^F/, "f").replace("D/F", "d/f"), ""]],
    ["a number in another spelling", [head, d, f.replace("f 1 ", "f 01 "), ""]],
    ["a directory with a size", [head, d.replace("d 0", "d 4"), ""]],
    ["a file without a hash", [head, d, f.replace(hash("x"), "-"), ""]],
    ["a link without a target", [head, l.replace(" -> d", ""), ""]],
    ["a file with a target", [head, `${f} -> x`, ""]],
    ["an escape that is not needed", [head, d.replace(/ d$/, " \\x64"), ""]],
    ["an escape in capitals", [head, d.replace(/ d$/, " \\x0A"), ""]],
    ["a backslash alone", [head, d.replace(/ d$/, " a\\b"), ""]],
    ["a NUL in a name", [head, d.replace(/ d$/, " a\\x00"), ""]],
    ["a carriage return", [head, `${d}\r`, ""]],
    ["a device", [head, d.replace("d 0", "c 0"), ""]],
  ])("%s", (_, wrong) => {
    expect(() => readManifest(Buffer.from(wrong.join("\n")))).toThrow(TypeError);
  });

  it("whatever byte of it is changed", () => {
    const bytes = writeManifest(good);
    fc.assert(
      fc.property(fc.nat(bytes.length - 1), fc.integer({ min: 1, max: 255 }), (at, flip) => {
        const changed = Buffer.from(bytes);
        changed[at] = (changed[at] ?? 0) ^ flip;
        let read: LayerEntry[];
        try {
          read = readManifest(changed);
        } catch (error) {
          expect(error).toBeInstanceOf(TypeError);
          return;
        }
        expect(writeManifest(read).equals(changed)).toBe(true);
      }),
    );
  });
});
