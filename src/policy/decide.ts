import type { Capability } from "../contract/agent.ts";
import type { DecisionReason } from "../contract/explanation.ts";
import { decideCode } from "./code-execution.ts";
import { type Bound, boundsOf, ofType, owner } from "./grants.ts";
import { hostsCover, spelledHost } from "./hosts.ts";
import type { Decision, Need, Power } from "./need.ts";
import { reason, shown } from "./reasons.ts";
import { reachableHosts } from "./remote-access.ts";
import { decideRemote } from "./remote-tools.ts";
import { functionCovers, prefixCovers, scopeCovers } from "./scopes.ts";

type PlainNeed = Exclude<Need, { type: "CodeExecution" | "NetworkAccess" }>;

/** May this be done with this power? Every list of it must say so: the agent's own, and each grant above it (I13). */
export function decide(need: Need, power: Power): Decision {
  if (need.type === "CodeExecution") return decideCode(need, power);
  if (need.type === "NetworkAccess") return decideHost(need.host, power);
  const reasons: DecisionReason[] = [];
  let rule = need.type as string;
  for (const bound of boundsOf(power)) {
    const covered = coveredBy(need, bound.capabilities);
    if (covered === undefined) reasons.push(refusal(need, bound));
    else if (bound.kind === "agent") rule = covered === "" ? need.type : `${need.type} ${covered}`;
  }
  const [first] = reasons;
  const none = { hosts: [], askedHosts: [] };
  if (first === undefined && need.type === "SandboxFunctions" && need.remote) {
    return decideRemote(need.name, need.remote, rule, power);
  }
  if (first === undefined) return { decision: "allow", rule, reasons, ...none };
  return { decision: "deny", rule: first.message, reasons, ...none };
}

/** The rule of a list that covers the need; undefined: none does. */
function coveredBy(need: PlainNeed, capabilities: readonly Capability[]): string | undefined {
  switch (need.type) {
    case "ReadAccess":
    case "WriteAccess": {
      const { name } = need;
      const scopes = ofType(capabilities, need.type).flatMap((one) => one.scopes);
      return scopes.find((scope) => name === null || scopeCovers(scope, name));
    }
    case "SandboxFunctions":
      return ofType(capabilities, need.type)
        .flatMap(({ allowed }) => allowed)
        .find((rule) => functionCovers(rule, need.name));
    case "AgentSpawn": {
      const { agent, children } = need;
      const found = ofType(capabilities, need.type).find(
        ({ agents = ["*"], max_children }) =>
          children <= max_children && coversAgent(agents, agent),
      );
      return found === undefined ? undefined : `up to ${found.max_children}`;
    }
    case "AgentMessage":
      return ofType(capabilities, need.type)
        .flatMap(({ patterns }) => patterns)
        .find((pattern) => coversAgent([pattern], need.agent));
    case "BackgroundReevaluation": {
      const { intervalSeconds, reasoning } = need;
      const found = ofType(capabilities, need.type).find(
        ({ min_interval_secs, allow_reasoning }) =>
          intervalSeconds >= min_interval_secs && (allow_reasoning || !reasoning),
      );
      return found === undefined ? undefined : `every ${found.min_interval_secs} s`;
    }
    case "EmergencyStop":
      return ofType(capabilities, need.type).length > 0 ? "" : undefined;
    case "AgentInstall":
      return ofType(capabilities, need.type)
        .flatMap(({ agents = ["*"] }) => agents)
        .find((pattern) => coversAgent([pattern], need.agent));
    case "PromotionRecord":
      return ofType(capabilities, need.type).find(({ role }) => role === need.role)?.role;
  }
}

function coversAgent(patterns: readonly string[], agent: string | null): boolean {
  return patterns.some((pattern) => agent === null || prefixCovers(pattern, agent));
}

function refusal(need: PlainNeed, bound: Bound): DecisionReason {
  const has = bound.capabilities.some(({ type }) => type === need.type);
  if (!has) {
    const rule = bound.kind === "agent" ? "capability_missing" : "grant_missing";
    const message = `${owner(bound)} does not have the capability ${need.type}`;
    return reason(rule, message, changeOf(need));
  }
  const whose = bound.kind === "agent" ? "the agent's" : "the run tree's";
  const [rule, message] = told(need, whose);
  return reason(rule, message, changeOf(need));
}

