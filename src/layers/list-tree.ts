/**
 * What is in a tree, by threads that share the work: one begins, and as soon as there are enough directories for all,
 * each takes the next until none is left. Nothing is changed but what its owner locked against himself.
 */
import { chmodSync, lstatSync, readdirSync, type Stats } from "node:fs";
import { bytesOf, type Found, foundLine, fullPath, type TreeLimits } from "./found.ts";
import { leftOutBy, leftOutLine } from "./left-out.ts";
import { plain, spelled } from "./spelling.ts";

/** Where a thread finds the functions of this file. */
export const listThread = import.meta.url;

export interface ListOrder {
  root: string;
  limits: TreeLimits;
  /** Directories, of which the threads take one after the other. */
  open: string[];
  /** How many there may be in the end before the rest is given back, for others to help with. */
  openMax: number;
  /** Everything is taken, also what `left-out.ts` would leave out: an archive is a layer as it is. */
  isWhole: boolean;
  shared: SharedArrayBuffer;
}

/** Files that one thread is given at a time. */
export interface Piece {
  lines: Uint8Array;
  files: number;
  bytes: number;
}

export type Listed =
  | {
      ok: true;
      pieces: Piece[];
      directories: Uint8Array;
      links: Uint8Array;
      leftOut: Uint8Array;
      isLinked: boolean;
      open: string[];
    }
  | { ok: false; reason: string };

/** The directory to take next, and what all have found together. */
export function newShared(): SharedArrayBuffer {
  return new SharedArrayBuffer(3 * BigInt64Array.BYTES_PER_ELEMENT);
}
const [nextAt, entriesAt, bytesAt] = [0, 1, 2];

/** The kernel takes no longer path in one call. */
const pathMax = 4095;
/** Enough to be worth the way to a thread, few enough to be told of progress and not to hold up others. */
const pieceFiles = 1_000;
const pieceBytes = 16 * 1024 * 1024;

/** Lists the directories that this thread gets hold of, or says why the tree can be no layer. */
export function listTree(order: ListOrder, isAborted: () => boolean): Listed {
  const shared = new BigInt64Array(order.shared);
  const collect = openCollection();
  const open: string[] = [];
  for (let at = 0; ; ) {
    if (isAborted()) throw new Error("The work was aborted");
    if (open.length - at >= order.openMax) return collect.listed(open.slice(at));
    const own = at < open.length;
    const place = own ? open[at++] : order.open[Number(Atomics.add(shared, nextAt, 1n))];
    if (place === undefined) return collect.listed([]);
    const refusal = listDirectory(order, place, shared, (found, beside) => {
      const rule = order.isWhole ? undefined : leftOutBy(order.root, place, beside, found);
      if (rule !== undefined) return collect.leaveOut(rule, found);
      if (found.letter === "d") open.push(found.path);
      collect.add(found);
    });
    if (refusal !== undefined) return { ok: false, reason: refusal };
  }
}

function listDirectory(
  { root, limits }: ListOrder,
  place: string,
  shared: BigInt64Array,
  take: (found: Found, beside: readonly string[]) => void,
): string | undefined {
  const directory = fullPath(root, place);
  unlock(directory);
  const above = place === "" ? "" : `${place}/`;
  const aboveBytes = plain(above).length;
  const isDeep = place.split("/").length >= limits.depth && place !== "";
  let bytes = 0;
  // Sorted here, where they are few, they are nearly sorted when all are.
  const names = readdirSync(directory, { encoding: "latin1" }).sort();
  const before = Number(Atomics.add(shared, entriesAt, BigInt(names.length)));
  for (const [index, name] of names.entries()) {
    const path = above + spelled(name);
    if (before + index >= limits.entries) return `it has more than ${limits.entries} entries`;
    const length = aboveBytes + name.length;
    if (length > limits.pathBytes || Buffer.byteLength(root) + 1 + length > pathMax) {
      return `the path ${shown(path).slice(0, 200)}… is longer than ${limits.pathBytes} bytes`;
    }
    const found = foundAt(lstatSync(fullPath(root, path)), path);
    if (found === undefined) return `${shown(path)} is a device, a socket or a FIFO`;
    if (found.letter === "d" && isDeep) {
      return `${shown(path)} is deeper than ${limits.depth} directories`;
    }
    if (found.size > limits.fileBytes) {
      return `${shown(path)} has ${found.size} bytes, expected at most ${limits.fileBytes}`;
    }
    bytes += found.size;
    take(found, names);
  }
  const all = Number(Atomics.add(shared, bytesAt, BigInt(bytes))) + bytes;
  return all > limits.totalBytes ? `it has more than ${limits.totalBytes} bytes` : undefined;
}

function foundAt(stats: Stats, path: string): Found | undefined {
  const isLocked = (stats.mode & 0o400) === 0;
  if (stats.isFile()) {
    const letter = (stats.mode & 0o100) === 0 ? "f" : "x";
    return { letter, size: stats.size, isLocked, isLinked: stats.nlink > 1, path };
  }
  if (stats.isDirectory()) return { letter: "d", size: 0, isLocked, isLinked: false, path };
  if (!stats.isSymbolicLink()) return undefined;
  return { letter: "l", size: 0, isLocked: false, isLinked: false, path };
}

function shown(path: string): string {
  return JSON.stringify(Buffer.from(plain(path), "latin1").toString("utf8"));
}

function unlock(directory: string | Buffer): void {
  const { mode } = lstatSync(directory);
  if ((mode & 0o700) !== 0o700) chmodSync(directory, 0o700);
}

/** What one thread found, cut into pieces of work. */
function openCollection() {
  const pieces: { lines: string[]; bytes: number }[] = [];
  const [directories, links, leftOut]: [string[], string[], string[]] = [[], [], []];
  let isLinked = false;
  return {
    leaveOut(rule: number, { path }: Found): void {
      leftOut.push(leftOutLine(rule, path));
    },
    add(found: Found): void {
      const line = foundLine(found);
      if (found.letter === "d") return void directories.push(line);
      if (found.letter === "l") return void links.push(line);
      isLinked ||= found.isLinked;
      let last = pieces.at(-1);
      if (last === undefined || last.lines.length >= pieceFiles || last.bytes >= pieceBytes) {
        last = { lines: [], bytes: 0 };
        pieces.push(last);
      }
      last.lines.push(line);
      last.bytes += found.size;
    },
    listed(open: string[]): Listed {
      return {
        ...{ ok: true, isLinked, open },
        pieces: pieces.map(({ lines, bytes }) => {
          return { lines: bytesOf(lines), files: lines.length, bytes };
        }),
        directories: bytesOf(directories),
        links: bytesOf(links),
        leftOut: bytesOf(leftOut),
      };
    },
  };
}
