/**
 * Entries of a tree on their way between threads: text in one buffer, which the main thread passes on without a look at
 * it, however many they are. Paths are spelled as in a manifest.
 */
import { plainBytes } from "./spelling.ts";

/** Whom files are to belong to. */
export interface Owner {
  uid: number;
  gid: number;
}

export interface TreeLimits {
  entries: number;
  fileBytes: number;
  totalBytes: number;
  depth: number;
  pathBytes: number;
}

/** An entry of a tree that is no layer yet. */
export interface Found {
  /** As in a manifest: `d`, `f`, `x` or `l`. */
  letter: string;
  size: number;
  /** Its owner may not read it as it is. */
  isLocked: boolean;
  /** It has another name somewhere. */
  isLinked: boolean;
  path: string;
}

export function foundLine({ letter, size, isLocked, isLinked, path }: Found): string {
  return `${letter} ${size} ${isLocked ? "k" : "-"}${isLinked ? "h" : "-"} ${path}`;
}

export function* foundOf(lines: Uint8Array): Generator<Found> {
  for (const line of textOf(lines)) {
    const [letter = "", size = "", flags = "", path = ""] = line.split(" ");
    const [isLocked, isLinked] = [flags[0] === "k", flags[1] === "h"];
    yield { letter, size: Number(size), isLocked, isLinked, path };
  }
}

/** Lines as bytes that threads share: the main one passes them on in no time, however many they are. */
export function bytesOf(lines: string[]): Uint8Array {
  const text = lines.map((line) => `${line}\n`).join("");
  const bytes = Buffer.from(new SharedArrayBuffer(text.length));
  bytes.write(text, "latin1");
  return bytes;
}

export function textOf({ buffer, byteOffset, byteLength }: Uint8Array): string[] {
  const text = Buffer.from(buffer, byteOffset, byteLength).toString("latin1");
  return text.split("\n").slice(0, -1);
}

/** Where an entry lies. Most names are plain, and then a string is faster than bytes. */
export function fullPath(root: string, path: string): string | Buffer {
  if (path === "") return root;
  if (!path.includes("\\")) return `${root}/${path}`;
  return Buffer.concat([Buffer.from(`${root}/`), plainBytes(path)]);
}
