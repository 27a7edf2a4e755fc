import {
  askedTooOften,
  keysOf,
  makeRequest,
  type Question,
  refusedBefore,
} from "../approvals/approvals.ts";
import { limits } from "../base/limits.ts";
import type { ApprovalRequest } from "../contract/approval.ts";
import {
  failure,
  isPinnedBuild,
  secretNotFound,
  type Tool,
  type ToolOutcome,
  type WantedCode,
} from "../tools/tools.ts";
import { agentRevision } from "./agent-revision.ts";
import { type Bound, bind } from "./bind-call.ts";
import { secretNamesOf } from "./code-need.ts";
import type { Drive } from "./drive.ts";
import type { CallState } from "./state.ts";
import { askableSecrets, toolContext } from "./tool-context.ts";
import type { Weighed } from "./weigh.ts";

/** What becomes of a call that the policy does not allow by itself. */
export type AskResult =
  /** An approval that is in force covers it: it runs, and reaches these hosts. */
  | { type: "covered"; approvalId: string; hosts: string[] }
  /** A person has to be asked. */
  | { type: "ask"; request: ApprovalRequest }
  /** Nobody is asked. */
  | { type: "refused"; rule: string; result: ToolOutcome["result"] };

const hourMs = 60 * 60_000;

/**
 * Binds the call to all that would run, and looks whether somebody has answered already: an approval whose scope covers
 * it, or a refusal that is still remembered. Otherwise a person is asked, unless this run tree has asked too often.
 */
export async function ask(
  drive: Drive,
  call: CallState,
  tool: Tool,
  args: unknown,
  weighed: Weighed,
): Promise<AskResult> {
  const { workspaceId, rootRunId } = drive;
  const { approvals } = drive.store;
  const missing = await missingSecrets(drive, weighed);
  if (missing !== undefined) return missing;
  const hosts = reachable(weighed);
  const pinned = await isPinned(drive, call, weighed);
  const bound = await bind(drive, call.request.call_id, tool, args, weighed, hosts);
  if (bound === undefined) return tooMuch(weighed);
  const keys = keysOf(bound.binding);
  const standing = await approvals.standing(workspaceId, rootRunId, keys);
  if (standing) return { type: "covered", approvalId: standing.id, hosts };
  const refusal = await approvals.refusal(workspaceId, keys);
  if (refusal) {
    const rule = `A person refused this very call (${refusal.id}), which is remembered until ${refusal.until}`;
    return { type: "refused", rule, result: refusedBefore(refusal) };
  }
  const since = new Date(approvals.now() - hourMs).toISOString();
  const times = await approvals.askedSince(rootRunId, since);
  if (times >= limits.approvalsPerHour) {
    const rule = `The run tree has asked ${times} times within an hour`;
    return { type: "refused", rule, result: askedTooOften(times, limits.approvalsPerHour) };
  }
  return {
    type: "ask",
    request: requestFor(drive, call, tool, args, { ...weighed, bound, pinned }),
  };
}

async function isPinned(drive: Drive, call: CallState, { wanted }: Weighed): Promise<boolean> {
  if (wanted?.type !== "CodeExecution" || wanted.command === null) return false;
  return isPinnedBuild(wanted.command, await toolContext(drive, call.request.call_id, []));
}

/** Nobody is asked about a secret that is not there. */
async function missingSecrets(drive: Drive, { wanted }: Weighed): Promise<AskResult | undefined> {
  const names = wanted?.type === "CodeExecution" ? secretNamesOf(wanted.secrets) : [];
  if (names.length === 0) return undefined;
  const known = await askableSecrets(drive);
  const missing = names.filter((name) => !known.includes(name));
  if (missing.length === 0) return undefined;
  const result = secretNotFound(missing, known);
  return { type: "refused", rule: String(result.message), result };
}

/** What the call would reach once it is approved: what its capabilities give, and what was found. */
export function reachable({ decision, wanted }: Weighed): string[] {
  if ((wanted as WantedCode).network === "none") return [];
  return [...new Set([...decision.hosts, ...decision.askedHosts])];
}

function tooMuch({ wanted }: Weighed): AskResult {
  const most = `The run's directories hold more than ${limits.boundTreeEntries} entries`;
  const isSecret = secretNamesOf((wanted as WantedCode).secrets).length > 0;
  const instead = isSecret
    ? "do without credential_env, or run it in an artifact"
    : 'give the call network: "none"';
  return {
    type: "refused",
    rule: `${most}, which no approval can be bound to`,
    result: failure(
      "resource",
      `${most}: a person could not be told what would run`,
      `Keep what is installed as layers (capture_paths), or ${instead}`,
      { error: "approval_impossible" },
    ),
  };
}

function requestFor(
  drive: Drive,
  call: CallState,
  tool: Tool,
  args: unknown,
  weighed: Weighed & { bound: Bound; pinned: boolean },
): ApprovalRequest {
  const { snapshot } = drive.ledger.state;
  const { decision, analysed, pinned } = weighed;
  const { binding } = weighed.bound;
  const now = drive.store.approvals.now();
  return makeRequest({
    ...pendingOf(drive, now),
    callId: call.request.call_id,
    agent: {
      id: snapshot.agent ? (snapshot.agent.id ?? null) : "built-in",
      revision: agentRevision(snapshot),
    },
    rule: decision.rule,
    ...questionOf(tool, args as Record<string, unknown>, weighed),
    findings: analysed.findings,
    hosts: decision.askedHosts,
    binding,
    pinned,
    now,
  });
}

/** Nobody is asked for longer than the tree has: a call that is approved later than that is not made. */
function pendingOf({ budget }: Drive, now: number): { pendingMs?: number } {
  const until = budget?.until ?? null;
  if (until === null) return {};
  const left = Math.max(0, Date.parse(until) - now);
  return { pendingMs: Math.min(left, limits.approvalPendingMs) };
}

/** What would run. A remote tool has no intent of its own: an argument of that name is the server's. */
function questionOf(
  tool: Tool,
  args: Record<string, unknown>,
  { wanted, artifact, bound }: Weighed & { bound: Bound },
): Pick<Question, "intent" | "subject" | "secrets"> {
  const { files } = bound;
  const plain = { tool: tool.name, arguments: args, files };
  if (tool.remote) {
    const { server: name, url, tool: called, description } = tool.remote;
    const none = { command: null, artifact_id: null, artifact_digest: null, entrypoint: null };
    const server = { name, url, tool: called, description };
    return { intent: null, subject: { ...plain, ...none, server }, secrets: [] };
  }
  const { command, entrypoint, secrets } = wanted as WantedCode;
  return {
    intent: (args as { intent?: string }).intent ?? null,
    subject: {
      ...{ ...plain, command, entrypoint },
      artifact_id: artifact?.id ?? null,
      artifact_digest: artifact?.digest ?? null,
    },
    secrets: secretNamesOf(secrets),
  };
}
