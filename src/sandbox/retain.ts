import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { type PlacesHost, runDirectory } from "./places.ts";
import { removeTree } from "./remove.ts";

/** What the run itself made. */
const kept = new Set(["tmp", "workspace"]);

/** Removes everything of a run's directory but what the run made itself. The run's uid owns the directory as before. */
export async function retainPlace(host: PlacesHost, runId: string): Promise<boolean> {
  const directory = runDirectory(host, runId);
  if (!existsSync(directory)) return true;
  let isGone = true;
  for (const name of readdirSync(directory)) {
    if (kept.has(name)) continue;
    // None is left standing because another one would not go.
    if (!(await removeTree(join(directory, name), host.log))) isGone = false;
  }
  return isGone;
}
