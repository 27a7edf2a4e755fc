import { closeSync, readdirSync, unlinkSync } from "node:fs";
import { at, type Owner, openDirectoryBelow, placeFileBelow } from "../base/below.ts";
import type { RunFile } from "./sandbox.ts";

/** The directory of a run, beside `tmp` and the others, in which its files are. */
export const runFilesName = "own";
/** Where that directory is mounted inside: at the top, which nobody can write, move or mount over there. */
export const runFilesPath = "/airlock-run";

/**
 * Names at `/airlock` that lead to a file of the run. `/airlock` itself is the same for all runs, and has to be mounted
 * last, so what differs by run is mounted before it and linked to from there.
 */
export const runFileNames = ["run-token", "index.json", ".credentials"] as const;

/**
 * Writes the files of a run anew, and takes away what else is there: called again after a crash it leaves the same. They
 * are for the run's own uid to read, and the mount is read-only.
 */
export async function placeRunFiles(
  root: number,
  files: readonly RunFile[],
  { owner, temporary }: { owner: Owner | undefined; temporary: number },
): Promise<void> {
  const directory = openDirectoryBelow(root, runFilesName, { mode: 0o700, owner });
  try {
    const names = new Set<string>(files.map(({ name }) => name));
    for (const name of readdirSync(`/proc/self/fd/${directory}`)) {
      if (!names.has(name)) unlinkSync(at(directory, Buffer.from(name)));
    }
    for (const { name, data } of files) {
      await placeFileBelow(directory, name, [data], { mode: 0o400, owner, temporary });
    }
  } finally {
    closeSync(directory);
  }
}
