import { hostText, type Target } from "./host-name.ts";

/** Why a connection was not made. The word is in the journal; the sentence is for whoever reads a build's log. */
export type EgressReason =
  | "not_listed"
  | "private_address"
  | "not_found"
  | "unreachable"
  | "timed_out"
  | "connections_limit"
  | "connections_spent"
  | "lookups_limit"
  | "bytes_limit"
  | "sni_mismatch"
  | "not_tls"
  | "not_understood"
  | "head_too_long"
  | "head_too_slow"
  | "endpoint_over_tls"
  | "call_ended";

/** Why a target was not reached, once it was plain which one it is. */
export type ReachReason = Extract<
  EgressReason,
  | "not_listed"
  | "private_address"
  | "not_found"
  | "unreachable"
  | "timed_out"
  | "lookups_limit"
  | "call_ended"
>;

/** 403 for what stays refused, so that clients do not try it again; 502 to 504 for what may pass. */
export function refusalStatus(reason: EgressReason): number {
  switch (reason) {
    case "not_understood":
      return 400;
    case "head_too_slow":
      return 408;
    case "head_too_long":
      return 431;
    case "not_found":
    case "unreachable":
      return 502;
    case "connections_limit":
    case "lookups_limit":
    case "call_ended":
      return 503;
    case "timed_out":
      return 504;
    default:
      return 403;
  }
}

/**
 * One line of ASCII: what was refused, why, and what would change it. It is the reason phrase of the answer too, because
 * that is all that pip, npm, git and Go show of a refused CONNECT. No target when the client has not said one.
 */
export function refusalWords(reason: EgressReason, target?: Target): string {
  if (target === undefined) {
    return `Airlock does not understand this connection (${reason}): ${because(reason, "the host")}`;
  }
  const host = `${hostText(target)}:${target.port}`;
  const isUsual = target.port === 443 || target.port === 80;
  const entry = isUsual ? hostText(target) : host;
  return `Airlock does not let this call reach ${host} (${reason}): ${because(reason, entry)}`;
}

function because(reason: EgressReason, entry: string): string {
  switch (reason) {
    case "not_listed":
      return `add "${entry}" to the hosts of NetworkAccess`;
    case "private_address":
      return `it has a private or special address; the operator can list "${entry}" in AIRLOCK_PRIVATE_HOSTS, and NetworkAccess must name it`;
    case "not_found":
      return "the gateway's machine finds no address of that name";
    case "unreachable":
      return "the gateway's machine cannot connect to it";
    case "timed_out":
      return "it was not connected in time";
    case "connections_limit":
      return "too many connections are open at once; open fewer";
    case "connections_spent":
      return "the call has made as many connections as one call may";
    case "lookups_limit":
      return "too many names are being looked up at once; try again";
    case "bytes_limit":
      return "the call has moved as many bytes as one call may";
    case "sni_mismatch":
      return "TLS is meant for another host";
    case "not_tls":
      return "port 443 is for TLS";
    case "not_understood":
      return "ask for CONNECT host:port, or for an absolute http:// URI";
    case "head_too_long":
      return "send shorter headers";
    case "head_too_slow":
      return "send the whole request at once";
    case "endpoint_over_tls":
      return `the gateway makes the TLS connection of an endpoint itself; use http://${entry}/`;
    case "call_ended":
      return "the call has ended";
  }
}
