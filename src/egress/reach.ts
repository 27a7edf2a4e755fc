import type { Socket } from "node:net";

import type { AllowList } from "./allow-list.ts";
import { dial, dialThrough } from "./dial.ts";
import type { Target } from "./host-name.ts";
import { openLookups } from "./lookups.ts";
import type { ReachReason } from "./refusal.ts";
import { type Resolver, resolveTarget, systemResolver } from "./resolve.ts";

export type Reached =
  | { ok: true; host: Socket; address: string | null }
  | { ok: false; reason: ReachReason };

/**
 * Decides about a target and connects to it, both within `connectMs`. Behind an upstream proxy a public name is resolved
 * there, so the check of its addresses is that proxy's; names that the operator listed as private are on this side of it
 * and dialled directly. `gone` is aborted when whoever asked has gone.
 */
export function openReach(
  options: { upstreamProxy?: URL; resolver?: Resolver; connectMs: number },
  allowed: AllowList,
  hold: (socket: Socket) => void,
  closing: AbortSignal,
): (target: Target, gone?: AbortSignal) => Promise<Reached> {
  const { upstreamProxy, resolver = systemResolver, connectMs } = options;
  const lookUp = openLookups(resolver);
  return async (target, gone) => {
    const ended = () => closing.aborted || gone?.aborted === true;
    if (!allowed.allows(target)) return { ok: false, reason: "not_listed" };
    const late = AbortSignal.timeout(connectMs);
    const signal = AbortSignal.any([closing, late, ...(gone ? [gone] : [])]);
    const direct = upstreamProxy === undefined || allowed.allowsPrivate(target, target.host.text);
    let addresses: string[] = [];
    if (direct || target.host.kind !== "name") {
      const found = await resolveTarget(target, allowed, lookUp, signal);
      if (!found.ok) return ended() ? { ok: false, reason: "call_ended" } : found;
      addresses = found.addresses;
    }
    try {
      const host = direct
        ? await dial(addresses, target.port, connectMs, signal)
        : await dialThrough(upstreamProxy, target, connectMs, signal);
      // Whoever waits for the connection hears of its end by "close"; an error without a listener would end the gateway.
      host.on("error", () => host.destroy());
      hold(host);
      return { ok: true, host, address: direct ? (host.remoteAddress ?? null) : null };
    } catch {
      if (ended()) return { ok: false, reason: "call_ended" };
      return { ok: false, reason: late.aborted ? "timed_out" : "unreachable" };
    }
  };
}
