import type { Clock } from "../base/clock.ts";
import type { Log } from "../base/log.ts";
import type { ProxyCalled, ProxyDoor, ProxyError } from "../contract/proxy-call.ts";
import type {
  ProxyAuthValue,
  ProxyResponseMode,
  WholeProxyEndpoint,
} from "../contract/proxy-endpoint.ts";
import type { Redactor, SecretSearch } from "./redact.ts";
import type { Resolver } from "./resolve.ts";

/** An endpoint as a run may use it. */
export interface ProxyUse {
  policy: WholeProxyEndpoint;
  /** Asked for at every call, so that a secret that was set anew is spent anew. Undefined: it cannot be opened. */
  credential(): ProxyAuthValue | { type: "none" } | undefined;
}

/** Where calls are counted and written down; durable when it resolves. */
export interface ProxyBooks {
  /** Takes one call of the budget. `false`: there is none left. `isSent`: as `sent` would have been called as well. */
  reserve(
    endpoint: WholeProxyEndpoint,
    id: string,
    isSent: boolean,
  ): Promise<{ ok: boolean; usedCalls: number; usedBytes: number }>;
  sent(id: string): Promise<void>;
  release(id: string): Promise<void>;
  settle(called: ProxyCalled): Promise<void>;
}

export interface ProxyOptions {
  endpoints: readonly ProxyUse[];
  books: ProxyBooks;
  /** The run's known secrets, as they are at this moment. */
  redactor: () => Redactor;
  /** Looks for what no honest request holds; see `withoutCanary`. */
  canary?: SecretSearch;
  /** The call of the run that is going on. */
  callId: () => string | null;
  privateHosts: readonly string[];
  upstreamProxy?: URL;
  /** Certificate authorities beside those that Node brings, as PEM. */
  authorities?: readonly string[];
  resolver?: Resolver;
  clock: Clock;
  log: Log;
}

/** A call of an endpoint, wherever it came from. Nothing of it has been checked. */
export interface ProxyRequest {
  endpoint: string;
  door: ProxyDoor;
  method: string;
  /** As it came: undecoded, without the query. */
  path: string;
  /** As it came: undecoded, without the question mark. */
  query: string;
  /** As they came, in order. */
  headers: readonly (readonly [name: string, value: string])[];
  body: AsyncIterable<Uint8Array> | null;
  /** What the caller declared, when it did. */
  bodyBytes: number | null;
  /** Undefined: what the policy gives. */
  responseMode?: string;
  signal: AbortSignal;
  /** Resolves when nothing of the answer is held in memory any more. Undefined: that is when the call is over. */
  delivered?: Promise<void>;
}

export type ProxyAnswer =
  | { ok: false; status: number; error: ProxyError }
  | {
      ok: true;
      /** Of the upstream. */
      status: number;
      /** Filtered and redacted; lower-case names. */
      headers: readonly (readonly [name: string, value: string])[];
      /**
       * Redacted. Null when the mode has none. The audit row is durable before it ends (and before this answer, when it is
       * null); it throws `ProxyCut` when the upstream breaks off or goes over a cap.
       */
      body: AsyncIterable<Uint8Array> | null;
      mode: ProxyResponseMode;
      modeClamped: boolean;
      /** True at the end, when `maxResponseBytes` or the budget cut the body off. */
      truncated: () => boolean;
      remainingCalls: number;
      /** At the end of the body. */
      remainingBytes: () => number;
    };

/** The endpoints of one run. Connections are kept for it alone (H20) and end with it. */
export interface RunProxy {
  /** Never rejects: what goes wrong is an answer. */
  call(request: ProxyRequest): Promise<ProxyAnswer>;
  /** Refusals that have no audit row, because so many of the same were before them. */
  deniedUnreported(): number;
  /** Cuts every call that is going on; resolves when each is settled. */
  close(): Promise<void>;
}
