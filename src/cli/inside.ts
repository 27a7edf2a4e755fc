import { closeSync, openSync } from "node:fs";
import { CliError, exit } from "./exit.ts";

/** What every run shows at this place, and no host has. */
const manifestPath = "/airlock/index.json";

/**
 * Refuses to go on inside a run. Whoever drives an agent must not find a client there that reads tokens from files and
 * variables. A manifest that is there counts, and so does any answer but "there is none": what cannot be seen may be there.
 */
export function refuseInside(path: string = manifestPath): void {
  let reason: string;
  try {
    closeSync(openSync(path, "r"));
    reason = `${path} is there`;
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    if (code === "ENOENT" || code === "ENOTDIR") return;
    reason = message;
  }
  throw new CliError(
    "inside_run",
    `This command is for the host, and this is the inside of a run (${reason})`,
    "Inside there is another one: /airlock/airlock --help",
    exit.usage,
  );
}
