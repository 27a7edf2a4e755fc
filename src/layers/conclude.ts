import { createHash } from "node:crypto";
import { join } from "node:path";
import { textOf } from "./found.ts";
import { fingerprintName, manifestName } from "./look.ts";
import { digestOf, manifestOf } from "./manifest.ts";
import { syncDirectory, writeSynced } from "./places.ts";
import { plain } from "./spelling.ts";

/** Where a thread finds the functions of this file. */
export const concludeThread = import.meta.url;

/**
 * Writes the manifest and the fingerprint of a tree whose every entry was sealed, beside it and to the disk; gives the digest. The parts
 * are what the functions of `seal.ts` answered, in any order.
 */
export function conclude({ incoming, parts }: { incoming: string; parts: Uint8Array[] }): string {
  // By the bytes of the path and nothing else: no other byte is less than the one that ends it.
  const keyed = parts.flatMap(textOf).map((line) => `${plain(pathOf(line))}\0${line}`);
  const fingerprint = createHash("sha256");
  const lines: string[] = [];
  for (const key of keyed.sort()) {
    const [line = "", stats = ""] = key.slice(key.indexOf("\0") + 1).split("\t");
    fingerprint.update(stats);
    if (pathOf(line) !== "") lines.push(line);
  }
  const manifest = manifestOf(lines);
  writeSynced(join(incoming, manifestName), manifest);
  writeSynced(join(incoming, fingerprintName), Buffer.from(fingerprint.digest("hex")));
  syncDirectory(incoming);
  return digestOf(manifest);
}

/** The fourth field; a target may follow it, or a part of the fingerprint. */
function pathOf(line: string): string {
  const hash = line.indexOf(" ", 2);
  const start = line.indexOf(" ", hash + 1) + 1;
  for (let end = start; end < line.length; end++) {
    const code = line.charCodeAt(end);
    if (code === 0x20 || code === 0x09) return line.slice(start, end);
  }
  return line.slice(start);
}
