/** Trees for tests: made from what a test says, and read back as the entries of a layer. */
import { createHash } from "node:crypto";
import { chmodSync, closeSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { walkTree } from "../base/tree.ts";
import type { LayerEntry } from "./layer-entry.ts";

/** What a name of a tree holds: a directory, or `target` for a symlink, or bytes. */
export type Node =
  | { type: "directory"; names: Map<string, Node> }
  | { type: "file"; bytes: Buffer; executable: boolean }
  | { type: "symlink"; target: Buffer };

/** Makes the tree below `root`; names are latin1, one character for each byte. */
export function plant(root: Buffer, names: Map<string, Node>): void {
  for (const [name, node] of names) {
    const path = Buffer.concat([root, Buffer.from("/"), Buffer.from(name, "latin1")]);
    if (node.type === "directory") {
      mkdirSync(path);
      plant(path, node.names);
    } else if (node.type === "symlink") {
      symlinkSync(node.target, path);
    } else {
      writeFileSync(path, node.bytes);
      chmodSync(path, node.executable ? 0o755 : 0o644);
    }
  }
}

/** The entries of a tree on disk, in the order of a manifest. */
export function entriesOf(root: string): LayerEntry[] {
  const entries: LayerEntry[] = [];
  for (const found of walkTree(root, { maxDepth: 200 })) {
    const { path, type } = found;
    if (type === "directory") {
      entries.push({ path, type, executable: false, size: 0, sha256: null, target: null });
    } else if (type === "symlink") {
      const target = found.readLink();
      entries.push({ path, type, executable: false, size: 0, sha256: sha256(target), target });
    } else if (type === "file") {
      const fd = found.open();
      const bytes = readFileSync(fd);
      closeSync(fd);
      const executable = (found.mode & 0o100) !== 0;
      entries.push({
        path,
        type,
        executable,
        size: bytes.length,
        sha256: sha256(bytes),
        target: null,
      });
    } else {
      throw new Error(`There is a ${type} at ${path.toString("latin1")}`);
    }
  }
  return entries.sort((a, b) => a.path.compare(b.path));
}

function sha256(bytes: Buffer): string {
  return createHash("sha256").update(bytes).digest("hex");
}
