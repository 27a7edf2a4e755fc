import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { createInterface } from "node:readline";
import { isMainThread } from "node:worker_threads";
import { assert } from "../base/assert.ts";
import { Problem } from "../contract/problem.ts";
import { readStat } from "./processes.ts";
import { starterScript } from "./starter-script.ts";

/** A shell whose child a starter is. It is used again and again, for one at a time. */
export interface StarterShell {
  /**
   * Makes a starter in the control groups of these directories, with the shell's pipes open. Throws `sandbox_unavailable`
   * when it cannot.
   */
  start(groups: readonly string[]): Promise<{ pid: number; over: Promise<number | null> }>;
  isAlive(): boolean;
  /** Resolves when it has gone, which it does not before its starter. */
  close(): Promise<void>;
}

/**
 * Starts such a shell. The kernel kills it when the gateway ends, and with it the starter, whose parent it is. That signal is
 * tied to the thread that has spawned it, not to the process.
 */
export function openStarterShell(options: { bwrap: string; directory: string }): StarterShell {
  assert(isMainThread, "a sandbox is spawned from the main thread");
  const setpriv = findSetpriv();
  const words = ["-c", starterScript, "sh", options.bwrap, options.directory, setpriv];
  const child = spawn(setpriv, ["--pdeathsig", "KILL", "--", "/bin/sh", ...words], {
    cwd: "/",
    env: { PATH: "/usr/bin:/bin" },
    stdio: ["pipe", "pipe", "ignore"],
    // A session of its own: a key that interrupts the gateway must not end what runs before the gateway does.
    detached: true,
  });
  const hear = openAnswers(child);
  // Why it does not hear any more is told by its end.
  child.stdin.on("error", () => child.stdin.destroy());
  return {
    async start(groups) {
      const answer = hear();
      child.stdin.write([groups.length, ...groups, ""].join("\n"));
      const pid = Number(await answer);
      const over = hear().then((line) => (line === undefined ? null : Number(line.split(" ")[1])));
      if (pid > 0) return { pid, over };
      // What it has not read of its order would be the next one.
      child.kill("SIGKILL");
      throw new Problem(
        "sandbox_unavailable",
        "Cannot start a process for a sandbox: /bin/sh ended, or could not join a control group or open its pipes",
      );
    },
    // Asked of the kernel, which knows before we are told.
    isAlive() {
      const state = readStat(child.pid ?? -1)?.state ?? "Z";
      return !hasEnded(child) && !"ZX".includes(state);
    },
    async close() {
      if (hasEnded(child)) return;
      const closed = once(child, "close");
      child.stdin.end();
      await closed;
    },
  };
}

function hasEnded({ exitCode, signalCode }: ChildProcess): boolean {
  return exitCode !== null || signalCode !== null;
}

/** Asks for the next line; undefined: there is none any more. */
function openAnswers(child: ChildProcess): () => Promise<string | undefined> {
  const said: string[] = [];
  const waiting: ((line: string | undefined) => void)[] = [];
  let isOver = false;
  if (child.stdout) {
    createInterface({ input: child.stdout }).on("line", (line) => {
      const next = waiting.shift();
      if (next) next(line);
      else said.push(line);
    });
  }
  const end = () => {
    isOver = true;
    for (const next of waiting.splice(0)) next(undefined);
  };
  child.once("error", end);
  child.once("close", end);
  return () => {
    const line = said.shift();
    if (line !== undefined || isOver) return Promise.resolve(line);
    return new Promise((resolve) => waiting.push(resolve));
  };
}

const places = ["/usr/bin/setpriv", "/bin/setpriv", "/usr/local/bin/setpriv"];

/** Throws `sandbox_unavailable` with the remedy when it is missing. */
function findSetpriv(): string {
  const path = places.find((place) => existsSync(place));
  if (path !== undefined) return path;
  throw new Problem(
    "sandbox_unavailable",
    "Cannot start sandboxes: there is no setpriv. Install util-linux (on Alpine: setpriv)",
  );
}
