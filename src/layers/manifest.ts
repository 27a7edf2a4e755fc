import { createHash } from "node:crypto";
import type { LayerEntry } from "./layer-entry.ts";

const firstLine = "airlock-layer 1";
const letters = { d: "directory", f: "file", x: "file", l: "symlink" } as const;

/**
 * The canonical text of a tree: what is in it and nothing else. No times, owners or order of creation, and of a mode
 * only whether a file can be run, so that the same tree has the same text on any machine (P5). One line for each entry,
 * by the bytes of its path: a letter (`d` directory, `f` file, `x` file that can be run, `l` symlink), the size, the
 * sha256 of the content or of the target, the path, and for a symlink its target. Bytes that are not plain are `\xhh`.
 */
export function writeManifest(entries: readonly LayerEntry[]): Buffer {
  const sorted = [...entries].sort((a, b) => Buffer.compare(a.path, b.path));
  return Buffer.from(`${[firstLine, ...sorted.map(lineOf)].join("\n")}\n`, "latin1");
}

/** The digest of a layer: that of its manifest's bytes. */
export function digestOf(manifest: Uint8Array): string {
  return `sha256:${createHash("sha256").update(manifest).digest("hex")}`;
}

function lineOf({ path, type, executable, size, sha256, target }: LayerEntry): string {
  const letter = type === "file" ? (executable ? "x" : "f") : type === "directory" ? "d" : "l";
  const link = target === null ? "" : ` -> ${spelled(target)}`;
  return `${letter} ${size} ${sha256 ?? "-"} ${spelled(path)}${link}`;
}

function spelled(bytes: Buffer): string {
  return bytes.toString("latin1").replace(/[^\x21-\x7e]|\\/g, (byte) => {
    return `\\x${byte.charCodeAt(0).toString(16).padStart(2, "0")}`;
  });
}

/**
 * Reads a manifest back. Throws a `TypeError` that names the line for anything that `writeManifest` would not have
 * written: an order, an escape or a number in another spelling, a path twice, or one whose directory is none.
 */
export function readManifest(manifest: Buffer): LayerEntry[] {
  const lines = manifest.toString("latin1").split("\n");
  if (lines[0] !== firstLine || lines.at(-1) !== "") throw new TypeError("This is no manifest");
  const entries = lines.slice(1, -1).map((line, index) => readLine(line, index + 2));
  const directories = new Set<string>();
  for (const [index, { path, type }] of entries.entries()) {
    const before = entries[index - 1];
    if (before !== undefined && Buffer.compare(before.path, path) >= 0) {
      throw new TypeError(`Line ${index + 2} of the manifest is not behind the one before it`);
    }
    const name = path.toString("latin1");
    const parent = name.slice(0, Math.max(0, name.lastIndexOf("/")));
    if (parent !== "" && !directories.has(parent)) {
      throw new TypeError(`Line ${index + 2} of the manifest lies in no directory of it`);
    }
    if (type === "directory") directories.add(name);
  }
  return entries;
}

const line = /^([dfxl]) (0|[1-9]\d{0,15}) (-|[0-9a-f]{64}) ([\x21-\x7e]+)(?: -> ([\x21-\x7e]+))?$/;

function readLine(text: string, number: number): LayerEntry {
  const [, letter, size, hash, path = "", target] = line.exec(text) ?? [];
  const type = letters[letter as keyof typeof letters];
  const entry: LayerEntry = {
    path: plainBytes(path),
    ...{ type, executable: letter === "x", size: Number(size) },
    sha256: hash === "-" ? null : (hash ?? null),
    target: target === undefined ? null : plainBytes(target),
  };
  const names = entry.path.toString("latin1").split("/");
  const isSound =
    text === (type && lineOf(entry)) &&
    (type === "directory") === (entry.sha256 === null) &&
    (type === "symlink") === (entry.target !== null) &&
    (type === "file" || entry.size === 0) &&
    !entry.path.includes(0) &&
    names.every((name) => !["", ".", ".."].includes(name));
  if (!isSound) throw new TypeError(`Line ${number} of the manifest is not as it must be`);
  return entry;
}

function plainBytes(text: string): Buffer {
  const plain = text.replace(/\\x([0-9a-f]{2})/g, (_, hex: string) =>
    String.fromCharCode(Number.parseInt(hex, 16)),
  );
  return Buffer.from(plain, "latin1");
}
