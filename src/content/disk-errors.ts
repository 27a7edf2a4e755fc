import { Problem } from "../contract/problem.ts";

/** The code of a system error (`ENOENT`, `ENOSPC` …), or undefined for any other error. */
export function errorCode(error: unknown): string | undefined {
  if (!(error instanceof Error) || !("code" in error)) return undefined;
  return typeof error.code === "string" ? error.code : undefined;
}

/** Whether the kernel says that there is no room. */
export function isDiskFull(error: unknown): boolean {
  const code = errorCode(error);
  return code === "ENOSPC" || code === "EDQUOT";
}

/** Turns a full disk into the problem that a caller can act on, and passes every other error through. */
export function asStorageProblem(error: unknown): unknown {
  if (!isDiskFull(error)) return error;
  return new Problem(
    "storage_full",
    "Cannot store the bytes: the disk of the gateway's data directory is full",
    { code: errorCode(error) },
    { cause: error },
  );
}
