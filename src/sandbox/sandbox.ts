/**
 * The sandbox: where commands run. Bubblewrap, driven directly; fail closed.
 *
 * I7  No sandbox, no run: if the host cannot give the isolation, `openSandbox` refuses with `sandbox_unavailable`, says
 *     why and how to fix it. There is no unsandboxed path.
 * I2  A command is handed to a sandbox only after the caller made the intent durable. The sandbox itself may have been
 *     opened before: nothing of the run's own has run in it.
 */
import type { Clock } from "../base/clock.ts";
import type { Log } from "../base/log.ts";
import type { Pieces } from "../base/tree.ts";
import type { Abi } from "../contract/layer.ts";
import type { Isolation } from "../contract/run.ts";

/** The directories of a run, kept between its calls, and who owns them. */
export interface Place {
  runId: string;
  /** Host paths. `/tmp`, `/workspace` and the caches inside; never interpreted on the host. */
  tmp: string;
  workspace: string;
  cache: string;
  /** What the run's sandboxes show of it below `/airlock`, and cannot change: see `PlaceRequest`. */
  own: string;
  /** The folder of the agent whose script the run is, as its sandbox shows it. */
  agent?: string;
  /** The run's host uid, or null when the gateway is an ordinary user. */
  uid: number | null;
  /** Some of it is for one command only, so no sandbox is opened in it in advance. */
  once?: true;
}

export interface PlaceRequest {
  runId: string;
  uid: number | null;
  outputDirs: string[];
  /** Input files for `/workspace`. */
  files: { path: string; executable: boolean; sha256: string; read: () => Promise<Pieces> }[];
  /**
   * Small files that every sandbox of the run shows, whatever else it has: `run-token`, `index.json` and `.credentials` are
   * at `/airlock/<name>`. Only the run's uid can read them.
   */
  own: readonly RunFile[];
  /**
   * The folder of the agent whose script the run is: at `/airlock/agent`, which the script cannot change, and each name of
   * its top in `/tmp` as a link, so that paths relative to the working directory find it.
   */
  agent?: readonly ClosedFile[];
}

export interface RunFile {
  /** One name, without a slash. */
  name: string;
  data: Buffer;
}

export interface ExecLimits {
  /** Wall clock of this command. */
  timeoutMs: number;
  memoryBytes: number;
  processes: number;
  /** Of `/tmp`, `/workspace` and the caches together. */
  diskBytes: number;
  /** stdout and stderr, each: kept in full up to here … */
  outputKeptBytes: number;
  /** … and the command is killed here. */
  outputKilledBytes: number;
}

/** What one stream said: the whole up to the cap, and how much there was. */
export interface StreamCapture {
  /** The first `outputKeptBytes`. */
  kept: Buffer;
  /** The last bytes, when there was more than was kept. */
  tail: Buffer;
  totalBytes: number;
}

export type ExecEnd =
  | { type: "exited"; exitCode: number }
  | {
      type: "killed";
      reason:
        | "timeout"
        | "cancelled"
        | "disk_limit"
        | "output_limit"
        | "memory_limit"
        /** The command failed, and the kernel had refused it a process (known with cgroups only). */
        | "process_limit";
    };

export interface ExecResult {
  end: ExecEnd;
  stdout: StreamCapture;
  stderr: StreamCapture;
  durationMs: number;
}

/** A directory or file of the host that a sandbox sees at another path, and cannot change. */
export interface Mount {
  source: string;
  target: string;
}

/** A bundle that the run was given: a directory that only the gateway can change. */
export interface BundleMount extends Mount {
  /** `/airlock/skills/<name>`, `/airlock/files/<name>`, or a path where layers can be mounted as well. */
  target: string;
}

/** What leads out of one sandbox, to the hosts that the egress socket allows and nowhere else. */
export interface SandboxNetwork {
  /** The host directory in which the run's egress socket is, under the name `egressSocketName`. */
  directory: string;
  /** What package clients are configured with, mounted at `/airlock-config`; see `stageConfiguration`. */
  configuration: string;
  /** Directories of the host at their own path, such as a local package index. */
  directories: string[];
  /** Made in the root of the sandbox, for clients that look for a file nowhere else. */
  links: { path: string; target: string }[];
  environment: Record<string, string>;
}

