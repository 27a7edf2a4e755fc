import { closeSync, readdirSync, symlinkSync } from "node:fs";
import { dirname, join } from "node:path";
import { at, openDirectoryBelow, openRoot } from "../base/below.ts";
import { openTemporary, placeAt, verified } from "./places.ts";
import { agentPath, type ClosedFile, type Place } from "./sandbox.ts";

/** Where the folder of a script agent is mounted inside, at the top like a run's own files; `/airlock/agent` leads there. */
export const agentMount = "/airlock-agent";

/**
 * Writes the folder of the agent whose script the run is beside the run's directories, each file held against its digest.
 * It is the gateway's own: the run's uid may read and start what is in it. Called again it writes the same.
 */
export async function placeAgentFolder(
  place: Place,
  files: readonly ClosedFile[],
): Promise<Place & { agent: string }> {
  const directory = dirname(place.tmp);
  const root = openRoot(directory);
  try {
    closeSync(openDirectoryBelow(root, "agent", { mode: 0o755, owner: undefined }));
    const temporary = openTemporary(root);
    try {
      for (const { path, executable, sha256, read } of files) {
        const mode = executable ? 0o555 : 0o444;
        const data = verified(path, sha256, read);
        await placeAt(root, `agent/${path}`, data, { mode, owner: undefined, temporary });
      }
    } finally {
      closeSync(temporary);
    }
    linkTops(root, files);
  } finally {
    closeSync(root);
  }
  return { ...place, agent: join(directory, "agent") };
}

/** Only a convenience, which the script may change: it is itself started below the mount. */
function linkTops(root: number, files: readonly ClosedFile[]): void {
  const tmp = openDirectoryBelow(root, "tmp");
  try {
    const taken = new Set(readdirSync(`/proc/self/fd/${tmp}`));
    for (const top of new Set(files.map(({ path }) => path.split("/")[0] ?? ""))) {
      if (!taken.has(top)) symlinkSync(`${agentPath}/${top}`, at(tmp, Buffer.from(top)));
    }
  } finally {
    closeSync(tmp);
  }
}
