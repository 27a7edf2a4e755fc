import type { ProxyErrorCode, ProxyOutcome } from "../contract/proxy-call.ts";
import type { CallCut } from "./call-cut.ts";
import { ProxyCut } from "./proxy-cut.ts";
import { ProxyRefused } from "./proxy-refused.ts";
import { CallerGone } from "./proxy-send.ts";
import { UpstreamRefused } from "./upstream-refused.ts";

/** How far a call has come: to nobody's account, to that of its budget, or to the upstream. */
export type CallStage = "asked" | "reserved" | "sent";

export interface Failure {
  /** `denied` takes no call of the budget: nothing was sent, and what was reserved is given back. All others take one. */
  outcome: ProxyOutcome;
  code: ProxyErrorCode | null;
  /** What the caller is told. */
  shown: ProxyRefused;
}

/** What became of a call that ended with this error. Only sentences of ours are shown, never the error's own. */
export function failureOf(error: unknown, cut: CallCut, stage: CallStage): Failure {
  const failure = classify(error, cut);
  const isDenied = stage === "asked" || (stage === "reserved" && failure.outcome === "denied");
  if (isDenied) return { ...failure, outcome: "denied" };
  return failure.outcome === "denied" ? { ...failure, outcome: "failed" } : failure;
}

function classify(error: unknown, cut: CallCut): Failure {
  const reason = cut.reason();
  if (reason === "timeout") {
    return failed("upstream_timeout", "The upstream did not answer in the time of the policy");
  }
  if (reason !== undefined || error instanceof CallerGone) {
    const words = "The call was cut off: its run ended, or its caller went away";
    const shown = new ProxyRefused("internal_error", words);
    return { outcome: "interrupted", code: null, shown };
  }
  if (error instanceof ProxyRefused) return { outcome: "denied", code: error.code, shown: error };
  if (error instanceof ProxyCut) return failed(error.code, error.message);
  if (error instanceof UpstreamRefused) return notConnected(error);
  return failed("internal_error", "The gateway could not make the call");
}

function notConnected({ reason }: UpstreamRefused): Failure {
  switch (reason) {
    case "not_listed":
    case "private_address":
      return denied("ssrf_denied", "The upstream is not a host that may be reached from here");
    case "connections_limit":
    case "lookups_limit":
      return denied("rate_limited", "Too many connections are being made at once; try again");
    case "timed_out":
      return failed("upstream_timeout", "The upstream was not connected in time");
    case "tls":
      return failed("upstream_error", "The upstream has not proved by TLS that it is its host");
    default:
      return failed("upstream_error", "The upstream cannot be connected to");
  }
}

function denied(code: ProxyErrorCode, words: string): Failure {
  return { outcome: "denied", code, shown: new ProxyRefused(code, words) };
}

function failed(code: ProxyErrorCode, words: string): Failure {
  return { outcome: "failed", code, shown: new ProxyRefused(code, words) };
}
