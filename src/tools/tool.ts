import type { z } from "zod";
import type { Blobs, ContentVersion } from "../content/content.ts";
import type { Artifact } from "../contract/artifact.ts";
import type { EventData } from "../contract/event.ts";
import type { InteractionRequest } from "../contract/interaction.ts";
import type { Layer } from "../contract/layer.ts";
import type { PlacedFile } from "../contract/submission.ts";
import type { WaitResolved, WaitStarted } from "../contract/workflow.ts";
import type { LayerTrees } from "../layers/layers.ts";
import type { Need } from "../policy/policy.ts";
import type {
  ExecLimits,
  OutputCleaner,
  Place,
  Sandbox,
  Surroundings,
} from "../sandbox/sandbox.ts";
import type { BuildCache } from "./build-cache.ts";
import type { RunTasks } from "./run-tasks.ts";
import type { TreeFacts } from "./tree-facts.ts";
import type { Wanted } from "./wanted.ts";

/** The script of a script agent, with what its run was given. */
export interface AgentScript {
  /** A file of the agent's folder. */
  entry: string;
  /** Every file of that folder. */
  files: readonly string[];
  /** The input as it is on stdin: a text, or JSON. */
  input: string;
  /** JSON. */
  meta: string;
}

/** A file of a skill: `skills/<name>/<path>` for content_read, and its path in a sandbox. */
export interface GivenFile {
  path: string;
  sha256: string;
  place: string;
}

/** What a tool may touch: the run's own places and the content that its tree shares. */
export interface ToolContext {
  runId: string;
  rootRunId: string;
  callId: string;
  /** What this call has waited for before, and what ended that. */
  waited: { started: WaitStarted; resolved: WaitResolved | undefined } | undefined;
  facts: TreeFacts;
  place: Place;
  sandbox: Sandbox;
  blobs: Blobs;
  /** Every version of the content of the run tree, oldest first. */
  content: () => Promise<ContentVersion[]>;
  /** The files of the run's agent, beside its SKILL.md. */
  agentFiles: readonly PlacedFile[];
  /** The files of the skills that the run was given. */
  skillFiles: () => Promise<GivenFile[]>;
  /** The script that this run is; undefined: it has a model, or is a program of an artifact. */
  script: AgentScript | undefined;
  /** What this run last placed in `/tmp`, by name; from the journal. */
  placed: ReadonlyMap<string, string>;
  /** Bytes of the layers that this run has made. */
  layerBytes: number;
  limits: ExecLimits;
  /** Cuts the run's secrets out of what a command says, piece by piece, before anything of it is kept (I6). */
  cleaner: () => OutputCleaner;
  /** The secrets that the agent may ask for, by name. */
  secretNames: () => Promise<string[]>;
  /** The values of these; what there is none of is left out. For the environment of one command, and nothing else. */
  secretValues: (names: readonly string[]) => Promise<Record<string, string>>;
  /** Code of this run has held secrets, or is about to: what it leaves behind is no part of anything shared. */
  heldSecrets: () => boolean;
  /** Whether bytes hold a secret of the run. */
  holdsSecret: (bytes: Uint8Array) => boolean;
  /** The first path in a directory (an open descriptor) that holds a secret of the run in its name or its bytes. */
  findSecret: (root: number) => Promise<string | undefined>;
  onOutput: (stream: "stdout" | "stderr", offset: number, text: string) => void;
  /** How far a remote tool says that it is. */
  onProgress: (progress: { progress: number; total: number | null; message: string }) => void;
  /** How many bytes of a directory are in its layer by now. */
  onCapturing: (path: string, bytes: number) => void;
  signal: AbortSignal;
  /** Aborts as well when the approval by which the call runs is taken back: it must reach nothing any more. */
  cut: AbortSignal;
  /** What the decision lets this call reach; empty: it has no way out. */
  hosts: readonly string[];
  /** It runs because a person said yes: it sees nothing of the run that the yes is not bound to. */
  approved: boolean;
  /** Wall-clock time, milliseconds. */
  now: () => number;
  /** What the run's own commands have around them; `captures` are the paths that this one captures. */
  surroundings: (hosts: readonly string[], captures?: readonly string[]) => Promise<Surroundings>;
  /** Lets the hosts be reached while the work is done, and says which really were. */
  withNetwork: <T>(
    hosts: readonly string[],
    work: () => Promise<T>,
  ) => Promise<{ value: T; contacted: string[] }>;
  layers: LayerTrees;
  /** Opens a layer and holds it as long as the run is driven: what is mounted must stay. */
  holdLayer: (digest: string) => Promise<{ tree: string }>;
  builds: BuildCache;
  /** What the run's workspace and tree have. */
  findLayer: (idOrDigest: string) => Promise<Layer | undefined>;
  findArtifact: (idOrRef: string) => Promise<Artifact | undefined>;
  tasks: RunTasks;
}

