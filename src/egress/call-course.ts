import type { Clock } from "../base/clock.ts";
import type { Log } from "../base/log.ts";
import type { ProxyErrorCode, ProxyOutcome } from "../contract/proxy-call.ts";
import type { ByteBudget } from "./byte-budget.ts";
import type { CallCut } from "./call-cut.ts";
import type { ProxyBooks, ProxyRequest, ProxyUse } from "./proxy.ts";
import type { CallRecord } from "./proxy-audit.ts";
import type { Redactor, SecretSearch } from "./redact.ts";
import type { Upstream } from "./upstream-pool.ts";

/** An endpoint of a run, with what is its own. */
export interface Endpoint {
  use: ProxyUse;
  upstream: Upstream;
  bytes: ByteBudget;
}

/** One call of an endpoint while it goes on. */
export interface Course {
  endpoint: Endpoint;
  request: ProxyRequest;
  record: CallRecord;
  cut: CallCut;
  books: ProxyBooks;
  redactor: () => Redactor;
  canary: SecretSearch | undefined;
  clock: Clock;
  log: Log;
  /** Keeps so much memory for the answer until the call is over; throws `rate_limited` when there is none. */
  hold(bytes: number): void;
  /** Writes the call down, once; later ones wait for the first. */
  settle(outcome: ProxyOutcome, error: ProxyErrorCode | null): Promise<void>;
}
