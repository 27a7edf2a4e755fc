import { lookup } from "node:dns/promises";

import { isPublicAddress } from "./address.ts";
import type { AllowList } from "./allow-list.ts";
import type { Target } from "./host-name.ts";
import { LookupsLimit } from "./lookups.ts";
import type { ReachReason } from "./refusal.ts";

/** Every address of a name, in the order to be tried. */
export type Resolver = (name: string) => Promise<string[]>;

export type Resolved = { ok: true; addresses: string[] } | { ok: false; reason: ReachReason };

/** The resolver of the gateway's machine, its hosts file included. Rejects for a name that is not there. */
export const systemResolver: Resolver = async (name) =>
  (await lookup(name, { all: true, order: "verbatim" })).map((each) => each.address);

/**
 * The addresses to dial for a target that a rule allows. Denied before anything is resolved, resolved once, and refused
 * when a single address is private: a name that answers with both is an attempt to rebind.
 */
export async function resolveTarget(
  target: Target,
  allowed: AllowList,
  lookUp: (name: string, signal: AbortSignal) => Promise<string[]>,
  signal: AbortSignal,
): Promise<Resolved> {
  if (!allowed.allows(target)) return { ok: false, reason: "not_listed" };
  const { host } = target;
  let addresses = [host.text];
  if (host.kind === "name") {
    try {
      addresses = await lookUp(host.text, signal);
    } catch (error) {
      if (error instanceof LookupsLimit) return { ok: false, reason: "lookups_limit" };
      return { ok: false, reason: signal.aborted ? "timed_out" : "not_found" };
    }
  }
  if (addresses.length === 0) return { ok: false, reason: "not_found" };
  const good = (address: string) =>
    isPublicAddress(address) || allowed.allowsPrivate(target, address);
  if (!addresses.every(good)) return { ok: false, reason: "private_address" };
  return { ok: true, addresses };
}
