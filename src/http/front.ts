import type { HttpBindings } from "@hono/node-server";
import type { Context } from "hono";
import type { z } from "zod";
import type { Approvals } from "../approvals/approvals.ts";
import type { Inventory } from "../artifacts/artifacts.ts";
import type { Clock } from "../base/clock.ts";
import type { Log } from "../base/log.ts";
import type { Bundles } from "../bundles/bundles.ts";
import type { AttestationKey } from "../contract/attestation.ts";
import type { ExplainRequest, Explanation } from "../contract/explanation.ts";
import type { Agent, AgentDetail } from "../contract/installed-agent.ts";
import type { ProxyCall } from "../contract/proxy-call.ts";
import type { KeyRotation, SecretInfo } from "../contract/secret.ts";
import type { InputFile } from "../contract/submission.ts";
import type { Token } from "../contract/token.ts";
import type { DoctorReport, GcReport, VerifyReport } from "../contract/upkeep.ts";
import type { Interactions } from "../interactions/interactions.ts";
import type { Corridor } from "../run/run.ts";
import type { Tokens } from "../store/store.ts";
import type { Uploads } from "./form.ts";
import type { RateLimit } from "./rate-limit.ts";
import type { RefusalLog } from "./refusal-log.ts";
import type { RouteName, routes } from "./routes.ts";

/** What an operator may set of the front door. */
export interface FrontLimits {
  /** Of one workspace. */
  submissionsPerMinute: number;
  /** Of runs. */
  archivesPerMinute: number;
  /** Of agents, bundles, layers and artifacts, in and out. */
  exportsPerMinute: number;
  /** Open at the same time, of all workspaces. */
  eventStreams: number;
  /** For all headers of a request to come. */
  headersMs: number;
  /** Between two pieces of a body. */
  bodyIdleMs: number;
}

/** The agents of workspaces. */
export interface AgentsRoom {
  /** By id. */
  all(workspaceId: string): Promise<Agent[]>;
  /** `created`: the workspace did not have these bytes. Throws `agent_invalid`. */
  install(
    workspaceId: string,
    folder: { files: readonly InputFile[]; uploads: Uploads; installedBy: string },
  ): Promise<{ created: boolean; agent: AgentDetail }>;
  /** `revision`: a digest, a number, or the active one. */
  get(workspaceId: string, id: string, revision?: string | number): Promise<AgentDetail>;
  export(
    workspaceId: string,
    id: string,
    revision?: string | number,
  ): Promise<{
    id: string;
    revision: string;
    files: { path: string; bytes: Buffer; sha256: string; executable: boolean }[];
  }>;
  delete(workspaceId: string, id: string): Promise<void>;
}

/** The secrets of workspaces. Values go in and never come out. */
export interface SecretsRoom {
  /** `created`: there was none of this name. */
  set(
    workspaceId: string,
    secret: { name: string; value: string; setBy: string },
  ): Promise<{ created: boolean; secret: SecretInfo }>;
  list(workspaceId: string): Promise<SecretInfo[]>;
  get(workspaceId: string, name: string): Promise<SecretInfo | undefined>;
  /** False: there was none. */
  delete(workspaceId: string, name: string): Promise<boolean>;
  /** Seals every value of the gateway anew under a new key. Throws a `Problem` when the key is not ours to change. */
  rotateKey(): Promise<KeyRotation>;
}

/** A call of a run's proxy endpoint as it came. Only who speaks has been looked at. */
export interface ProxyCallRequest {
  runId: string;
  /** Of the token. Null: the caller has none of ours, and `runToken` decides. */
  workspaceId: string | null;
  runToken: string | null;
  endpoint: string;
  /** Those of the protocol; never who speaks. */
  headers: Headers;
  /** Bounded; it fails when it goes over. */
  body: ReadableStream<Uint8Array> | null;
  signal: AbortSignal;
}

/** The proxy endpoints of runs. */
export interface ProxyRoom {
  /** Calls after one of them, oldest first. */
  calls(
    workspaceId: string,
    runId: string,
    page: { after: string | null; most: number },
  ): Promise<{ rows: ProxyCall[]; more: boolean }>;
  /** Makes a call and says how it is answered: the envelope, or a `ProxyError`, as JSON. */
  call(
    request: ProxyCallRequest,
  ): Promise<{ status: number; headers: Record<string, string>; body: string }>;
}

/** What the front door needs of the rest of the house. */
export interface HttpOptions {
  corridor: Corridor;
  agents: AgentsRoom;
  bundles: Bundles;
  inventory: Inventory;
  approvals: Approvals;
  interactions: Interactions;
  /** What the policy says of a call that nobody makes. Changes nothing. */
  explain(workspaceId: string, request: ExplainRequest): Promise<Explanation>;
  secrets: SecretsRoom;
  proxy: ProxyRoom;
  tokens: Tokens;
  upkeep: {
    verify(): Promise<VerifyReport>;
    gc(options: { dryRun: boolean }): Promise<GcReport>;
    doctor(): Promise<DoctorReport>;
  };
  /** With which archives are verified. */
  attestationKey: AttestationKey;
  caps: { maxConcurrentRuns: number; maxRunDurationMs: number };
  limits: FrontLimits;
  /** Whether runs are accepted; the reason is shown to whoever asks, so it names no path and no secret. */
  ready(): { ok: boolean; reason?: string };
  version: string;
  clock: Clock;
  log: Log;
}

/** The options, and what all answers share. */
export interface Front extends HttpOptions {
  /** Aborts when the gateway stops: event streams end, new requests are refused. */
  closing: AbortSignal;
  streams: { open: number };
  refusals: RefusalLog;
  submissions: RateLimit;
  archives: RateLimit;
  exports: RateLimit;
}

export interface Env {
  /** The Node request and response; absent when the app is called without a server. */
  Bindings: Partial<HttpBindings>;
  Variables: { requestId: string };
}

export type Ctx = Context<Env>;

export interface Caller {
  token: Token;
  /** Asks again, for streams that outlive the moment of their authentication. */
  isLive(): Promise<boolean>;
}

type Table = typeof routes;
type Out<R, Part extends string> = R extends { [P in Part]: infer S extends z.ZodType }
  ? z.output<S>
  : undefined;

/** A request that has passed authentication and the schemas of its route. */
export interface Ask<K extends RouteName> {
  c: Ctx;
  caller: Table[K]["scope"] extends "none" | "run" ? undefined : Caller;
  params: Out<Table[K], "params">;
  query: Out<Table[K], "query">;
  /** Absent for a route that also takes a multipart form: it reads the body itself. */
  body: Table[K] extends { multipart: string } ? undefined : Out<Table[K], "body">;
}

/** One function for each row of the route table; a missing one is a type error. */
export type Answers = { [K in RouteName]: (ask: Ask<K>) => Response | Promise<Response> };
