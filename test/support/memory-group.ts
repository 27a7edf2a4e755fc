import { existsSync, mkdirSync, readFileSync, rmdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";

/** A control group that holds a process to so much memory, and the kernel's OOM killer to its word. */
export interface MemoryGroup {
  join(pid: number): void;
  /** How often the kernel killed in it. */
  kills(): number;
  remove(): void;
}

/** Undefined where this process may not make one: as an ordinary user, or on a host without the controller. */
export function openMemoryGroup(bytes: number): MemoryGroup | undefined {
  const parent = ownGroup();
  if (parent === undefined) return undefined;
  const path = join(parent.path, `airlock-test-${process.pid}`);
  const isFirst = parent.version === 1;
  try {
    mkdirSync(path);
    writeFileSync(join(path, isFirst ? "memory.limit_in_bytes" : "memory.max"), String(bytes));
  } catch {
    if (existsSync(path)) rmdirSync(path);
    return undefined; // Not ours to make.
  }
  const counts = join(path, isFirst ? "memory.oom_control" : "memory.events");
  return {
    join: (pid) => writeFileSync(join(path, "cgroup.procs"), String(pid)),
    kills: () => Number(/^oom_kill (\d+)$/m.exec(readFileSync(counts, "utf8"))?.[1] ?? 0),
    remove: () => rmdirSync(path),
  };
}

function ownGroup(): { version: 1 | 2; path: string } | undefined {
  const own = readFileSync("/proc/self/cgroup", "utf8");
  const first = /^\d+:(?:[^:]*,)?memory(?:,[^:]*)?:(.*)$/m.exec(own)?.[1];
  if (first !== undefined) {
    const path = join("/sys/fs/cgroup/memory", first);
    return existsSync(path) ? { version: 1, path } : undefined;
  }
  const second = join("/sys/fs/cgroup", /^0::(.*)$/m.exec(own)?.[1] ?? "");
  const control = join(second, "cgroup.subtree_control");
  const has = existsSync(control) && readFileSync(control, "utf8").includes("memory");
  return has ? { version: 2, path: second } : undefined;
}
