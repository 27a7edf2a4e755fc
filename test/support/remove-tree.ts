import { execFileSync } from "node:child_process";
import { rmSync } from "node:fs";

/** Removes a directory with all in it, layers too: their directories are read-only, which stops everybody but root. */
export function removeTree(path: string): void {
  try {
    rmSync(path, { recursive: true, force: true, maxRetries: 3 });
  } catch (error) {
    if (!(error instanceof Error && "code" in error && error.code === "EACCES")) throw error;
    execFileSync("chmod", ["-R", "u+rwx", path]);
    rmSync(path, { recursive: true, force: true });
  }
}
