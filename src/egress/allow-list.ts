import { BlockList } from "node:net";

import { Problem } from "../contract/problem.ts";
import { type Host, parseHost, parsePort, parseTarget, type Target } from "./host-name.ts";

export interface AllowList {
  /** Whether a rule names the target. Nothing is resolved: a denied name costs no DNS query. */
  allows(target: Target): boolean;
  /** Whether the operator and a rule other than `*` let the target be at this private address. */
  allowsPrivate(target: Target, address: string): boolean;
  /** True when any public host is allowed, which has to be shown loudly. */
  anyHost: boolean;
}

interface Rule {
  match: "any" | "below" | "exact";
  name: string;
  /** Undefined means 443 and 80. */
  port: number | undefined;
}

/**
 * What a run may reach. `hosts`: `example.org`, `example.org:8443`, `*.example.org` (what is below it only), `*` (any
 * public host); without a port, 443 and 80. None, or an empty string, allows nothing. `privateHosts` are the operator's:
 * names, addresses, each with an optional port, or CIDRs. Throws `invalid_request` for what is neither.
 */
export function allowList(
  hosts: readonly string[] | undefined,
  privateHosts: readonly string[] = [],
): AllowList {
  const rules = (hosts ?? []).filter((host) => host !== "").map(parseRule);
  const privates = privateHosts.filter((host) => host !== "").map(parsePrivate);
  const named = rules.filter((rule) => rule.match !== "any");
  return {
    allows: (target) => rules.some((rule) => matches(rule, target)),
    allowsPrivate: (target, address) =>
      named.some((rule) => matches(rule, target)) && privates.some((one) => one(target, address)),
    anyHost: rules.some((rule) => rule.match === "any"),
  };
}

function matches(rule: Rule, { host, port }: Target): boolean {
  if (rule.port === undefined ? port !== 443 && port !== 80 : port !== rule.port) return false;
  if (rule.match === "any") return true;
  if (rule.match === "exact") return host.text === rule.name;
  return host.kind === "name" && host.text.endsWith(`.${rule.name}`);
}

function parseRule(text: string): Rule {
  const star = /^\*(?::(.+))?$/.exec(text);
  if (star) {
    const port = star[1] === undefined ? undefined : parsePort(star[1]);
    if (star[1] !== undefined && port === undefined) throw wrong("hosts", text);
    return { match: "any", name: "", port };
  }
  const below = text.startsWith("*.");
  const { host, port } = parseEntry("hosts", below ? text.slice(2) : text);
  if (below && host.kind !== "name") throw wrong("hosts", text);
  return { match: below ? "below" : "exact", name: host.text, port };
}

function parsePrivate(text: string): (target: Target, address: string) => boolean {
  const [net, bits, ...more] = text.split("/");
  if (bits !== undefined) {
    const host = parseHost(net ?? "");
    const most = host?.kind === "ipv4" ? 32 : 128;
    if (host === undefined || host.kind === "name" || more.length > 0 || !/^\d{1,3}$/.test(bits)) {
      throw wrong("private_hosts", text);
    }
    if (Number(bits) > most) throw wrong("private_hosts", text);
    const { kind } = host;
    const list = new BlockList();
    list.addSubnet(host.text, Number(bits), kind);
    return (_target, address) =>
      address.includes(":") === (kind === "ipv6") && list.check(address, kind);
  }
  const { host, port } = parseEntry("private_hosts", text);
  return (target, address) =>
    (port === undefined || port === target.port) &&
    (host.text === target.host.text || host.text === address);
}

function parseEntry(field: string, text: string): { host: Host; port: number | undefined } {
  const host = parseHost(text);
  if (host !== undefined) return { host, port: undefined };
  const target = parseTarget(text);
  if (target === undefined) throw wrong(field, text);
  return target;
}

function wrong(field: string, text: string): Problem {
  const wanted =
    field === "hosts" ? "example.org, example.org:8443, *.example.org or *" : "a host or CIDR";
  return new Problem("invalid_request", `${field} has ${JSON.stringify(text)}, not ${wanted}`);
}
