import { hostText, type Target } from "./host-name.ts";
import type { ReachReason } from "./refusal.ts";

/** `not_listed` and `private_address`: the host may not be an upstream. The others may pass with time. */
export type UpstreamReason = ReachReason | "connections_limit" | "tls";

/** Why there is no connection to an upstream. Its message names the host and nothing that the host has said. */
export class UpstreamRefused extends Error {
  override name = "UpstreamRefused";
  readonly reason: UpstreamReason;
  /** The address that was dialled, when it came to that and it is known. */
  readonly address: string | null;
  /** Node's word for what was wrong with the certificate or the handshake, such as `CERT_HAS_EXPIRED`. */
  readonly code: string | undefined;

  constructor(
    target: Target,
    reason: UpstreamReason,
    more: { address?: string | null; code?: string | undefined } = {},
  ) {
    const { address = null, code } = more;
    const why = code === undefined ? reasons[reason] : `${reasons[reason]} (${code})`;
    super(`Cannot connect to ${hostText(target)}:${target.port}: ${why}`);
    this.reason = reason;
    this.address = address;
    this.code = code;
  }

  /** Whether the host may not be an upstream, however often it is tried. */
  get isFinal(): boolean {
    return this.reason === "not_listed" || this.reason === "private_address";
  }
}

const reasons: Record<UpstreamReason, string> = {
  not_listed:
    "it is no host of the public internet, or not https, and the operator does not list it",
  private_address: "it has a private or special address, and the operator does not list it",
  not_found: "the gateway's machine finds no address of that name",
  unreachable: "the gateway's machine cannot connect to it",
  timed_out: "it was not connected in time",
  connections_limit: "too many connections to it are open at once",
  lookups_limit: "too many names are being looked up at once",
  call_ended: "nobody waits for the connection any more",
  tls: "it has not proved by TLS that it is this host",
};
