import { askedTooOften, keysOf, makeRequest, refusedBefore } from "../approvals/approvals.ts";
import { limits } from "../base/limits.ts";
import type { ApprovalRequest } from "../contract/approval.ts";
import {
  failure,
  isPinnedBuild,
  type Tool,
  type ToolOutcome,
  type WantedCode,
} from "../tools/tools.ts";
import { agentRevision } from "./agent-revision.ts";
import { type Bound, bind } from "./bind-call.ts";
import type { Drive } from "./drive.ts";
import type { CallState } from "./state.ts";
import { toolContext } from "./tool-context.ts";
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
  const { workspaceId, runId } = drive;
  const { approvals } = drive.store;
  const hosts = reachable(weighed);
  const context = await toolContext(drive, call.request.call_id, []);
  const { command } = weighed.wanted as WantedCode;
  const pinned = command !== null && (await isPinnedBuild(command, context));
  const bound = await bind(drive, call.request.call_id, tool, args, weighed, hosts);
  if (bound === undefined) return tooMuch;
  const keys = keysOf(bound.binding);
  const standing = await approvals.standing(workspaceId, runId, keys);
  if (standing) return { type: "covered", approvalId: standing.id, hosts };
  const refusal = await approvals.refusal(workspaceId, keys);
  if (refusal) {
    const rule = `A person refused this very call (${refusal.id}), which is remembered until ${refusal.until}`;
    return { type: "refused", rule, result: refusedBefore(refusal) };
  }
  const since = new Date(approvals.now() - hourMs).toISOString();
  const times = await approvals.askedSince(runId, since);
  if (times >= limits.approvalsPerHour) {
    const rule = `The run has asked ${times} times within an hour`;
    return { type: "refused", rule, result: askedTooOften(times, limits.approvalsPerHour) };
  }
  return {
    type: "ask",
    request: requestFor(drive, call, tool, args, { ...weighed, bound, pinned }),
  };
}

/** What the call would reach once it is approved: what its capabilities give, and what was found. */
export function reachable({ decision, wanted }: Weighed): string[] {
  if ((wanted as WantedCode).network === "none") return [];
  return [...new Set([...decision.hosts, ...decision.askedHosts])];
}

const tooMuch: AskResult = {
  type: "refused",
  rule: `The run's directories hold more than ${limits.boundTreeEntries} entries, which no approval can be bound to`,
  result: failure(
    "resource",
    `The run's directories hold more than ${limits.boundTreeEntries} entries: a person could not be told what would run`,
    'Keep what is installed as layers (capture_paths), or give the call network: "none"',
    { error: "approval_impossible" },
  ),
};

function requestFor(
  drive: Drive,
  call: CallState,
  tool: Tool,
  args: unknown,
  weighed: Weighed & { bound: Bound; pinned: boolean },
): ApprovalRequest {
  const { snapshot } = drive.ledger.state;
  const wanted = weighed.wanted as WantedCode;
  const { decision, analysed, artifact, pinned } = weighed;
  const { binding, files } = weighed.bound;
  return makeRequest({
    callId: call.request.call_id,
    agent: {
      id: snapshot.agent ? (snapshot.agent.id ?? null) : "built-in",
      revision: agentRevision(snapshot),
    },
    rule: decision.rule,
    intent: (args as { intent?: string }).intent ?? null,
    subject: {
      tool: tool.name,
      command: wanted.command,
      artifact_id: artifact?.id ?? null,
      artifact_digest: artifact?.digest ?? null,
      entrypoint: wanted.entrypoint,
      arguments: args as Record<string, unknown>,
      files,
    },
    findings: analysed.findings,
    hosts: decision.askedHosts,
    binding,
    pinned,
    now: drive.store.approvals.now(),
  });
}
