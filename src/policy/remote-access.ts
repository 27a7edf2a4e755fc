import type { DecisionReason } from "../contract/explanation.ts";
import type { Finding } from "../contract/finding.ts";
import { boundsOf, ofType } from "./grants.ts";
import { hostsCover, narrowedHosts, spelledHost } from "./hosts.ts";
import type { Need, Power } from "./need.ts";
import { reason, shown } from "./reasons.ts";

type CodeNeed = Extract<Need, { type: "CodeExecution" }>;

/** What a call may reach, and what it would reach besides. */
export interface Reach {
  hosts: string[];
  reasons: DecisionReason[];
  /** The hosts, as far as they are known, that nothing covers: host:port. */
  uncovered: string[];
}

/** How many findings are named one by one; the rest are in the finding list anyway. */
const namedFindings = 50;

/** What the agent may reach: what its power gives it, and the proxy endpoints of its run. */
export function reachableHosts(power: Power): string[] {
  return [...powerHosts(power), ...(power.endpoints ?? [])];
}

/** What every list of the agent's power lets it reach, narrowed by the targets that its manifest names. */
function powerHosts(power: Power): string[] {
  const lists = boundsOf(power).map(({ capabilities }) =>
    ofType(capabilities, "NetworkAccess").flatMap(({ hosts }) => hosts),
  );
  const [own = [], ...grants] = lists;
  const granted = grants.reduce(narrowedHosts, [...new Set(own)]);
  const targets = power.remoteAccess?.targets;
  if (targets === undefined || targets.some(({ kind }) => kind === "any")) return granted;
  const named = targets.flatMap((target) => (target.kind === "host" ? [target.host] : []));
  return narrowedHosts(granted, named);
}

/** Holds what the analysis found against what the agent may reach. */
export function reachOf(need: CodeNeed, power: Power): Reach {
  if (need.network === "none") return { hosts: [], reasons: [], uncovered: [] };
  const hosts = reachableHosts(power);
  const findings = need.findings.filter((finding) => !isCovered(finding, hosts));
  const sources = (need.installsFrom ?? []).filter((host) => !hostsCover(hosts, host));
  const reasons = findings.slice(0, namedFindings).map(findingReason);
  if (need.installsFrom !== null && (sources.length > 0 || hosts.length === 0)) {
    reasons.push(packagesReason(sources));
  }
  const known = [...findings.flatMap(({ host }) => host ?? []), ...sources].map(spelledHost);
  return { hosts, reasons, uncovered: [...new Set(known)].sort() };
}

/** Code that hides what it reaches is covered by an access to everything only. */
function isCovered({ kind, host }: Finding, hosts: readonly string[]): boolean {
  if (host !== null) return hostsCover(hosts, host);
  return kind === "opaque" ? hosts.includes("*") : hosts.length > 0;
}

function findingReason({ kind, host, file, line, pattern, reason: why }: Finding): DecisionReason {
  const where = file === null ? "The command" : `${file}:${line}`;
  if (host !== null) {
    return reason("network_uncovered", `${where} reaches ${host}, which no NetworkAccess covers`, {
      token: pattern,
      change: `Add ${host} to NetworkAccess, and to remote_access.targets when it has any`,
      capability: { type: "NetworkAccess", hosts: [host] },
    });
  }
  if (kind === "opaque") {
    return reason("network_hidden", `${where} hides what it does (${why}): ${shown(pattern)}`, {
      token: pattern,
      change: "Write it so that it can be read, or give NetworkAccess to *",
      capability: { type: "NetworkAccess", hosts: ["*"] },
    });
  }
  return reason("network_uncovered", `${where} uses the network (${why}): ${shown(pattern)}`, {
    token: pattern,
    change: "Give NetworkAccess to the hosts that it needs",
  });
}

function packagesReason(hosts: readonly string[]): DecisionReason {
  const from = hosts.length === 0 ? "" : ` from ${hosts.join(", ")}`;
  return reason(
    "packages_uncovered",
    `Packages are installed${from}, which no NetworkAccess covers`,
    {
      change: "Give NetworkAccess to the hosts of the packages, or run without dependencies",
      ...(hosts.length > 0
        ? { capability: { type: "NetworkAccess" as const, hosts: [...hosts] } }
        : {}),
    },
  );
}