/** A layer as the journal keeps it beside the call that captured it. */
export type EventLayer = NonNullable<Finished["layers"]>[number];

type Proof = EventData<"artifact.proved">;

type Finished = EventData<"call.finished">;

/** What a call waits for before it can have a result; it is then asked again, with `waited`. */
export type CallWait =
  /** Until each of the tasks has ended or asks a person, and no longer than until then. */
  | { on: "children"; tasks: string[]; until: string | null }
  | { on: "input"; request: Omit<InteractionRequest, "call_id"> };

/** What became of a call: the result for the model, and the facts that the journal keeps beside it. */
export interface ToolOutcome {
  result: { ok: boolean } & Record<string, unknown>;
  content?: Finished["content"];
  staged?: Finished["staged"];
  /** What the run says with it, in place of a model. */
  reply?: string;
  stdout?: Finished["stdout"];
  stderr?: Finished["stderr"];
  layers?: EventLayer[];
  artifact?: Finished["artifact"];
  /** How an artifact did with nothing but what is in it. */
  proof?: Omit<Proof, "call_id" | "isolation" | "network">;
  /** The task that this call made. */
  task?: Finished["task"];
  /** Tasks of whose end the result tells. */
  seenTasks?: string[];
  /**
   * In place of a result: the run is let go until then, and the tool is run again. So a tool that waits finds out by
   * itself, from rows, how far it has come: it is `repeatable`.
   */
  wait?: CallWait;
  /** The call was stopped from outside before it was done. */
  cut?: boolean;
  /** The call used up a limit of the whole run: it ends with this stop reason. */
  runLimit?: "disk_limit";
}

/** The outcome of a call that has to wait first. */
export function waitFor(wait: CallWait): ToolOutcome {
  return { result: { ok: true, waiting: true }, wait };
}

/** What a server has said of a tool of its own. */
export interface RemoteTool {
  server: string;
  url: string;
  /** The name of the secret that is spent there. */
  secret: string | null;
  /** What the server calls it. */
  tool: string;
  description: string;
  /** JSON Schema of its arguments: for models; the server itself judges them. */
  schema: Record<string, unknown>;
}

export interface Tool<Arguments = unknown> {
  name: string;
  /** For the model. */
  description: string;
  input: z.ZodType<Arguments>;
  /** It is done by a remote server, with the arguments as they are. */
  remote?: RemoteTool;
  /** Doing it twice is the same as doing it once: after a crash it is simply done again (I2). */
  repeatable: boolean;
  /** null: every agent may, and no built-in one is shown it. */
  capability: Need["type"] | null;
  /** It is about the run's tree: the built-in agent, which works alone, is not shown it. */
  ofTree?: true;
  /** null: nothing that a capability gives. */
  wants(args: Arguments): Wanted | null;
  run(args: Arguments, context: ToolContext): Promise<ToolOutcome>;
}

export type ErrorType = "validation" | "permission" | "resource" | "execution" | "fatal";

/** The one shape of a failed call: what went wrong, and what the model can do about it. */
export function failure(
  errorType: ErrorType,
  message: string,
  repairHint: string,
  more: Record<string, unknown> = {},
): ToolOutcome["result"] {
  return { ok: false, error_type: errorType, message, repair_hint: repairHint, ...more };
}
