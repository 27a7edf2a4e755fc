import { closeSync, readdirSync, readFileSync } from "node:fs";

const CLOSE_ON_EXEC = 0o2000000;

/**
 * Closes every descriptor above 2 that would survive an exec. Node marks its own close-on-exec, but
 * what the gateway was started with (a shell's `200<file`, a supervisor's socket) it passes on to
 * every child, so it would reach the code in the sandbox. Called once, first thing in the process.
 * Returns the numbers that were closed.
 */
export function closeInheritedFds(): number[] {
  const closed: number[] = [];
  for (const name of readdirSync("/proc/self/fdinfo")) {
    const fd = Number(name);
    if (fd <= 2 || !survivesExec(fd)) continue;
    closeSync(fd);
    closed.push(fd);
  }
  return closed;
}

function survivesExec(fd: number): boolean {
  let info: string;
  try {
    info = readFileSync(`/proc/self/fdinfo/${fd}`, "latin1");
  } catch (error) {
    // The descriptor of the listing itself is gone by now.
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return false;
    throw error;
  }
  const flags = Number.parseInt(/^flags:\s*([0-7]+)/m.exec(info)?.[1] ?? "", 8);
  return (flags & CLOSE_ON_EXEC) === 0;
}
