import { readdirSync, readFileSync } from "node:fs";
import { setImmediate as nextTurn } from "node:timers/promises";
import type { Clock } from "../base/clock.ts";

/**
 * One process as the host sees it. The start time tells it apart from a later one with the same
 * number.
 */
export interface ProcessStat {
  pid: number;
  ppid: number;
  /** Z and X are dead: only their number is left. */
  state: string;
  startTime: string;
  /** Of memory that is there now; pages that it shares with others count in full. */
  residentBytes: number;
}

/** Undefined when there is no such process. */
export function readStat(pid: number): ProcessStat | undefined {
  const text = readProc(`/proc/${pid}/stat`);
  // The name is in parentheses and may itself contain any character.
  const fields = text?.slice(text.lastIndexOf(")") + 2).split(" ");
  if (fields === undefined) return undefined;
  return {
    pid,
    state: fields[0] ?? "",
    ppid: Number(fields[1]),
    startTime: fields[19] ?? "",
    residentBytes: Number(fields[21]) * pageBytes(),
  };
}

let knownPageBytes: number | undefined;

/** What the kernel counts memory in: 4 KiB, or more on some arm64 hosts. */
function pageBytes(): number {
  const text = knownPageBytes === undefined ? readProc("/proc/self/smaps") : undefined;
  knownPageBytes ??= Number(/^KernelPageSize:\s+(\d+) kB/m.exec(text ?? "")?.[1] ?? 4) * 1024;
  return knownPageBytes;
}

/** Every process of the host that may be looked at. */
export function listProcesses(): ProcessStat[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .map((name) => readStat(Number(name)))
    .filter((stat) => stat !== undefined);
}

/**
 * A process and everything below it. In a pid namespace orphans become children of pid 1, so
 * nothing gets away.
 */
export function processTree(top: number): ProcessStat[] {
  const all = listProcesses();
  const children = Map.groupBy(all, (stat) => stat.ppid);
  const tree = all.filter((stat) => stat.pid === top);
  for (let i = 0; i < tree.length; i++) tree.push(...(children.get(tree[i]?.pid ?? -1) ?? []));
  return tree;
}

/** Real uid of a process, undefined when it is gone. */
export function realUid(pid: number): number | undefined {
  const uid = /^Uid:\s+(\d+)/m.exec(readProc(`/proc/${pid}/status`) ?? "")?.[1];
  return uid === undefined ? undefined : Number(uid);
}

/** What a process has mounted, as text; empty when it is gone or may not be looked at. */
export function mountsOf(pid: number): string {
  return readProc(`/proc/${pid}/mountinfo`) ?? "";
}

/** The words of a process's command line; empty when it is gone or has none. */
export function commandLineOf(pid: number): string[] {
  return (readProc(`/proc/${pid}/cmdline`) ?? "").split("\0").slice(0, -1);
}

/** Whether a process is pid 1 of a namespace below ours. */
export function isFirstOfNamespace(pid: number): boolean {
  return /^NSpid:\s+\d+(\s+\d+)*\s+1$/m.test(readProc(`/proc/${pid}/status`) ?? "");
}

/**
 * Bytes that belong to a process, shared ones in proportion; undefined when the kernel does not
 * tell.
 */
export function proportionalBytes(pid: number): number | undefined {
  const text = readProc(`/proc/${pid}/smaps_rollup`);
  const kib = /^Pss:\s+(\d+) kB/m.exec(text ?? "")?.[1];
  return kib === undefined ? undefined : Number(kib) * 1024;
}

/**
 * Whether the process with this number and start time still runs. A zombie does not: its namespace
 * went before it.
 */
export function isAlive(pid: number, startTime: string): boolean {
  const stat = readStat(pid);
  return stat !== undefined && stat.startTime === startTime && !"ZX".includes(stat.state);
}

/** Sends SIGKILL. False when there is no such process any more. */
export function killProcess(pid: number): boolean {
  try {
    process.kill(pid, "SIGKILL");
    return true;
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ESRCH") return false;
    throw error;
  }
}

/** A process that was killed is gone within less than the shortest pause that a timer can make. */
const spinMs = 2;

/**
 * Waits until `done` says so, asking all the time at first and every 20 ms later. False when
 * `timeoutMs` went by.
 */
export async function waitUntil(
  done: () => boolean | Promise<boolean>,
  timeoutMs: number,
  clock: Clock,
): Promise<boolean> {
  const start = clock.monotonic();
  for (let pause = 1; !(await done()); ) {
    const waited = clock.monotonic() - start;
    if (waited > timeoutMs) return false;
    if (waited < spinMs) await nextTurn();
    else {
      await clock.sleep(pause);
      pause = Math.min(20, pause + 1);
    }
  }
  return true;
}

/** A process can end, or be nobody's business of ours, between two looks. */
function readProc(path: string): string | undefined {
  try {
    return readFileSync(path, "latin1");
  } catch (error) {
    const code = error instanceof Error && "code" in error ? String(error.code) : "";
    if (["ENOENT", "ESRCH", "EACCES", "EPERM", "EINVAL"].includes(code)) return undefined;
    throw error;
  }
}
