/**
 * What package managers write beside what they install and differs between two installs of one lock: locks, records of
 * use, caches that hold times. Nothing that is installed needs it, and with it the same lock would never be the same layer.
 */
import { closeSync, constants, openSync, readdirSync, readSync } from "node:fs";
import { errorCode } from "./disk-errors.ts";
import { type Found, fullPath, textOf } from "./found.ts";
import { removeSealed } from "./places.ts";

/** Where a thread finds the functions of this file. */
export const leftOutThread = import.meta.url;

/** What was not taken into a layer, and how many files or directories of that kind. */
export interface LeftOut {
  what: string;
  count: number;
}

interface Rule {
  what: string;
  names: readonly string[];
  /** Of the directory that holds it, from the top of the capture. */
  place?: RegExp;
  /** What must lie beside it: a name alone may be anybody's. */
  beside?: string;
  letter: string;
  isVolatile?: (full: string | Buffer) => boolean;
}

const rules: readonly Rule[] = [
  {
    what: "locks of cargo",
    ...{ names: [".package-cache", ".package-cache-mutate"], beside: "registry", letter: "f" },
  },
  {
    what: "record of cargo of when it used what",
    names: [".global-cache", ".global-cache-journal", ".global-cache-wal", ".global-cache-shm"],
    ...{ beside: "registry", letter: "f" },
  },
  {
    what: "log of cargo of when it fetched an index that is a repository",
    ...{ names: ["logs"], place: /(?:^|\/)index\/[^/]+\/\.git$/, beside: "objects", letter: "d" },
  },
  {
    what: "lock of go",
    ...{ names: ["lock"], place: /(?:^|\/)cache$/, beside: "download", letter: "f" },
  },
  {
    what: "checksum database of go",
    ...{ names: ["sumdb"], place: /(?:^|\/)cache\/download$/, letter: "d" },
  },
  {
    what: "clones of repositories of go",
    ...{ names: ["vcs"], place: /(?:^|\/)cache$/, beside: "download", letter: "d" },
  },
  {
    what: "bytecode of Python that holds times",
    ...{ names: ["__pycache__"], letter: "d", isVolatile: holdsTimes },
  },
];

const known = new Set(rules.flatMap(({ names }) => names));

/**
 * The number of the rule by which an entry is left out, or undefined for what is taken. `beside` are the names in its
 * directory.
 */
export function leftOutBy(
  root: string,
  place: string,
  beside: readonly string[],
  { letter, path }: Found,
): number | undefined {
  const name = path.slice(path.lastIndexOf("/") + 1);
  if (!known.has(name)) return undefined;
  const index = rules.findIndex((rule) => {
    if (rule.letter !== letter || !rule.names.includes(name)) return false;
    if (rule.place && !rule.place.test(place)) return false;
    if (rule.beside !== undefined && !beside.includes(rule.beside)) return false;
    return rule.isVolatile?.(fullPath(root, path)) ?? true;
  });
  return index === -1 ? undefined : index;
}

/**
 * Whether a directory holds nothing but bytecode that is held against the time of its source, which no two installs
 * share. Bytecode that is held against the content of its source is the same everywhere, and stays.
 */
function holdsTimes(directory: string | Buffer): boolean {
  try {
    const entries = readdirSync(directory, { withFileTypes: true, encoding: "buffer" });
    return entries.every((entry) => {
      if (!entry.isFile() || !entry.name.toString("latin1").endsWith(".pyc")) return false;
      return flagsOf(Buffer.concat([Buffer.from(directory), Buffer.from("/"), entry.name])) === 0;
    });
  } catch (error) {
    // Python locks nobody out of its bytecode: this is something else.
    if (errorCode(error) === "EACCES") return false;
    throw error;
  }
}

/** The second word of bytecode (PEP 552); what is too short for it is a file that Python would write anew. */
function flagsOf(path: Buffer): number {
  const fd = openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  try {
    const head = Buffer.alloc(8);
    readSync(fd, head, 0, head.length, 0);
    return head.readUInt32LE(4);
  } finally {
    closeSync(fd);
  }
}

export function leftOutLine(rule: number, path: string): string {
  return `${rule} ${path}`;
}

/** Takes what is left out away from a tree that nobody else can reach any more. The lines are of `leftOutLine`. */
export function removeLeftOut({ root, lines }: { root: string; lines: Uint8Array }): LeftOut[] {
  const counts = rules.map(({ what }) => ({ what, count: 0 }));
  for (const line of textOf(lines)) {
    const [rule = "", path = ""] = line.split(" ");
    removeSealed(fullPath(root, path));
    const counted = counts[Number(rule)];
    if (counted) counted.count += 1;
  }
  return counts.filter(({ count }) => count > 0);
}
