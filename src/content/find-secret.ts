import { closeSync, readSync } from "node:fs";
import { walkTree } from "../base/tree.ts";
import { makeScanner } from "./blob-thread.ts";
import type { ScannerRecipe, SecretScanner } from "./output-file.ts";

/** Where a thread finds the function of this file. */
export const findSecretThread = import.meta.url;

const pieceBytes = 256 * 1024;

/**
 * The first path below an open directory that holds a secret: in its name, in what it links to, or in its bytes. Also the
 * first that cannot be searched, because nobody can say that it holds none. It says whether what
 * was found is the canary. Only while nothing changes the tree.
 */
export async function findSecretBelow(
  { root, scanner }: { root: number; scanner: ScannerRecipe },
  isAborted: () => boolean,
): Promise<{ path: string; isCanary: boolean } | undefined> {
  let isCanary = false;
  const onCanary = () => {
    isCanary = true;
  };
  const search = await makeScanner(scanner, onCanary);
  const buffer = Buffer.allocUnsafe(pieceBytes);
  for (const entry of walkTree(`/proc/self/fd/${root}/.`)) {
    if (isAborted()) throw new Error("The work was aborted");
    const { type, path } = entry;
    const isBad =
      type === "unreadable" ||
      type === "too_deep" ||
      type === "too_many" ||
      search.start().push(path) ||
      (type === "symlink" && search.start().push(entry.readLink())) ||
      (type === "file" && holdsSecret(entry.open(), search, buffer, isAborted));
    if (isBad) return { path: path.toString("utf8"), isCanary };
  }
  return undefined;
}

/** Closes the file. */
function holdsSecret(
  fd: number,
  search: SecretScanner,
  buffer: Buffer,
  isAborted: () => boolean,
): boolean {
  try {
    const scan = search.start();
    for (;;) {
      if (isAborted()) throw new Error("The work was aborted");
      const read = readSync(fd, buffer, 0, buffer.length, null);
      if (read === 0) return false;
      if (scan.push(buffer.subarray(0, read))) return true;
    }
  } finally {
    closeSync(fd);
  }
}
