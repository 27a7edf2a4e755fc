import type { Kysely } from "kysely";
import type { RunEvent } from "../contract/event.ts";
import { isEnd } from "../contract/run.ts";
import {
  type Answering,
  answerOne,
  answersAtOnce,
  coverSome,
  expireSome,
  settleOne,
  type Wrote,
} from "./approvals-answer.ts";
import { findRefusal, findStanding, findUnsettled } from "./approvals-cover.ts";
import { findLastApproved, listApprovals, previewScopes } from "./approvals-list.ts";
import { findApproval } from "./approvals-row.ts";
import { appendTo, type Parts } from "./journal.ts";
import type { Schema } from "./schema.ts";
import type { ApprovalRows, Resumed } from "./store.ts";

type Asked = Pick<ApprovalRows, "answer" | "expire" | "settle" | "revoke">;

/** The rows of approvals. `announce` tells followers of a journal of what this part appended to it. */
export function openApprovalRows(
  parts: Parts,
  announce: (events: RunEvent[]) => void,
): ApprovalRows {
  const { reads, statements } = parts;
  const now = parts.approvalNow;
  const time = () => new Date(now()).toISOString();
  return {
    ...openAnswers(parts, announce, time),
    now,
    get: (workspaceId, id) => findApproval(reads, statements, workspaceId, id),
    list: (workspaceId, filter) => listApprovals(reads, statements, workspaceId, filter),
    nextExpiry: () => nextExpiry(reads),
    async standing(workspaceId, rootRunId, keys) {
      const asked = { workspaceId, rootRunId, keys, time: time() };
      const found = await findStanding(reads, asked);
      return found && { id: found.id, scope: found.scope };
    },
    async refusal(workspaceId, keys) {
      const found = await findRefusal(reads, { workspaceId, keys, time: time() });
      return found && { id: found.id, until: found.until, note: found.note };
    },
    askedSince: (rootRunId, since) => askedSince(reads, rootRunId, since),
    previews: (workspaceId, approval) => previewScopes(reads, workspaceId, approval),
    lastApproved: (workspaceId, approval) => findLastApproved(reads, workspaceId, approval),
  };
}

/** All that is written from outside the run that asked. */
function openAnswers(
  { writer, reads, statements, log }: Parts,
  announce: (events: RunEvent[]) => void,
  time: () => string,
): Asked {
  function write<T extends Wrote | undefined>(work: (at: Answering) => Promise<T>): Promise<T> {
    return writer.write(
      (tx) => work({ tx, statements, time: time() }),
      (wrote) => {
        for (const event of wrote?.events ?? []) announce([event]);
      },
    );
  }

  /** Repeats a step until it finds less than it could have done, and says which runs go on. */
  async function repeat(step: (at: Answering) => Promise<Wrote>): Promise<Resumed[]> {
    const resumed: Resumed[] = [];
    for (;;) {
      const more = await unlessLater(resumed, () => write(step));
      if (more === undefined) return resumed;
      resumed.push(...more.resumed);
      if (more.resumed.length < answersAtOnce) return resumed;
    }
  }

  /** A step that fails after others did not: whom those let go on must be told, and the rest is found again. */
  async function unlessLater<T>(done: Resumed[], step: () => Promise<T>): Promise<T | undefined> {
    try {
      return await step();
    } catch (error) {
      if (done.length === 0) throw error;
      log.error({ err: error, resumed: done.length }, "store.answers_cut_short");
      return undefined;
    }
  }

  async function settleAll(): Promise<Resumed[]> {
    const resumed: Resumed[] = [];
    for (const id of await findUnsettled(reads, time())) {
      const more = await unlessLater(resumed, () => repeat((at) => coverSome(at, id)));
      if (more === undefined) return resumed;
      resumed.push(...more);
    }
    return resumed;
  }

  return {
    async answer(workspaceId, id, answer) {
      const wrote = await write((at) => answerOne(at, workspaceId, id, answer));
      if (wrote?.answered.type !== "answered") return wrote?.answered;
      try {
        const others = await repeat((at) => coverSome(at, id));
        wrote.answered.resumed.push(...others);
      } catch (error) {
        // The answer is on disk and stays given; who else it covers is found again by `settle`.
        log.error({ err: error, approval: id }, "store.cover_failed");
      }
      return wrote.answered;
    },
    async expire() {
      await writer.write((tx) => lapse(tx, time()));
      return repeat(expireSome);
    },
    async settle(id) {
      if (id === undefined) return settleAll();
      return (await write((at) => settleOne(at, id))).resumed;
    },
    async revoke(workspaceId, id, revocation) {
      const wrote = await write((at) => revokeOne(at, workspaceId, id, revocation));
      if (wrote === undefined) return undefined;
      if (!wrote.revoked) return null;
      return findApproval(reads, statements, workspaceId, id);
    },
  };
}

/** Writes down that scopes ran out, so that no clock that is set back, and no restart, brings them back. */
async function lapse(tx: Kysely<Schema>, time: string): Promise<void> {
  await tx
    .updateTable("approvals")
    .set({ lapsed: 1 })
    .where("status", "=", "approved")
    .where("lapsed", "=", 0)
    .where("scope_expires_at", "<=", time)
    .execute();
}

async function nextExpiry(db: Kysely<Schema>): Promise<number | undefined> {
  const request = await db
    .selectFrom("approvals")
    .select((eb) => eb.fn.min<string | null>("expires_at").as("time"))
    .where("status", "=", "pending")
    .executeTakeFirst();
  const scope = await db
    .selectFrom("approvals")
    .select((eb) => eb.fn.min<string | null>("scope_expires_at").as("time"))
    .where("status", "=", "approved")
    .where("lapsed", "=", 0)
    .executeTakeFirst();
  const times = [request?.time, scope?.time].filter((time) => typeof time === "string");
  return times.length === 0 ? undefined : Math.min(...times.map((time) => Date.parse(time)));
}

async function askedSince(db: Kysely<Schema>, rootRunId: string, since: string): Promise<number> {
  const { asked } = await db
    .selectFrom("approvals")
    .select((eb) => eb.fn.countAll<number>().as("asked"))
    .where("root_run_id", "=", rootRunId)
    .where("requested_at", ">=", since)
    .executeTakeFirstOrThrow();
  return asked;
}

async function revokeOne(
  at: Answering,
  workspaceId: string,
  id: string,
  { revokedBy, reason }: { revokedBy: string; reason: string | null },
): Promise<(Wrote & { revoked: boolean }) | undefined> {
  const { tx, statements, time } = at;
  const row = await statements.approvalRow.first(tx, { id });
  if (row?.workspace_id !== workspaceId) return undefined;
  const run = await statements.runRow.first(tx, { runId: row.run_id });
  const isOver = run === undefined || isEnd(run.status);
  const nothingLeft = row.revoked_at !== null || (row.scope === "once" && isOver);
  if (row.status !== "approved" || nothingLeft) return { resumed: [], events: [], revoked: false };
  if (run === undefined) {
    // Its run was deleted, with its journal: the row is all that is left to say it.
    await statements.updateApproval.all(tx, { ...row, revoked_at: time });
    return { resumed: [], events: [], revoked: true };
  }
  const data = { request_id: id, revoked_by: revokedBy, reason };
  const events = await appendTo(tx, statements, run, [{ type: "approval.revoked", data }], time);
  return { resumed: [], events, revoked: true };
}
