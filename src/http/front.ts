import type { HttpBindings } from "@hono/node-server";
import type { Context } from "hono";
import type { z } from "zod";
import type { Approvals } from "../approvals/approvals.ts";
import type { Inventory } from "../artifacts/artifacts.ts";
import type { Clock } from "../base/clock.ts";
import type { Log } from "../base/log.ts";
import type { ExplainRequest, Explanation } from "../contract/explanation.ts";
import type { Token } from "../contract/token.ts";
import type { DoctorReport, GcReport, VerifyReport } from "../contract/upkeep.ts";
import type { Corridor } from "../run/run.ts";
import type { Tokens } from "../store/store.ts";
import type { RateLimit } from "./rate-limit.ts";
import type { RefusalLog } from "./refusal-log.ts";
import type { RouteName, routes } from "./routes.ts";

/** What an operator may set of the front door. */
export interface FrontLimits {
  /** Of one workspace. */
  submissionsPerMinute: number;
  archivesPerMinute: number;
  /** Open at the same time, of all workspaces. */
  eventStreams: number;
  /** For all headers of a request to come. */
  headersMs: number;
  /** Between two pieces of a body. */
  bodyIdleMs: number;
}

/** What the front door needs of the rest of the house. */
export interface HttpOptions {
  corridor: Corridor;
  inventory: Inventory;
  approvals: Approvals;
  /** What the policy says of a call that nobody makes. Changes nothing. */
  explain(workspaceId: string, request: ExplainRequest): Promise<Explanation>;
  tokens: Tokens;
  upkeep: {
    verify(): Promise<VerifyReport>;
    gc(options: { dryRun: boolean }): Promise<GcReport>;
    doctor(): Promise<DoctorReport>;
  };
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
  caller: Table[K]["scope"] extends "none" ? undefined : Caller;
  params: Out<Table[K], "params">;
  query: Out<Table[K], "query">;
  /** Absent for a route that also takes a multipart form: it reads the body itself. */
  body: Table[K] extends { multipart: string } ? undefined : Out<Table[K], "body">;
}

/** One function for each row of the route table; a missing one is a type error. */
export type Answers = { [K in RouteName]: (ask: Ask<K>) => Response | Promise<Response> };
