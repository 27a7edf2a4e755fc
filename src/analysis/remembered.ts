import { hash } from "node:crypto";
import { limits } from "../base/limits.ts";
import type { Analysed, Look } from "./analysis.ts";

/** What an analysis looked at: as long as all of it is the same, so is what it found. */
interface Remembered {
  analysed: Analysed;
  reads: Map<string, string | undefined>;
  lists: Map<string, string | undefined>;
}

/**
 * Remembers what was found in a command, with every file and directory that was looked at on the way. A command that comes
 * again is answered from memory only when each of them still holds the same; so a changed script is always read anew.
 */
export function openRemembered(): (
  text: string,
  look: Look,
  analyse: (look: Look) => Promise<Analysed>,
) => Promise<Analysed> {
  const kept = new Map<string, Remembered>();
  return async (text, look, analyse) => {
    if (text.length > limits.commandKeptCharacters) return analyse(look);
    const { remoteAccess = null, packageHosts, list } = look;
    const key = JSON.stringify([text, remoteAccess, packageHosts, list !== undefined]);
    const before = kept.get(key);
    if (before !== undefined && (await isSame(before, look))) return before.analysed;
    const { watched, reads, lists } = watch(look);
    const analysed = await analyse(watched);
    kept.delete(key);
    kept.set(key, { analysed, reads, lists });
    for (const oldest of kept.keys()) {
      if (kept.size <= limits.commandsKept) break;
      kept.delete(oldest);
    }
    return analysed;
  };
}

function watch(look: Look): { watched: Look } & Pick<Remembered, "reads" | "lists"> {
  const reads: Remembered["reads"] = new Map();
  const lists: Remembered["lists"] = new Map();
  const { list } = look;
  const watched: Look = {
    ...look,
    async read(path) {
      const bytes = await look.read(path);
      reads.set(path, digestOf(bytes));
      return bytes;
    },
    ...(list && {
      async list(path: string) {
        const names = await list(path);
        lists.set(path, names?.join("\0"));
        return names;
      },
    }),
  };
  return { watched, reads, lists };
}

async function isSame({ reads, lists }: Remembered, look: Look): Promise<boolean> {
  for (const [path, digest] of reads) {
    if (digestOf(await look.read(path)) !== digest) return false;
  }
  for (const [path, names] of lists) {
    if ((await look.list?.(path))?.join("\0") !== names) return false;
  }
  return true;
}

function digestOf(bytes: Uint8Array | undefined): string | undefined {
  return bytes && hash("sha256", bytes);
}