/** What a sandbox has beside its run's own directories. Fixed when it is opened. */
export interface Surroundings {
  /** Below `/opt`, `/deps`, `/tmp` and `/workspace`. */
  mounts: Mount[];
  environment: Record<string, string>;
  /** Directories that come first on PATH. */
  bins: string[];
  /** Null: no route out, and nothing that listens for one. */
  network: SandboxNetwork | null;
  /** The skills and files that the run was given. */
  bundles?: BundleMount[];
  /** The folder of the agent whose script the run is. */
  agent?: true;
  /** The host directory of the socket `sdkSocketName`, through which the SDK reaches the gateway. */
  sdk?: string;
  /** The command may install packages of Node: npm would take the `/node_modules` of the SDK for a project to install into. */
  noModules?: true;
}

export const bareSurroundings: Surroundings = {
  mounts: [],
  environment: {},
  bins: [],
  network: null,
};

export interface ExecRequest {
  command: string;
  /** Default: nothing beside the run's own. */
  surroundings?: Surroundings;
  limits: ExecLimits;
  signal: AbortSignal;
  onOutput?: (stream: "stdout" | "stderr", offset: number, text: string) => void;
  /** Secrets in the environment of this command alone: in no argument, and in no sandbox before it is handed over. */
  secrets?: Readonly<Record<string, string>>;
  /** What the command says goes through one of these for each stream, before anything of it is kept or shown. */
  cleaner?: () => OutputCleaner;
  /** The run has no other command: no sandbox is opened in advance for the next one. */
  isLast?: boolean;
}

/** Cuts out of a stream what nobody may see, wherever it is cut into pieces. A piece may be overwritten after `push`. */
export interface OutputCleaner {
  push(chunk: Uint8Array): Uint8Array;
  end(): Uint8Array;
}

/** One content to place at `/tmp/<name>`. */
export interface StageRequest {
  name: string;
  sha256: string;
  /** Digests that the gateway itself placed under this name before: a file with one of them may be replaced. */
  placedBefore: string[];
  /** The content is newer than what was last placed, so it replaces even a file that the run changed. */
  newer: boolean;
  read: () => Promise<Pieces>;
}

export interface Staged {
  placed: { name: string; sha256: string }[];
  /** Copies that the run changed itself; they were left as they are. */
  kept: string[];
  /** Names that could not be placed (a directory or a link of the run is in the way), with the reason. */
  refused: { name: string; reason: string }[];
}

/** Entries by path (`/tmp/a/b`, bytes as latin1): what each is, so that two equal listings are equal trees. */
export type Listing = Map<string, ListedEntry>;

export interface ListedEntry {
  type: "file" | "directory" | "symlink";
  executable: boolean;
  /** Of the content, or of a symlink's target; null for a directory. */
  sha256: string | null;
  bytes: number;
}

export interface WrittenFile {
  /** Absolute, below `/tmp` or `/workspace`. */
  path: string;
  data: Buffer;
  executable: boolean;
}

/** A file that one command sees at `/tmp/<path>`, and cannot change. */
export interface ClosedFile {
  path: string;
  executable: boolean;
  sha256: string;
  read: () => Promise<Pieces>;
}

export interface ClosedPlace {
  place: Place;
  /** The host directory in which the files are. */
  files: string;
  /** One for each name at the top of the files. */
  mounts: Mount[];
}

/** The programs inside, as far as what they make depends on them. */
export interface ToolsInside {
  abi: Abi;
  /** What each says of its version: two hosts with the same text build the same. */
  versions: string;
}

