import type { ApprovalRequest, BindingPart } from "../contract/approval.ts";

/**
 * What a model reads of approvals. Every result says what happened, whether anything ran, and what to do next: an agent
 * that is told `expired` must not take it for a refusal, and one that was refused must not ask again.
 */
export type ApprovalResult = { ok: boolean } & Record<string, unknown>;

/** The call waits for a person. */
export function approvalRequired(request: ApprovalRequest): ApprovalResult {
  const { request_id, hosts, intent, tool, rule, summary, subject, agent } = request;
  const detected_patterns = [...new Set(request.findings.map(({ pattern }) => pattern))];
  const remote = { remote_access_detected: request.findings.length > 0, detected_patterns, hosts };
  return {
    ...{ ok: false, exit_code: null, stdout: "", stderr: "" },
    ...{ approval_required: true, request_id, approval_ref: request_id },
    ...remote,
    ...{ intent, suspended: true },
    message:
      "A person is asked whether this call may run. Nothing was run. When it is approved, the gateway runs exactly this call by itself and hands you its result",
    approval: {
      ...{ kind: tool, reason: rule, summary, retry_field: "approval_ref" },
      ...{ requested_by_agent_id: agent.id, expires_at: request.expires_at },
      subject: { ...subject, ...remote },
    },
  };
}

/** A person said no to this very request. */
export function approvalRejected(requestId: string, note: string | null): ApprovalResult {
  return {
    ...{ ok: false, approval_rejected: true, request_id: requestId, error_type: "permission" },
    message: `A person said no to this call${because(note)}. Nothing was run`,
    repair_hint:
      "Do not ask for the same again: find a way without it, or end and say what you could not do",
  };
}

/** The time was over before anybody answered. */
export function approvalExpired(requestId: string): ApprovalResult {
  return {
    ...{ ok: false, approval_expired: true, request_id: requestId, error_type: "permission" },
    message:
      "No one answered in time whether this call may run. It was not refused, and nothing was run",
    repair_hint: "Call again without approval_ref to ask anew, if it is still needed",
  };
}

/** The approval was taken back, or its time was over, before the call was started. */
export function approvalRevoked(requestId: string): ApprovalResult {
  return {
    ...{ ok: false, approval_revoked: true, request_id: requestId, error_type: "permission" },
    message: "The approval of this call is not in force any more. Nothing was run",
    repair_hint: "Call again without approval_ref to ask anew, if it is still needed",
  };
}

const partNames: Record<BindingPart, string> = {
  agent: "the agent's revision",
  run_tree: "the run tree",
  tool: "the tool",
  arguments: "the arguments",
  staged: "the files of the run's content",
  workspace: "the files in /workspace",
  tmp: "the files in /tmp",
  artifact: "the artifact",
  entrypoint: "the entrypoint",
  layers: "the layers",
  environment: "the environment",
  secrets: "the secrets",
  hosts: "the hosts",
  server: "the server or its tool",
};

/** What would run now is not what was approved (P3). `what` names single things, such as files, where they are known. */
export function approvalMismatch(
  requestId: string,
  changed: readonly BindingPart[],
  what: readonly string[] = [],
): ApprovalResult {
  const names = changed.map((part) => partNames[part]).join(", ");
  const things = what.length === 0 ? "" : ` (${what.join(", ")})`;
  return {
    ...{ ok: false, error_type: "permission", error: "approval_mismatch" },
    ...{ approval_mismatch: true, request_id: requestId, changed: [...changed] },
    ...(what.length === 0 ? {} : { changed_names: [...what] }),
    message: `What would run is not what was approved: since then ${names}${things} changed. Nothing was run`,
    repair_hint: "Call again without approval_ref to ask for what is there now",
  };
}

/** There is no such approval for this caller; another tenant's, another run's and an invented one look the same. */
export function approvalNotFound(requestId: string): ApprovalResult {
  return {
    ...{ ok: false, error_type: "permission", error: "approval_not_found", request_id: requestId },
    message: `This run has no approval ${JSON.stringify(requestId.slice(0, 64))}. Nothing was run`,
    repair_hint: "Use the exact request_id of an earlier result, or leave approval_ref out",
  };
}

/** A refusal of the same call is still remembered: nobody was asked again. */
export function refusedBefore(refusal: {
  id: string;
  until: string;
  note: string | null;
}): ApprovalResult {
  return {
    ...{ ok: false, approval_rejected: true, request_id: refusal.id, error_type: "permission" },
    remembered_until: refusal.until,
    message: `A person has already said no to this very call${because(refusal.note)}, and is not asked again before ${refusal.until}. Nothing was run`,
    repair_hint:
      "Do not ask for the same again: find a way without it, or end and say what you could not do",
  };
}

/** The run tree has asked as often as it may (G13). */
export function askedTooOften(asked: number, perHour: number): ApprovalResult {
  return {
    ...{ ok: false, error_type: "resource", error: "approval_rate_limited", asked },
    message: `People were asked ${asked} times by this run within an hour, and ${perHour} is the limit. Nobody was asked, and nothing was run`,
    repair_hint:
      "Ask for fewer, larger steps: one script instead of many commands, or an artifact that is approved once",
  };
}

/** The result that the call had when it ran, for an agent that calls again with its `approval_ref`. */
export function replayed(result: unknown): ApprovalResult {
  const recorded = typeof result === "object" && result !== null ? result : { result };
  return { ok: true, ...recorded, replayed: true };
}

function because(note: string | null): string {
  return note === null || note.trim() === "" ? "" : `: ${JSON.stringify(note)}`;
}
