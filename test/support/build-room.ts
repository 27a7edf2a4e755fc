/** One run's sandbox with its build network, as the gateway opens them for a call, without a gateway around. */
import { lookup } from "node:dns/promises";
import { mkdtempSync, readFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { systemClock } from "../../src/base/clock.ts";
import { openLog } from "../../src/base/log.ts";
import {
  type BuildNetworkOptions,
  type EgressAllowed,
  type EgressDenied,
  networkEnvironment,
  openBuildNetwork,
  type PackageConfiguration,
  packageConfiguration,
} from "../../src/egress/egress.ts";
import {
  bareSurroundings,
  egressSocketName,
  openSandbox,
  relayPort,
} from "../../src/sandbox/sandbox.ts";
import { removeTree } from "./temp-dir.ts";

const MiB = 1024 * 1024;
const limits = {
  timeoutMs: 120_000,
  memoryBytes: 2048 * MiB,
  processes: 256,
  diskBytes: 1024 * MiB,
  outputKeptBytes: MiB,
  outputKilledBytes: 64 * MiB,
};

export interface BuildRun extends Partial<Omit<BuildNetworkOptions, "socket" | "owner">> {
  configuration: PackageConfiguration;
  /** A directory of the host whose programs come before those of the system. */
  programs?: string | undefined;
}

export interface Built {
  code: number | null;
  stdout: string;
  stderr: string;
  allowed: EgressAllowed[];
  denied: EgressDenied[];
  /** The names that were looked up. */
  asked: string[];
}

export interface BuildRoom {
  /** Runs a command with a way out to `hosts`. */
  build(command: string, options: BuildRun): Promise<Built>;
  /** Runs a command without one. */
  run(command: string): Promise<Pick<Built, "code" | "stdout" | "stderr">>;
  close(): Promise<void>;
}

export async function openBuildRoom(): Promise<BuildRoom> {
  const dataDir = mkdtempSync(join(tmpdir(), "airlock-build-"));
  const isRoot = process.getuid?.() === 0;
  const range = { first: 600_000, last: 600_099 };
  const uid = isRoot ? range.first + 1 : null;
  const sandbox = await openSandbox({
    ...{ dataDir, uidRange: range, toolchains: [] },
    ...{ clock: systemClock, log: openLog("silent") },
  });
  const place = await sandbox.provision({
    runId: "run_build",
    uid,
    outputDirs: [],
    files: [],
    own: [],
  });

  async function exec(command: string, surroundings = bareSurroundings) {
    const signal = new AbortController().signal;
    const result = await sandbox.exec(place, { command, surroundings, limits, signal });
    const code = result.end.type === "exited" ? result.end.exitCode : null;
    const words = (stream: { kept: Buffer }) => stream.kept.toString();
    return { code, stdout: words(result.stdout), stderr: words(result.stderr) };
  }

  async function build(command: string, run: BuildRun): Promise<Built> {
    const { configuration, programs, ...options } = run;
    const seen = { allowed: [], denied: [], asked: [] } as Pick<
      Built,
      "allowed" | "denied" | "asked"
    >;
    const directory = sandbox.networkDirectory(place);
    const network = await openBuildNetwork({
      socket: join(directory, egressSocketName),
      ...(uid === null ? {} : { owner: { uid, gid: range.first } }),
      hosts: [],
      clock: systemClock,
      onAllowed: (record) => seen.allowed.push(record),
      onDenied: (record) => seen.denied.push(record),
      ...options,
      async resolver(name) {
        seen.asked.push(name);
        if (options.resolver) return options.resolver(name);
        return (await lookup(name, { all: true })).map((each) => each.address);
      },
    });
    try {
      const said = await exec(command, {
        ...bareSurroundings,
        noModules: true,
        mounts: programs === undefined ? [] : [{ source: programs, target: "/opt/programs" }],
        bins: programs === undefined ? [] : ["/opt/programs"],
        network: {
          directory,
          configuration: sandbox.stageConfiguration(configuration.files),
          directories: configuration.mounts.map((each) => each.target),
          links: configuration.links,
          environment: {
            ...networkEnvironment({ port: relayPort, caBundle: configuration.caBundle }),
            ...configuration.environment,
          },
        },
      });
      return { ...said, ...seen };
    } finally {
      await network.close();
    }
  }

  return {
    build,
    run: exec,
    async close() {
      await sandbox.remove(place.runId, uid);
      await sandbox.close();
      await removeTree(dataDir);
    },
  };
}

/** The configuration of a machine that has nothing but a home with these files. */
export function configurationOf(home: string, env: Record<string, string>): PackageConfiguration {
  return packageConfiguration({
    env,
    home,
    readFile(path) {
      if (!path.startsWith(home)) return undefined;
      try {
        return readFileSync(path);
      } catch {
        return undefined;
      }
    },
  });
}
