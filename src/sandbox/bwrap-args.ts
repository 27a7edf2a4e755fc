import { agentMount } from "./agent-folder.ts";
import { bundleArgs } from "./bundle-mounts.ts";
import { environmentOf, sdkModules } from "./environment.ts";
import type { HostLayout } from "./host-layout.ts";
import { runFilesPath } from "./run-files.ts";
import { configurationPath, type Place, type Surroundings } from "./sandbox.ts";

export interface BwrapSpec {
  layout: HostLayout;
  /** The staged runtime directory (see `runtime.ts`). */
  runtime: string;
  /** Operator-declared directories, at their own path. */
  toolchains: string[];
  /** Directories of those that hold programs. */
  toolchainBins: string[];
  place: Pick<Place, "tmp" | "workspace" | "cache" | "own" | "agent">;
  surroundings: Surroundings;
  seccompFd: number;
  statusFd: number;
}

const MiB = 1024 * 1024;

/** The program of ours that starts every command; mounted last. */
export const launcher = "/airlock/exec";

/**
 * Every option of one bwrap call, in the order in which bwrap works through them. They travel
 * through a pipe: on the command line the host's paths would be readable inside, in
 * `/proc/1/cmdline`. If the gateway dies while writing, bwrap sees a shorter list, so the launcher
 * is mounted by the very last option: any shorter list has nothing to start.
 */
export function bwrapArgs(spec: BwrapSpec): string[] {
  return [
    // First, because an exit without a status must be known as a sandbox that never came to be.
    ...["--json-status-fd", String(spec.statusFd)],
    ...isolationArgs(),
    ...["--seccomp", String(spec.seccompFd)],
    ...environmentArgs(spec),
    ...["--chdir", "/tmp"],
    ...rootArgs(spec.layout, spec.runtime),
    ...kernelArgs(spec.layout),
    ...memoryArgs(),
    // Before the run's own directories, so that a toolchain can never be mounted over one of them.
    ...readOnlyAtOwnPath(spec.toolchains),
    ...["--ro-bind", spec.place.own, runFilesPath],
    ...scriptArgs(spec),
    ...networkArgs(spec.surroundings),
    ...["--bind", spec.place.tmp, "/tmp"],
    ...["--bind", spec.place.workspace, "/workspace"],
    ...["--bind", spec.place.cache, "/cache"],
    // After the run's own directories, in which some of them lie.
    ...spec.surroundings.mounts.flatMap(({ source, target }) => ["--ro-bind", source, target]),
    ...bundleArgs(spec.surroundings.bundles ?? []),
    ...["--dir", "/airlock", "--symlink", "airlock", "/antpath"],
    // Where Node looks for modules from `/tmp` and `/workspace` in the end.
    ...(spec.surroundings.noModules ? [] : ["--symlink", sdkModules.slice(1), "/node_modules"]),
    // After every mount point exists: making one needs a writable root.
    ...["--remount-ro", "/"],
    ...["--ro-bind", spec.runtime, "/airlock"],
  ];
}

function readOnlyAtOwnPath(directories: readonly string[]): string[] {
  return directories.flatMap((directory) => ["--ro-bind", directory, directory]);
}

/** Where the relay finds the egress socket inside. */
export const egressDirectory = "/run/airlock";

/** Where the SDK finds its socket inside. */
export const sdkDirectory = "/run/airlock-sdk";

function scriptArgs({ place, surroundings }: BwrapSpec): string[] {
  return [
    ...(surroundings.agent && place.agent ? ["--ro-bind", place.agent, agentMount] : []),
    ...(surroundings.sdk ? ["--ro-bind", surroundings.sdk, sdkDirectory] : []),
  ];
}

function networkArgs({ network }: Surroundings): string[] {
  if (network === null) return [];
  return [
    ...["--ro-bind", network.directory, egressDirectory],
    ...["--ro-bind", network.configuration, configurationPath],
    ...readOnlyAtOwnPath(network.directories),
    ...network.links.flatMap(({ path, target }) => ["--symlink", target, path]),
  ];
}

function isolationArgs(): string[] {
  return [
    // Not the `-try` forms, and not `--unshare-all`, which contains them: a namespace that is
    // missing is a refusal (I7).
    ...["--unshare-user", "--unshare-pid", "--unshare-net", "--unshare-ipc", "--unshare-uts"],
    "--unshare-cgroup",
    // A nested user namespace would hand out capabilities over a fresh, unmasked view of the
    // kernel.
    ...["--disable-userns", "--assert-userns-disabled", "--cap-drop", "ALL"],
    ...["--uid", "1000", "--gid", "1000", "--hostname", "sandbox"],
    // No controlling terminal to push keystrokes into, and nothing survives the gateway.
    ...["--new-session", "--die-with-parent"],
  ];
}

function environmentArgs(spec: BwrapSpec): string[] {
  const { toolchainBins, layout, surroundings } = spec;
  const environment = environmentOf(toolchainBins, layout.bash, surroundings);
  const set = Object.entries(environment).flatMap(([name, value]) => ["--setenv", name, value]);
  return ["--clearenv", ...set];
}

function rootArgs(layout: HostLayout, runtime: string): string[] {
  return [
    // The root is the host's memory: small, and read-only in the end.
    ...["--perms", "0755", "--size", String(16 * MiB), "--tmpfs", "/"],
    ...layout.directories.flatMap((directory) => ["--ro-bind", directory, directory]),
    ...layout.links.flatMap(({ path, target }) => ["--symlink", target, path]),
    // A made-up `/etc`, which already holds the mount points that follow.
    ...["--ro-bind", `${runtime}/etc`, "/etc"],
    ...layout.etc.flatMap((path) => ["--ro-bind", path, path]),
  ];
}

function kernelArgs(layout: HostLayout): string[] {
  return [
    ...["--proc", "/proc"],
    // Sysctl files compare the host's uid and look at no capability: without this a sandbox of host
    // uid 0 writes them.
    ...layout.procReadOnly.flatMap((path) => ["--ro-bind", path, path]),
    ...layout.procMasks.flatMap((path) => ["--ro-bind", "/dev/null", path]),
    ...["--dev", "/dev"],
    ...["--perms", "1777", "--size", String(64 * MiB), "--tmpfs", "/dev/shm"],
    // Not recursive, so the shared memory above stays writable.
    ...["--remount-ro", "/dev"],
  ];
}

function memoryArgs(): string[] {
  return [
    ...["--perms", "0755", "--size", String(16 * MiB), "--tmpfs", "/run"],
    ...["--perms", "1777", "--size", String(64 * MiB), "--tmpfs", "/var/tmp"],
  ];
}
