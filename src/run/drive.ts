import type { Analysis, Look } from "../analysis/analysis.ts";
import type { Clock } from "../base/clock.ts";
import type { Config } from "../base/config.ts";
import type { Log } from "../base/log.ts";
import type { Threads } from "../base/threads.ts";
import type { Blobs, OutputCapture, SecretScanner } from "../content/content.ts";
import type { Custody } from "../contract/custody.ts";
import type { RunProxy } from "../egress/egress.ts";
import type { LayerTrees } from "../layers/layers.ts";
import type { Model } from "../model/model.ts";
import type { Power } from "../policy/policy.ts";
import type { OutputCleaner, Place, RunFile, Sandbox } from "../sandbox/sandbox.ts";
import type { Store } from "../store/store.ts";
import type { BuildCache, RunTasks, Tool } from "../tools/tools.ts";
import type { RunBudget } from "./budget.ts";
import type { CallNetwork } from "./call-network.ts";
import type { HeldLayers } from "./held-layers.ts";
import type { Ledger } from "./ledger.ts";
import type { Live } from "./live.ts";
import type { McpClients } from "./mcp-clients.ts";
import type { EffectiveLimits } from "./next-step.ts";
import type { OpenedSecrets } from "./opened-secrets.ts";
import type { Record } from "./record.ts";
import type { RunBundles } from "./run-bundles.ts";
import type { SdkDoor } from "./sdk-door.ts";
import type { SecretValues } from "./secret-values.ts";

/** One run in the hands of its worker: all that the steps of the loop work with. Made at the claim, gone at its end. */
export interface Drive {
  runId: string;
  rootRunId: string;
  workspaceId: string;
  uid: number | null;
  ledger: Ledger;
  limits: EffectiveLimits;
  /** Of its tree; undefined: it has none. */
  budget: RunBudget | undefined;
  power: Power;
  analysis: Analysis;
  /** What package clients of this machine talk to, by ecosystem. */
  packageHosts: Look["packageHosts"];
  /** The environment in which this machine's own package clients are configured. */
  packageEnvironment: Config["packageEnvironment"];
  /** A person has just been asked something. */
  onAsked: (requestId: string) => void;
  /** Calls back when an approval of the run was taken back. */
  onRevoked: (callback: (requestId: string) => void) => void;
  threads: Threads;
  /** Those of the gateway that the agent is shown. */
  tools: readonly Tool[];
  /** The remote servers whose tools it may ask for; undefined when none was declared. */
  mcp: McpClients | undefined;
  model: () => Model;
  record: Record;
  secrets: OpenedSecrets;
  /** The endpoints that the run may call; undefined when it has none. */
  proxy: RunProxy | undefined;
  /** The call that is being made, for what happens meanwhile. */
  atCall: (callId: string | null) => void;
  /** What becomes of its secrets with its last event. */
  custody: (filesAreGone: boolean) => Promise<Custody>;
  /** For the environment of commands that a person has approved. */
  secretValues: SecretValues;
  /** Looks for every secret that is known. */
  secretSearch: SecretScanner;
  /** Cuts every secret out of one stream of what a command says. */
  cleaner: () => OutputCleaner;
  captureOutputs: OutputCapture;
  /** Set by the first step that needs it; the directories on disk are what counts. */
  place: Place | undefined;
  /** What its sandboxes show of the run below `/airlock`. */
  ownFiles: () => Promise<readonly RunFile[]>;
  /** How long the run has worked by now, milliseconds. */
  elapsedMs: () => number;
  /** Aborts when the run was cancelled, has used up its time, or the gateway stops. */
  signal: AbortSignal;
  /** Aborts when the gateway wants the run to be let go after the step that it is at. */
  draining: AbortSignal;
  /** Aborts when the gateway stops: what is going on is left as it is, to be found at the next start. */
  stopping: AbortSignal;
  sandbox: Sandbox;
  blobs: Blobs;
  store: Pick<
    Store,
    | "knowledge"
    | "runs"
    | "files"
    | "layers"
    | "artifacts"
    | "approvals"
    | "executions"
    | "interactions"
    | "messages"
  >;
  layers: LayerTrees;
  held: HeldLayers;
  bundles: RunBundles;
  builds: BuildCache;
  /** Set by the first call that may reach something. */
  network: CallNetwork | undefined;
  /** Set by the first call whose code may ask something of the gateway. */
  sdk: Promise<SdkDoor> | undefined;
  openSdk: (place: Place) => Promise<SdkDoor>;
  /** With `files`, even none: that of a build of the gateway's own, which the endpoints of the run are no part of. */
  openNetwork: (place: Place, files?: readonly { path: string; data: Buffer }[]) => CallNetwork;
  /** Cancels the tasks that are still at work: what nobody waits for any more does not go on. */
  endTasks: () => Promise<void>;
  /** What a call may know of the run's tree and do in it. */
  tasksOf: (callId: string) => RunTasks;
  takeUid: () => Promise<number>;
  live: Live;
  clock: Clock;
  log: Log;
}
