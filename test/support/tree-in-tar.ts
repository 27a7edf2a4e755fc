/** What the system's own tar makes of an archive: the tree that it unpacks, as words. */
import { execFileSync } from "node:child_process";
import { lstatSync, mkdtempSync, readdirSync, readFileSync, readlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { removeTree } from "./remove-tree.ts";

/** Paths, each with `directory MODE`, `link TARGET` or `file MODE TEXT`. */
export function treeInTar(tar: Uint8Array): Record<string, string> {
  const dir = mkdtempSync(join(tmpdir(), "airlock-tar-"));
  try {
    execFileSync("tar", ["-x", "-p", "--no-same-owner", "-C", dir], { input: tar });
    return treeAt(dir);
  } finally {
    removeTree(dir);
  }
}

export function treeAt(dir: string): Record<string, string> {
  const paths = readdirSync(dir, { recursive: true, encoding: "utf8" });
  return Object.fromEntries(paths.map((path) => [path, nodeAt(join(dir, path))]));
}

function nodeAt(path: string): string {
  const stat = lstatSync(path);
  const mode = (stat.mode & 0o7777).toString(8);
  if (stat.isSymbolicLink()) return `link ${readlinkSync(path)}`;
  if (stat.isDirectory()) return `directory ${mode}`;
  return `file ${mode} ${readFileSync(path, "utf8")}`;
}
