import type { z } from "zod";
import type { Blobs, ContentVersion } from "../content/content.ts";
import type { Artifact } from "../contract/artifact.ts";
import type { EventData } from "../contract/event.ts";
import type { Layer } from "../contract/layer.ts";
import type { LayerTrees } from "../layers/layers.ts";
import type { Need } from "../policy/policy.ts";
import type { ExecLimits, Place, Sandbox, Surroundings } from "../sandbox/sandbox.ts";
import type { BuildCache } from "./build-cache.ts";
import type { Wanted } from "./wanted.ts";

/** What a tool may touch: the run's own places and the content that its tree shares. */
export interface ToolContext {
  runId: string;
  callId: string;
  place: Place;
  sandbox: Sandbox;
  blobs: Blobs;
  /** Every version of the content of the run tree, oldest first. */
  content: () => Promise<ContentVersion[]>;
  /** What this run last placed in `/tmp`, by name; from the journal. */
  placed: ReadonlyMap<string, string>;
  /** Bytes of the layers that this run has made. */
  layerBytes: number;
  limits: ExecLimits;
  /** Cuts the run's secrets out of bytes that are about to be kept (I6). */
  redact: (bytes: Uint8Array) => Promise<Uint8Array>;
  onOutput: (stream: "stdout" | "stderr", offset: number, text: string) => void;
  /** How many bytes of a directory are in its layer by now. */
  onCapturing: (path: string, bytes: number) => void;
  signal: AbortSignal;
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
}

/** A layer as the journal keeps it beside the call that captured it. */
export type EventLayer = NonNullable<Finished["layers"]>[number];

type Proof = EventData<"artifact.proved">;

type Finished = EventData<"call.finished">;

/** What became of a call: the result for the model, and the facts that the journal keeps beside it. */
export interface ToolOutcome {
  result: { ok: boolean } & Record<string, unknown>;
  content?: Finished["content"];
  staged?: Finished["staged"];
  stdout?: Finished["stdout"];
  stderr?: Finished["stderr"];
  layers?: EventLayer[];
  artifact?: Finished["artifact"];
  /** How an artifact did with nothing but what is in it. */
  proof?: Omit<Proof, "call_id" | "isolation" | "network">;
  /** The call was stopped from outside before it was done. */
  cut?: boolean;
  /** The call used up a limit of the whole run: it ends with this stop reason. */
  runLimit?: "disk_limit";
}

export interface Tool<Arguments = unknown> {
  name: string;
  /** For the model. */
  description: string;
  input: z.ZodType<Arguments>;
  /** Doing it twice is the same as doing it once: after a crash it is simply done again (I2). */
  repeatable: boolean;
  capability: Need["type"];
  wants(args: Arguments): Wanted;
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
