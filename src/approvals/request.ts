import { limits } from "../base/limits.ts";
import type {
  ApprovalRequest,
  ApprovalScope,
  ApprovalSubject,
  Binding,
} from "../contract/approval.ts";
import type { Finding } from "../contract/finding.ts";
import { newApprovalId } from "../contract/ids.ts";
import { keysOf } from "./binding.ts";
import { fetchesCode } from "./fetches-code.ts";
import { oneLine } from "./one-line.ts";

/** A call that a person has to be asked about. */
export interface Question {
  callId: string;
  agent: ApprovalRequest["agent"];
  /** The rule of the decision that asks. */
  rule: string;
  /** What the agent says it is for. */
  intent: string | null;
  subject: ApprovalSubject;
  findings: Finding[];
  /** What the call will be able to reach if a person says so: host:port. */
  hosts: string[];
  /** What it will have in its environment, by name. */
  secrets: readonly string[];
  binding: Binding;
  /** A lock with a hash for everything that it installs is among its inputs: what is fetched is known. */
  pinned: boolean;
  /** Wall-clock milliseconds; from `Store.approvals.now`. */
  now: number;
  /** How long somebody may take to answer. Default: `limits.approvalPendingMs`. */
  pendingMs?: number;
}

/** Makes the request that the journal keeps: with an id of its own, what to beware of, and what may be chosen. */
export function makeRequest(question: Question): ApprovalRequest {
  const { subject, findings, hosts, secrets, binding, now } = question;
  const fetches = fetchesCode(subject.command, findings) && !question.pinned;
  const keys = keysOf(binding);
  const scopes = scopesFor(subject.tool, fetches, keys);
  const [defaultScope = "once"] = scopes;
  return {
    request_id: newApprovalId(),
    call_id: question.callId,
    agent: question.agent,
    tool: subject.tool,
    summary: summaryOf(subject, hosts, secrets),
    rule: question.rule,
    intent: question.intent,
    warning: warningOf(fetches, findings, hosts, secrets),
    ...{ subject, findings, hosts, binding, keys, scopes },
    default_scope: defaultScope,
    expires_at: new Date(now + (question.pendingMs ?? limits.approvalPendingMs)).toISOString(),
  };
}

/** The default first. */
function scopesFor(tool: string, fetches: boolean, keys: ApprovalRequest["keys"]): ApprovalScope[] {
  if (fetches) return ["once"];
  // A script is the agent: all that it runs is in the revision.
  if (tool === "agent_script") return ["agent_revision", "once", "run"];
  if (keys.artifact !== null) return ["artifact", "once", "run", "agent_revision"];
  return ["once", "run", "agent_revision"];
}

function summaryOf(
  { tool, command, artifact_id, entrypoint, server }: ApprovalSubject,
  hosts: string[],
  secrets: readonly string[],
): string {
  const program = entrypoint ?? command;
  const what = program === null ? tool : `${tool}: ${oneLine(program)}`;
  const where = server === undefined ? "" : ` of the MCP server ${server.name}`;
  const inside = artifact_id === null ? where : ` in ${artifact_id}`;
  const holds = secrets.length === 0 ? "" : `; holds ${named(secrets)}`;
  return `${what}${inside}; ${reach(hosts)}${holds}`;
}

function warningOf(
  fetches: boolean,
  findings: Finding[],
  hosts: string[],
  secrets: readonly string[],
): string | null {
  const warnings: string[] = [];
  if (secrets.length > 0) warnings.push(exposed(secrets));
  if (fetches) warnings.push(`It downloads and runs code from ${reachable(hosts)}`);
  const opaque = findings.filter(({ kind }) => kind === "opaque");
  if (opaque.length > 0) {
    const [first] = opaque.map(({ pattern, reason }) => `${oneLine(pattern, 80)} (${reason})`);
    const more = opaque.length > 1 ? ` and ${opaque.length - 1} more` : "";
    warnings.push(`Nobody can tell what it does before it runs: ${first}${more}`);
    if (hosts.length === 0) warnings.push("It will have no network");
  }
  if (hosts.some((host) => host.startsWith("*"))) warnings.push("It can reach any public host");
  return warnings.length === 0 ? null : warnings.join(". ");
}

/** The weaker of the two ways to use a credential, which whoever says yes has to know (J07). */
function exposed(secrets: readonly string[]): string {
  const it = secrets.length === 1 ? "it" : "them";
  return `It will hold ${named(secrets)} in its environment: its code can encode and print ${it}, which nothing can undo, while a proxy endpoint would never show ${it} to any code`;
}

function named(secrets: readonly string[]): string {
  return `the secret${secrets.length === 1 ? "" : "s"} ${secrets.join(", ")}`;
}

const hostsShown = 10;

function reach(hosts: string[]): string {
  return hosts.length === 0 ? "no network" : `can reach ${reachable(hosts)}`;
}

function reachable(hosts: string[]): string {
  if (hosts.length === 0) return "wherever it finds it, with no network";
  const shown = hosts.slice(0, hostsShown).map((host) => oneLine(host, 260));
  const more = hosts.length > hostsShown ? ` and ${hosts.length - hostsShown} hosts more` : "";
  return `${shown.join(", ")}${more}`;
}
