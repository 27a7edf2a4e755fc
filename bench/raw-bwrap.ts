import { spawn } from "node:child_process";
import { once } from "node:events";
import { closeSync, openSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Duplex } from "node:stream";
import { systemClock } from "../src/base/clock.ts";
import { openLog } from "../src/base/log.ts";
import { bwrapArgs, launcher } from "../src/sandbox/bwrap-args.ts";
import { commandFrame } from "../src/sandbox/frame.ts";
import { closeHost, openHost } from "../src/sandbox/open-sandbox.ts";
import {
  bareSurroundings,
  type ExecLimits,
  openSandbox,
  type Place,
  type Sandbox,
  type SandboxOptions,
} from "../src/sandbox/sandbox.ts";
import { seccompFd, statusFd } from "../src/sandbox/spawn.ts";

const MiB = 1024 * 1024;

type Stdio = ("ignore" | "pipe" | number)[];

/** A run's own uid when the benchmark is root: the same work as the gateway does. */
const uid = process.getuid?.() === 0 ? 600_001 : null;

export const execLimits: ExecLimits = {
  timeoutMs: 60_000,
  memoryBytes: 512 * MiB,
  processes: 64,
  diskBytes: 256 * MiB,
  outputKeptBytes: MiB,
  outputKilledBytes: 64 * MiB,
};

export interface Bwraps {
  sandbox: Sandbox;
  newPlace(): Promise<Place>;
  /** bwrap with the arguments, filter, launcher and uid that the gateway itself uses, and nothing else around it. */
  sameArguments(place: Place): Promise<void>;
  /** The shortest command line that a manual would suggest. */
  plain(): Promise<void>;
  close(): Promise<void>;
}

/** Opens the sandbox of a data directory, and beside it bwrap driven by hand. */
export async function openBwraps(dataDir: string): Promise<Bwraps> {
  const options: SandboxOptions = {
    ...{ dataDir, uidRange: { first: 600_000, last: 600_099 }, toolchains: [] },
    ...{ clock: systemClock, log: openLog("error") },
  };
  const host = await openHost(options);
  await closeHost(host);
  const filter = join(dataDir, "seccomp.bpf");
  writeFileSync(filter, host.seccomp);
  const sandbox = await openSandbox(options);
  let places = 0;

  async function run(args: string[], fds: Stdio, owner: object): Promise<void> {
    const stdio: Stdio = ["ignore", "ignore", "ignore", ...fds];
    const child = spawn(host.bwrap, args, { cwd: "/", env: { PATH: "/usr/bin" }, stdio, ...owner });
    // The launcher takes its command from 6.
    const talk = (child.stdio as unknown[])[6];
    if (talk instanceof Duplex) talk.resume().end(commandFrame("true"));
    const [code] = await once(child, "exit");
    if (code !== 0) throw new Error(`bwrap ended with ${code}`);
  }

  return {
    sandbox,
    newPlace() {
      places += 1;
      return sandbox.provision({
        runId: `run_bench${places}`,
        uid,
        outputDirs: [],
        files: [],
        own: [],
      });
    },
    async sameArguments(place) {
      const args = bwrapArgs({
        ...{ layout: host.layout, runtime: host.runtime, place, seccompFd, statusFd },
        toolchains: host.toolchains.directories,
        toolchainBins: host.toolchains.bins,
        surroundings: bareSurroundings,
      });
      const limits = [String(execLimits.diskBytes / 512), String(execLimits.processes)];
      const seccomp = openSync(filter, "r");
      const nowhere = openSync("/dev/null", "r+");
      try {
        const owner = uid === null ? {} : { uid, gid: 600_000 };
        // The gateway sends its arguments through 4; here they are on the command line.
        await run(
          [...args, "--", launcher, ...limits],
          [seccomp, nowhere, nowhere, "pipe", nowhere],
          owner,
        );
      } finally {
        closeSync(seccomp);
        closeSync(nowhere);
      }
    },
    async plain() {
      const binds = ["--ro-bind", "/usr", "/usr", "--symlink", "usr/bin", "/bin"];
      const links = ["--symlink", "usr/lib", "/lib", "--symlink", "usr/lib64", "/lib64"];
      const rest = ["--proc", "/proc", "--dev", "/dev", "--tmpfs", "/tmp", "--clearenv"];
      const flags = ["--unshare-all", "--die-with-parent", "--new-session"];
      await run([...flags, ...binds, ...links, ...rest, "/bin/true"], [], {});
    },
    close: () => sandbox.close(),
  };
}
