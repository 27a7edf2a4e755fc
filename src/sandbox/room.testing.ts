/**
 * What the tests of this room share: a real sandbox on a data directory of its own, and looks at
 * the host.
 */
import { execFileSync } from "node:child_process";
import { lstatSync, mkdtempSync, readdirSync, readFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { systemClock } from "../base/clock.ts";
import { openLog } from "../base/log.ts";
import {
  type ExecLimits,
  type ExecResult,
  openSandbox,
  type Place,
  type Sandbox,
  type SandboxOptions,
} from "./sandbox.ts";

const MiB = 1024 * 1024;

export const isRoot = process.getuid?.() === 0;
/** Of a range that no gateway uses by default. */
export const runUid = isRoot ? 600_001 : null;

export function newDataDir(): string {
  return mkdtempSync(join(tmpdir(), "airlock-sandbox-"));
}

export function optionsFor(dataDir: string): SandboxOptions {
  return {
    ...{ dataDir, uidRange: { first: 600_000, last: 600_099 }, toolchains: [] },
    ...{ clock: systemClock, log: openLog("silent") },
  };
}

export const testLimits: ExecLimits = {
  timeoutMs: 60_000,
  memoryBytes: 256 * MiB,
  processes: 64,
  diskBytes: 64 * MiB,
  outputKeptBytes: 1 * MiB,
  outputKilledBytes: 64 * MiB,
};

export interface Said {
  end: ExecResult["end"];
  stdout: string;
  stderr: string;
  result: ExecResult;
}

export interface Room {
  dataDir: string;
  sandbox: Sandbox;
  place: Place;
  run(command: string, limits?: Partial<ExecLimits>, signal?: AbortSignal): Promise<Said>;
  close(): Promise<void>;
}

export async function openRoom(options: Partial<SandboxOptions> = {}): Promise<Room> {
  const dataDir = newDataDir();
  const sandbox = await openSandbox({ ...optionsFor(dataDir), ...options });
  const place = await sandbox.provision({
    ...{ runId: "run_test", uid: runUid },
    ...{ outputDirs: [], files: [], own: [] },
  });
  return {
    ...{ dataDir, sandbox, place },
    async run(command, limits = {}, signal = new AbortController().signal) {
      const request = { command, limits: { ...testLimits, ...limits }, signal };
      const result = await sandbox.exec(place, request);
      const { end, stdout, stderr } = result;
      return { end, stdout: stdout.kept.toString(), stderr: stderr.kept.toString(), result };
    },
    async close() {
      await sandbox.close();
      removeAll(dataDir);
    },
  };
}

export function removeAll(path: string): void {
  const isDirectory = lstatSync(path).isDirectory();
  if (!isRoot && isDirectory) execFileSync("/bin/chmod", ["-R", "u+rwx", "--", path]);
  execFileSync("/bin/rm", ["-rf", "--", path]);
}

/** Host pids of living processes whose command line contains the text. */
export function processesWith(text: string): number[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid)
    .filter((name) => {
      try {
        return readFileSync(`/proc/${name}/cmdline`, "latin1").includes(text);
      } catch {
        return false;
      }
    })
    .map(Number);
}

let count = 0;
/** A number of seconds to sleep that no other process of this machine sleeps. */
export function uniqueSleep(): string {
  count += 1;
  return `9${process.pid}.${count}`;
}
