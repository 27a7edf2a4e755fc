import { Problem } from "../contract/problem.ts";

/** The code of a system error (`ENOENT`, `ENOSPC` …), or undefined for any other error. */
export function errorCode(error: unknown): string | undefined {
  if (!(error instanceof Error) || !("code" in error)) return undefined;
  return typeof error.code === "string" ? error.code : undefined;
}

/** Whether nothing is at a path, or something else than a directory is on the way to it. */
export function isMissing(error: unknown): boolean {
  const code = errorCode(error);
  return code === "ENOENT" || code === "ENOTDIR";
}

/** Turns a full disk into the problem that a caller can act on, and passes every other error through. */
export function asStorageProblem(error: unknown): unknown {
  const code = errorCode(error);
  if (code !== "ENOSPC" && code !== "EDQUOT") return error;
  const message = "Cannot store the layer: the disk of the gateway's data directory is full";
  return new Problem("storage_full", message, { code }, { cause: error });
}
