import { createHash } from "node:crypto";
import { setImmediate } from "node:timers/promises";
import { show } from "../base/below.ts";
import type { LayerEntry } from "./layer-entry.ts";
import { plainBytes, spelled } from "./spelling.ts";

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
  return manifestOf(sorted.map(lineOf));
}

/** A manifest of lines that are sorted and spelled as they must be. */
export function manifestOf(lines: string[]): Buffer {
  return Buffer.from(`${[firstLine, ...lines].join("\n")}\n`, "latin1");
}

/** The digest of a layer: that of its manifest's bytes. */
export function digestOf(manifest: Uint8Array): string {
  return `sha256:${createHash("sha256").update(manifest).digest("hex")}`;
}

function lineOf({ path, type, executable, size, sha256, target }: LayerEntry): string {
  const letter = type === "file" ? (executable ? "x" : "f") : type === "directory" ? "d" : "l";
  const link = target === null ? "" : ` -> ${spelled(target.toString("latin1"))}`;
  return `${letter} ${size} ${sha256 ?? "-"} ${spelled(path.toString("latin1"))}${link}`;
}

/**
 * Reads a manifest back. Throws a `TypeError` that names the line for anything that `writeManifest` would not have
 * written: an order, an escape or a number in another spelling, a path twice, or one whose directory is none.
 */
export function readManifest(manifest: Buffer): LayerEntry[] {
  const entries: LayerEntry[] = [];
  const check = orderCheck();
  for (const { entry } of readLines(manifest)) {
    check(entry);
    entries.push(entry);
  }
  return entries;
}

/** Lines that are read before others get a turn: some milliseconds of work. */
const linesInARow = 2_000;

/** The same for a long manifest, where nobody else may be kept waiting. */
export async function readManifestInTurns(
  manifest: Buffer,
  signal?: AbortSignal,
): Promise<LayerEntry[]> {
  const entries: LayerEntry[] = [];
  const check = orderCheck();
  for (const { entry } of readLines(manifest)) {
    check(entry);
    entries.push(entry);
    if (entries.length % linesInARow !== 0) continue;
    await setImmediate();
    signal?.throwIfAborted();
  }
  return entries;
}

/**
 * The entries from an offset on, which is 0 or the `next` of an entry that came before. Only each line by itself is
 * checked, not its place among the others.
 */
export function* readLines(
  manifest: Buffer,
  from = 0,
): Generator<{ entry: LayerEntry; next: number }> {
  if (manifest.indexOf(`${firstLine}\n`, 0, "latin1") !== 0 || manifest.at(-1) !== 0x0a) {
    throw new TypeError("This is no manifest");
  }
  for (let at = from === 0 ? firstLine.length + 1 : from; at < manifest.length; ) {
    const end = manifest.indexOf(0x0a, at);
    yield { entry: readLine(manifest.toString("latin1", at, end)), next: end + 1 };
    at = end + 1;
  }
}

/** The paths as they are spelled, of a manifest that is known to be one. */
export function* pathsOf(manifest: Buffer): Generator<string> {
  const text = manifest.toString("latin1");
  for (let at = text.indexOf("\n") + 1; at < text.length; ) {
    const end = text.indexOf("\n", at);
    yield text.slice(at, end).split(" ", 4)[3] ?? "";
    at = end + 1;
  }
}

function orderCheck(): (entry: LayerEntry) => void {
  const directories = new Set<string>();
  let before: LayerEntry | undefined;
  return (entry) => {
    if (before !== undefined && Buffer.compare(before.path, entry.path) >= 0) {
      throw new TypeError(`The line of ${show(entry.path)} is not behind the one before it`);
    }
    before = entry;
    const name = entry.path.toString("latin1");
    const parent = name.slice(0, Math.max(0, name.lastIndexOf("/")));
    if (parent !== "" && !directories.has(parent)) {
      throw new TypeError(`The line of ${show(entry.path)} lies in no directory of the manifest`);
    }
    if (entry.type === "directory") directories.add(name);
  };
}

const line = /^([dfxl]) (0|[1-9]\d{0,15}) (-|[0-9a-f]{64}) ([\x21-\x7e]+)(?: -> ([\x21-\x7e]+))?$/;

function readLine(text: string): LayerEntry {
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
  if (!isSound) {
    throw new TypeError(`A line of the manifest is not as it must be: ${text.slice(0, 200)}`);
  }
  return entry;
}
