import { z } from "zod";

const dirsMax = 32;
const dirBytesMax = 512;

/**
 * Brings one output directory into its normal form: repeated slashes collapsed, trailing slash dropped, the root kept.
 * Returns the reason in words when it is not acceptable.
 */
export function normaliseOutputDir(dir: string): { dir: string } | { reason: string } {
  if (dir === "") return { reason: "must be a non-empty string" };
  if (new TextEncoder().encode(dir).length > dirBytesMax) return { reason: "exceeds 512 bytes" };
  if (dir.includes("\0")) return { reason: "must not contain NUL" };
  if (/[\r\n]/.test(dir)) return { reason: "must not contain a line break" };
  if (!dir.startsWith("/")) return { reason: "must be an absolute UNIX path" };
  const parts = dir.split("/").filter((part) => part !== "");
  if (parts.includes("..")) return { reason: "must not contain a '..' segment" };
  if (parts.includes(".")) return { reason: "must not contain a '.' segment" };
  return { dir: `/${parts.join("/")}` };
}

/** Whether a normalised directory is in a place that a run can write: `/workspace` or `/tmp`. */
export function isWritablePlace(dir: string): boolean {
  return /^\/(workspace|tmp)(\/|$)/.test(dir);
}

/**
 * The directories whose files a run hands back. Normalised, without duplicates, at most 32 of at most 512 bytes each,
 * all below `/workspace` or `/tmp` (nothing else is writable). An empty list means the same as none.
 */
export const OutputDirs = z
  .array(z.string())
  .max(dirsMax, `too many output directories: the max is ${dirsMax}`)
  .transform((dirs, context) => {
    const normal: string[] = [];
    for (const [index, dir] of dirs.entries()) {
      const result = normaliseOutputDir(dir);
      const reason =
        "reason" in result
          ? result.reason
          : isWritablePlace(result.dir)
            ? undefined
            : "must be below /workspace or /tmp: a run can write nowhere else";
      if (reason !== undefined) {
        context.issues.push({ code: "custom", message: reason, path: [index], input: dir });
      } else if ("dir" in result && !normal.includes(result.dir)) normal.push(result.dir);
    }
    return normal;
  })
  .meta({ id: "OutputDirs" });