function told(need: PlainNeed, whose: string): ["scope_missing" | "limit_exceeded", string] {
  switch (need.type) {
    case "ReadAccess":
    case "WriteAccess":
      return [
        "scope_missing",
        `No scope of ${whose} ${need.type} covers ${shown(need.name ?? "")}`,
      ];
    case "AgentSpawn":
      return [
        "limit_exceeded",
        `No entry of ${whose} AgentSpawn covers ${shown(need.agent ?? "*")} as child ${need.children}`,
      ];
    case "BackgroundReevaluation": {
      const how = need.reasoning ? "with reasoning" : "without reasoning";
      const what = `every ${need.intervalSeconds} s ${how}`;
      return ["limit_exceeded", `No entry of ${whose} BackgroundReevaluation covers ${what}`];
    }
    case "SandboxFunctions":
      return ["scope_missing", `No entry of ${whose} SandboxFunctions covers ${shown(need.name)}`];
    case "PromotionRecord":
      return [
        "scope_missing",
        `No entry of ${whose} PromotionRecord has the role ${shown(need.role)}`,
      ];
    case "AgentMessage":
    case "AgentInstall":
      return [
        "scope_missing",
        `No pattern of ${whose} ${need.type} covers ${shown(need.agent ?? "*")}`,
      ];
    case "EmergencyStop":
      return ["scope_missing", `${whose} EmergencyStop does not cover it`];
  }
}

/** The least that would allow the need. */
function changeOf(need: PlainNeed): { change: string; capability?: Capability } {
  const capability = leastCapability(need);
  return capability === undefined
    ? { change: `Give it ${need.type}` }
    : { change: `Add ${JSON.stringify(capability)}`, capability };
}

function leastCapability(need: PlainNeed): Capability | undefined {
  switch (need.type) {
    case "ReadAccess":
    case "WriteAccess":
      return need.name === null ? undefined : { type: need.type, scopes: [need.name] };
    case "SandboxFunctions":
      return { type: need.type, allowed: [need.name] };
    case "AgentSpawn": {
      const agents = need.agent === null ? {} : { agents: [need.agent] };
      return { type: need.type, max_children: Math.max(1, need.children), ...agents };
    }
    case "AgentMessage":
      return need.agent === null ? undefined : { type: need.type, patterns: [need.agent] };
    case "BackgroundReevaluation":
      return {
        type: need.type,
        min_interval_secs: Math.max(1, Math.floor(need.intervalSeconds)),
        allow_reasoning: need.reasoning,
      };
    case "EmergencyStop":
      return { type: need.type };
    case "AgentInstall":
      return { type: need.type, ...(need.agent === null ? {} : { agents: [need.agent] }) };
    case "PromotionRecord":
      return need.role === "evaluator" || need.role === "auditor"
        ? { type: need.type, role: need.role }
        : undefined;
  }
}

/** A host that the gateway itself would reach for the agent. */
function decideHost(host: string, power: Power): Decision {
  const lacking = boundsOf(power).find(
    ({ capabilities }) => ofType(capabilities, "NetworkAccess").length === 0,
  );
  const change = {
    change: `Add ${host} to NetworkAccess`,
    capability: { type: "NetworkAccess" as const, hosts: [host] },
  };
  if (lacking !== undefined) {
    const rule = lacking.kind === "agent" ? "capability_missing" : "grant_missing";
    const message = `${owner(lacking)} does not have the capability NetworkAccess`;
    const reasons = [reason(rule, message, change)];
    return { decision: "deny", rule: message, reasons, hosts: [], askedHosts: [] };
  }
  const hosts = reachableHosts(power);
  if (hostsCover(hosts, host)) {
    const rule = `NetworkAccess ${hosts.join(" ")}`;
    return { decision: "allow", rule, reasons: [], hosts, askedHosts: [] };
  }
  const message = `No NetworkAccess covers ${host}`;
  const reasons = [reason("network_uncovered", message, { token: host, ...change })];
  if (power.remoteAccess?.approval_mode === "deny") {
    return { decision: "deny", rule: message, reasons, hosts: [], askedHosts: [] };
  }
  const rule = `A person decides: ${message}`;
  return { decision: "ask", rule, reasons, hosts, askedHosts: [spelledHost(host)] };
}
