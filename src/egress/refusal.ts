import { hostText, type Target } from "./host-name.ts";

/** Why a connection was not made, or was cut. The word is in the journal; the sentence is for whoever reads a build's log. */
export type EgressReason =
  | "not_listed"
  | "private_address"
  | "not_found"
  | "unreachable"
  | "timed_out"
  | "connections_limit"
  | "lookups_limit"
  | "bytes_limit"
  | "sni_mismatch"
  | "not_tls";

/** 403 for what stays refused, so that clients do not try it again; 502 to 504 for what may pass. */
export function refusalStatus(reason: EgressReason): number {
  if (reason === "not_found" || reason === "unreachable") return 502;
  if (reason === "connections_limit" || reason === "lookups_limit") return 503;
  return reason === "timed_out" ? 504 : 403;
}

/**
 * One line of ASCII: what was refused, why, and what would change it. It is the reason phrase of the answer too, because
 * that is all that pip, npm, git and Go show of a refused CONNECT.
 */
export function refusalWords(target: Target, reason: EgressReason): string {
  const host = `${hostText(target)}:${target.port}`;
  const isUsual = target.port === 443 || target.port === 80;
  return `Airlock lets this call not reach ${host} (${reason}): ${because(reason, isUsual ? hostText(target) : host)}`;
}

function because(reason: EgressReason, entry: string): string {
  switch (reason) {
    case "not_listed":
      return `ask for "${entry}" in the hosts of NetworkAccess`;
    case "private_address":
      return `it has a private or special address; the operator can list "${entry}" in AIRLOCK_PRIVATE_HOSTS`;
    case "not_found":
      return "the gateway's machine finds no address of that name";
    case "unreachable":
      return "the gateway's machine cannot connect to it";
    case "timed_out":
      return "it did not answer the gateway's machine in time";
    case "connections_limit":
      return "too many connections are open at once; open fewer";
    case "lookups_limit":
      return "too many names are being looked up at once; try again";
    case "bytes_limit":
      return "the call has moved as many bytes as one call may";
    case "sni_mismatch":
      return "TLS is meant for another host";
    case "not_tls":
      return "port 443 is for TLS";
  }
}
