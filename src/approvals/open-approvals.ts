import type { Clock } from "../base/clock.ts";
import { limits } from "../base/limits.ts";
import type { Log } from "../base/log.ts";
import { type ExpiryWatch, watchExpiry } from "../base/watch-expiry.ts";
import type {
  Approval,
  ApprovalDetail,
  ApprovalScope,
  ApproveRequest,
} from "../contract/approval.ts";
import { Problem } from "../contract/problem.ts";
import type { Answered, AnswerToWrite, ApprovalRows, Resumed } from "../store/store.ts";
import type { Approvals } from "./approvals.ts";
import { approvalRequired } from "./results.ts";
import { type ReadContent, sinceApproved } from "./since-approved.ts";
import { withHeads, withWholeRequest } from "./whole-request.ts";

export interface ApprovalsOptions {
  rows: ApprovalRows;
  /** Content by digest, for diffs. */
  readContent: ReadContent;
  clock: Pick<Clock, "sleep">;
  log: Log;
  /** Runs whose call was answered, or ran out of time: they can go on. */
  onResumed: (runs: Resumed[]) => void;
  /** What runs by it has to lose its network now. */
  onRevoked: (approval: Approval) => void;
}

export interface OpenApprovals extends Approvals {
  /** Gives answers that a crash kept from their runs, lets run out what is due, and watches from then on. */
  start(): Promise<void>;
  /**
   * To be called after every append of `approval.requested`: the request may have been answered in that very moment, or
   * run out sooner than anything else.
   */
  onRequested(id: string): void;
  close(): Promise<void>;
}

/** Opens the room. Nothing is written and nothing watched before `start`. */
export function openApprovals(options: ApprovalsOptions): OpenApprovals {
  const { rows, log } = options;
  let watch: ExpiryWatch | undefined;
  const settling = new Set<Promise<void>>();

  function resume(resumed: Resumed[]): void {
    if (resumed.length > 0) options.onResumed(resumed);
  }

  async function answer(workspaceId: string, id: string, given: AnswerToWrite): Promise<Approval> {
    const answered: Answered | undefined = await rows.answer(workspaceId, id, given);
    if (answered === undefined) throw notFound(id);
    resume(answered.resumed);
    watch?.wake();
    if (answered.type === "already") throw alreadyAnswered(answered.approval);
    return withHeads(answered.approval);
  }

  async function settle(id: string): Promise<void> {
    try {
      resume(await rows.settle(id));
    } catch (error) {
      // It stays a question, which somebody can answer; the next start looks again.
      log.error({ err: error, approval: id }, "approvals.settle_failed");
    }
  }

  return {
    async list(workspaceId, filter) {
      const page = await rows.list(workspaceId, filter);
      return { ...page, approvals: page.approvals.map(withHeads) };
    },

    async get(workspaceId, id) {
      return detailOf(options, workspaceId, await pick(rows, workspaceId, id));
    },

    async approve(workspaceId, id, given) {
      const approval = await pick(rows, workspaceId, id);
      if (approval.status !== "pending") throw alreadyAnswered(approval);
      const scope = chosenScope(approval, given.scope);
      const scopeExpiresAt = reachesUntil(scope, given, rows.now());
      return answer(workspaceId, id, {
        ...{ status: "approved", scope, scopeExpiresAt, answeredBy: given.answeredBy },
        ...{ note: given.note ?? null, rememberedUntil: null },
      });
    },

    deny: (workspaceId, id, given) =>
      answer(workspaceId, id, {
        ...{ status: "denied", scope: null, scopeExpiresAt: null, answeredBy: given.answeredBy },
        note: given.reason ?? null,
        rememberedUntil: iso(rows.now() + limits.approvalRefusalMs),
      }),

    async revoke(workspaceId, id, { revokedBy, reason = null }) {
      const revoked = await rows.revoke(workspaceId, id, { revokedBy, reason });
      if (revoked === undefined) throw notFound(id);
      if (revoked === null) throw nothingToRevoke(await pick(rows, workspaceId, id));
      options.onRevoked(revoked);
      return withHeads(revoked);
    },

    async start() {
      resume(await rows.expire());
      resume(await rows.settle());
      watch = watchExpiry({ ...options, onExpired: resume });
    },

    onRequested(id) {
      watch?.wake();
      const work = settle(id).finally(() => settling.delete(work));
      settling.add(work);
    },

    async close() {
      await watch?.close();
      await Promise.all(settling);
    },
  };
}

async function detailOf(
  { rows, readContent }: Pick<ApprovalsOptions, "rows" | "readContent">,
  workspaceId: string,
  kept: Approval,
): Promise<ApprovalDetail> {
  const approval = await withWholeRequest(kept, readContent);
  const previews = await rows.previews(workspaceId, kept);
  const last = await rows.lastApproved(workspaceId, kept);
  const detail = { ...approval, previews, toolResult: approvalRequired(approval.request) };
  if (last === undefined) return { ...detail, sinceApproved: null };
  const before = await withWholeRequest(last, readContent);
  const since = await sinceApproved(before, approval, readContent);
  return { ...detail, sinceApproved: since };
}

async function pick(rows: ApprovalRows, workspaceId: string, id: string): Promise<Approval> {
  const approval = await rows.get(workspaceId, id);
  if (approval === undefined) throw notFound(id);
  return approval;
}

function chosenScope({ request }: Approval, scope: ApprovalScope | undefined): ApprovalScope {
  const chosen = scope ?? request.default_scope;
  if (request.scopes.includes(chosen)) return chosen;
  const message = `expected one of ${request.scopes.join(", ")}`;
  throw invalid("scope", chosen, message);
}

/** Until when an approval reaches: null is without end, or as long as what it is for. */
function reachesUntil(
  scope: ApprovalScope,
  { expiresAt }: ApproveRequest,
  now: number,
): string | null {
  if (expiresAt === undefined) {
    const isBounded = scope === "once" || scope === "run";
    return isBounded ? null : iso(now + limits.approvalScopeMs);
  }
  const until = Date.parse(expiresAt);
  const latest = now + limits.approvalScopeMaxMs;
  if (until > now && until <= latest) return iso(until);
  throw invalid(
    "expiresAt",
    expiresAt,
    `expected a time after ${iso(now)} and before ${iso(latest)}`,
  );
}

function iso(time: number): string {
  return new Date(time).toISOString();
}

function invalid(path: string, value: string, message: string): Problem {
  const received = JSON.stringify(value.slice(0, 64));
  return new Problem("invalid_request", `Cannot use ${path} ${received}: ${message}`, {
    problems: [{ path, message, received }],
  });
}

function notFound(id: string): Problem {
  return new Problem("not_found", `There is no approval ${JSON.stringify(id.slice(0, 64))}`);
}

function alreadyAnswered(approval: Approval): Problem {
  const { id, status, answeredAt } = approval;
  const when = answeredAt === null ? "" : ` since ${answeredAt}`;
  return new Problem("approval_answered", `Approval ${id} is ${status}${when}`, {
    approval: withHeads(approval),
  });
}

function nothingToRevoke(approval: Approval): Problem {
  const { id, status, revokedAt, request } = approval;
  const what =
    revokedAt !== null
      ? `was taken back already, at ${revokedAt}`
      : status === "approved"
        ? `was for one call of ${request.tool}, whose run is over`
        : `is ${status}, and only what is approved can be taken back`;
  return new Problem("approval_answered", `Approval ${id} ${what}`, {
    approval: withHeads(approval),
  });
}
