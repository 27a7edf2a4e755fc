import type { Analysis, Look } from "../analysis/analysis.ts";
import type { Clock } from "../base/clock.ts";
import type { Log } from "../base/log.ts";
import type { Threads } from "../base/threads.ts";
import type { Blobs, OutputCapture } from "../content/content.ts";
import type { LayerTrees } from "../layers/layers.ts";
import type { Model } from "../model/model.ts";
import type { Power } from "../policy/policy.ts";
import type { Place, Sandbox } from "../sandbox/sandbox.ts";
import type { Store } from "../store/store.ts";
import type { BuildCache, Tool } from "../tools/tools.ts";
import type { CallNetwork } from "./call-network.ts";
import type { HeldLayers } from "./held-layers.ts";
import type { Ledger } from "./ledger.ts";
import type { Live } from "./live.ts";
import type { EffectiveLimits } from "./next-step.ts";
import type { Record } from "./record.ts";

/** One run in the hands of its worker: all that the steps of the loop work with. Made at the claim, gone at its end. */
export interface Drive {
  runId: string;
  workspaceId: string;
  uid: number | null;
  ledger: Ledger;
  limits: EffectiveLimits;
  power: Power;
  analysis: Analysis;
  /** What package clients of this machine talk to, by ecosystem. */
  packageHosts: Look["packageHosts"];
  /** A person has just been asked something. */
  onAsked: (requestId: string) => void;
  /** Calls back when an approval of the run was taken back. */
  onRevoked: (callback: (requestId: string) => void) => void;
  threads: Threads;
  tools: readonly Tool[];
  model: () => Model;
  record: Record;
  captureOutputs: OutputCapture;
  /** Set by the first step that needs it; the directories on disk are what counts. */
  place: Place | undefined;
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
  store: Pick<Store, "runs" | "files" | "layers" | "artifacts" | "approvals">;
  layers: LayerTrees;
  held: HeldLayers;
  builds: BuildCache;
  /** Set by the first call that may reach something. */
  network: CallNetwork | undefined;
  openNetwork: (place: Place) => CallNetwork;
  takeUid: () => Promise<number>;
  live: Live;
  clock: Clock;
  log: Log;
}
