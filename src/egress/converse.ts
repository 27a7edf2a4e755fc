import type { Socket } from "node:net";

import type { Clock } from "../base/clock.ts";
import { openTotal } from "./accounts.ts";
import type { EgressAllowed, EgressDenied, EgressLimits } from "./build-network.ts";
import type { Target } from "./host-name.ts";
import type { Reached } from "./reach.ts";
import type { EgressReason } from "./refusal.ts";
import type { Count, TunnelEnd } from "./tunnel.ts";

export interface ConverseOptions {
  clock: Clock;
  limits: EgressLimits;
  reach(target: Target): Promise<Reached>;
  onAllowed(record: EgressAllowed): void;
  onDenied(record: EgressDenied): void;
}

type Talk = (host: Socket, count: Count) => Promise<TunnelEnd>;

/** Reaches a target, lets `talk` go on with it, and writes down what became of it; a refusal is for the caller to tell. */
export function openConverse(options: ConverseOptions) {
  const { clock, limits } = options;
  const total = openTotal(limits);
  let open = 0;
  let made = 0;

  const deny = ({ host, port }: Target, reason: EgressReason) => {
    options.onDenied({ host: host.text, port, reason });
    return reason;
  };

  return async (target: Target, talk: Talk): Promise<EgressReason | undefined> => {
    if (total.spent()) return deny(target, "bytes_limit");
    if (made >= limits.connectionsInAll) return deny(target, "connections_spent");
    if (open >= limits.connections) return deny(target, "connections_limit");
    open += 1;
    try {
      const reached = await options.reach(target);
      if (!reached.ok) return deny(target, reached.reason);
      made += 1;
      const from = clock.monotonic();
      const count = total.open();
      const end = await talk(reached.host, count);
      if (end === "sni_mismatch" || end === "not_tls") {
        deny(target, end);
        return undefined;
      }
      options.onAllowed({
        host: target.host.text,
        port: target.port,
        address: reached.address,
        bytes_up: count.sent(),
        bytes_down: count.received(),
        duration_ms: Math.round(clock.monotonic() - from),
        cut: end === "ended" ? null : end,
      });
      return undefined;
    } finally {
      open -= 1;
    }
  };
}
