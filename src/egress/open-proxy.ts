import { limits } from "../base/limits.ts";
import type { Log } from "../base/log.ts";
import { proxyErrorStatus } from "../contract/proxy-call.ts";
import { openByteBudget } from "./byte-budget.ts";
import type { Course, Endpoint } from "./call-course.ts";
import { openCut } from "./call-cut.ts";
import { openMemory } from "./envelope-memory.ts";
import type { ProxyAnswer, ProxyOptions, ProxyRequest, RunProxy } from "./proxy.ts";
import { type CallRecord, openAudit } from "./proxy-audit.ts";
import { takeCourse } from "./proxy-course.ts";
import { ProxyRefused } from "./proxy-refused.ts";
import { openUpstreams } from "./upstreams.ts";

/**
 * Opens the endpoints of one run. Each has a pool of connections and a remainder of bytes of its own, which end with
 * `close`. A call is checked, paid for, connected, written down as sent, sent, answered and settled, in this order.
 */
export function openProxy(options: ProxyOptions): RunProxy {
  const { books, redactor, clock, log } = options;
  const upstreams = openUpstreams(options);
  const endpoints = new Map<string, Endpoint>();
  for (const use of options.endpoints) {
    const upstream = upstreams.open(new URL(use.policy.baseUrl));
    const bytes = openByteBudget(use.policy.responseByteBudget);
    endpoints.set(use.policy.name, { use, upstream, bytes });
  }
  const audit = openAudit(options);
  const closing = new AbortController();
  const going = new Set<Promise<void>>();
  const memory = openMemory();

  /** Settles once, in whatever way it ends first; the call is over when it has been tried. */
  function openSettling(record: CallRecord, onOver: () => void): Course["settle"] {
    let settled: Promise<void> | undefined;
    const over = Promise.withResolvers<void>();
    going.add(over.promise);
    return (outcome, error) => {
      settled ??= audit.settle(Object.assign(record, { outcome, error })).finally(() => {
        going.delete(over.promise);
        over.resolve();
        onOver();
      });
      return settled;
    };
  }

  async function call(request: ProxyRequest): Promise<ProxyAnswer> {
    if (closing.signal.aborted) {
      return refusal(new ProxyRefused("policy_denied", "The run has ended"), undefined, log);
    }
    const record = audit.begin(request);
    const endpoint = endpoints.get(request.endpoint);
    const tooMany = going.size >= limits.proxyCallsAtOnce;
    const cut = openCut({
      timeoutMs: endpoint?.use.policy.timeoutMs ?? limits.proxyDrainMs,
      clock,
      caller: request.signal,
      closing: closing.signal,
    });
    const { hold, giveBack } = memory.open();
    const settle = openSettling(record, () => {
      cut.end();
      // A client that does not read its envelope leaves it in memory.
      if (request.delivered === undefined) giveBack();
      else void request.delivered.then(giveBack);
    });
    try {
      if (!tooMany && endpoint !== undefined) {
        const mine = { endpoint, request, record, cut, hold, settle };
        const { canary } = options;
        return await takeCourse({ ...mine, books, redactor, canary, clock, log });
      }
      const refused = tooMany
        ? new ProxyRefused("rate_limited", "Too many calls of this run are going on; try again")
        : unknownEndpoint([...endpoints.keys()]);
      await settle("denied", refused.code);
      throw refused;
    } catch (error) {
      return refusal(error, endpoint, log);
    }
  }

  return {
    call,
    deniedUnreported: audit.deniedUnreported,
    async close() {
      closing.abort();
      upstreams.close();
      await Promise.all(going);
    },
  };
}

function refusal(error: unknown, endpoint: Endpoint | undefined, log: Log): ProxyAnswer {
  if (!(error instanceof ProxyRefused)) log.error({ err: error }, "proxy.call_failed");
  const shown =
    error instanceof ProxyRefused
      ? error
      : new ProxyRefused("internal_error", "The gateway could not make the call");
  const name = endpoint && { endpointName: endpoint.use.policy.name };
  return {
    ok: false,
    status: proxyErrorStatus[shown.code],
    error: { error: shown.code, message: shown.message, ...name },
  };
}

function unknownEndpoint(names: readonly string[]): ProxyRefused {
  const known = names.length === 0 ? "The run has none" : `The run has: ${names.join(" ")}`;
  return new ProxyRefused(
    "endpoint_not_found",
    `There is no proxy endpoint of that name. ${known}`,
  );
}