export interface Sandbox {
  isolation: Isolation;
  /** Makes the run's directories and places its inputs; called again after a crash it finds them and repairs. */
  provision(request: PlaceRequest): Promise<Place>;
  /** Places content. Only while no command of the run is running. */
  stage(place: Place, requests: StageRequest[]): Promise<Staged>;
  /** Runs one command. Never rejects for what the command does; resolves once its whole process tree is gone. */
  exec(place: Place, request: ExecRequest): Promise<ExecResult>;
  /**
   * Opens the run's next sandbox in advance, unless it has one or there are too many; `exec` with
   * the same memory, processes, disk and surroundings then takes it, and opens the next. Does not wait.
   */
  prepare(place: Place, limits: ExecLimits, surroundings?: Surroundings): void;
  /**
   * Fresh, empty directories beside the run's own, for one command that is to see nothing of what the run has made.
   * Those of an earlier command are removed. The files are placed where the run cannot change them, each held against its
   * digest, and are to be mounted. The caller gives the place to `removeOnce`.
   */
  openClosed(place: Place, files?: readonly ClosedFile[]): Promise<ClosedPlace>;
  /** The run's own directories with an empty cache, for one command. The caller gives it to `removeOnce`. */
  openFreshCache(place: Place): Promise<Place>;
  removeOnce(once: Place): Promise<void>;
  /** Makes the directory of the run's egress socket, which its sandboxes can reach and nobody else. */
  networkDirectory(place: Place): string;
  /** The same for the socket of the SDK. */
  sdkDirectory(place: Place): string;
  /**
   * Makes the empty directories below `/tmp` and `/workspace` that a command with these surroundings needs, so that what is
   * there is what the command will find. Only while nothing of the run is running.
   */
  makeDirectories(place: Place, surroundings: Surroundings): void;
  /**
   * What a command with these surroundings finds in `/tmp` and `/workspace`, by path, or undefined when it is more than
   * `most`: the empty directories that its sandbox needs are made first. Only while nothing of the run is running, and
   * no sandbox is opened in advance.
   */
  list(
    place: Place,
    most: { entries: number; bytes: number },
    surroundings: Surroundings,
  ): Listing | undefined;
  /** Writes files of the run, as it would itself. Throws `invalid_request` when something is in the way. */
  write(place: Place, files: readonly WrittenFile[]): Promise<void>;
  /**
   * Empties a directory below `/tmp` or `/workspace`, or takes away what is there in place of one. With `isLayer` the
   * directory is only where a layer of the run was mounted, and goes too. False: nothing was in it.
   */
  clear(place: Place, path: string, isLayer: boolean): Promise<boolean>;
  /** Keeps files for `/airlock-config` under the name of their content; returns the host directory. */
  stageConfiguration(files: readonly { path: string; data: Buffer }[]): string;
  /** What programs run on inside. Asked of a real sandbox once. */
  toolsInside(): Promise<ToolsInside>;
  /** Ends the sandbox that was opened in advance. Resolves when its last process is gone. */
  discard(runId: string): Promise<void>;
  /** Removes the run's directories, however deep or strange. False when something could not be removed. */
  remove(runId: string, uid: number | null): Promise<boolean>;
  /**
   * Removes all of a run's directories but `/tmp` and `/workspace`: its token, its sockets, its caches. False when something
   * could not be removed. True as well when there are none.
   */
  retain(runId: string): Promise<boolean>;
  /** Kills what an earlier gateway left behind, and lists the run directories on disk. */
  sweep(): Promise<{ runDirectories: string[] }>;
  /** The run directories on disk. Kills nothing, so it may be asked while runs are at work. */
  runDirectories(): string[];
  close(): Promise<void>;
}

export interface SandboxOptions {
  /** The data directory; all that is mounted lies below it. */
  dataDir: string;
  /** Host uids for runs, when the gateway is root. The first is the group of all runs. */
  uidRange: { first: number; last: number };
  /** Operator-declared directories, mounted read-only at their own path; their `bin` goes on PATH. */
  toolchains: string[];
  /** The bwrap to use in place of the one that is found in the distribution's places. */
  bwrap?: string;
  clock: Clock;
  log: Log;
}

/** The name of the egress socket in its directory. */
export const egressSocketName = "egress.sock";
/** Where the relay listens inside, on loopback. */
export const relayPort = 3128;
/** Where `stageConfiguration` is mounted inside. */
export const configurationPath = "/airlock-config";
/** The name of the SDK's socket in its directory. */
export const sdkSocketName = "sdk.sock";
/** Where the folder of a script agent is inside. */
export const agentPath = "/airlock/agent";
/** Files of a run (`PlaceRequest.own`) that its script reads, and their paths inside. */
export const scriptFileNames = { input: "input", meta: "meta" } as const;
export const inputPath = "/airlock-run/input";
export const metaPath = "/airlock-run/meta";

export { filesPath, skillsPath } from "./bundle-mounts.ts";
export { closeInheritedFds } from "./close-fds.ts";
export { runDoctor } from "./doctor.ts";
export { openSandbox } from "./open-sandbox.ts";
export { secretVariableProblem } from "./secret-variables.ts";
export { syncFilesystem } from "./sync-filesystem.ts";
export { type ToolRemedy, toolRemedies } from "./tools-inside.ts";
