import { chmodSync, lchownSync, lstatSync, readdirSync } from "node:fs";
import type { Owner } from "./found.ts";

/** Where a thread finds the functions of this file. */
export const unsealThread = import.meta.url;

/**
 * Gives a tree of which a part was sealed back to whom it belonged: what can be run stays so, and all can be written by
 * its owner again. What its modes were before is not known any more.
 */
export function unseal({ root, owner }: { root: string; owner: Owner | null }): void {
  const open = [Buffer.from(root)];
  for (let at = open.pop(); at !== undefined; at = open.pop()) {
    giveBack(at, owner);
    for (const name of readdirSync(at, { encoding: "buffer" })) {
      const path = Buffer.concat([at, Buffer.from("/"), name]);
      if (lstatSync(path).isDirectory()) open.push(path);
      else giveBack(path, owner);
    }
  }
}

function giveBack(path: Buffer, owner: Owner | null): void {
  const stats = lstatSync(path);
  if (owner) lchownSync(path, owner.uid, owner.gid);
  if (stats.isSymbolicLink()) return;
  const isOpen = stats.isDirectory() || (stats.mode & 0o100) !== 0;
  chmodSync(path, isOpen ? 0o755 : 0o644);
}
