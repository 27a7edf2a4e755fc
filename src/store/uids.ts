import { assert } from "../base/assert.ts";
import { Problem } from "../contract/problem.ts";
import type { Tx } from "./writer.ts";

/**
 * Gives a run the smallest host uid that no other run has, or the one it has already. The first number of the range is
 * the group that all runs share, so uids start after it. A uid is only given again after `freeUid`: files of the run
 * that had it may still be there. Throws `sandbox_unavailable` when all are taken.
 */
export async function takeUid(
  tx: Tx,
  runId: string,
  range: { first: number; last: number },
): Promise<number> {
  const run = await tx.selectFrom("runs").select("id").where("id", "=", runId).executeTakeFirst();
  assert(run, `Run ${runId} asks for a uid but is not there`);
  const uid = await takeFreeUid(tx, runId, range);
  if (uid !== undefined) return uid;
  throw new Problem(
    "sandbox_unavailable",
    `Every uid of the range ${range.first}-${range.last} has a run whose directories are not ` +
      "removed yet: set AIRLOCK_UID_RANGE to a larger range",
  );
}

/** The same for a run that is there; undefined when all are taken. */
export async function takeFreeUid(
  tx: Tx,
  runId: string,
  range: { first: number; last: number },
): Promise<number | undefined> {
  const own = await uidOf(tx, runId);
  if (own !== undefined) return own;
  const uid = await smallestFree(tx, range);
  if (uid === undefined) return undefined;
  await tx.insertInto("uids").values({ uid, run_id: runId }).execute();
  return uid;
}

/** The uid that a run has; undefined: none. */
export async function uidOf(tx: Tx, runId: string): Promise<number | undefined> {
  const row = await tx
    .selectFrom("uids")
    .select("uid")
    .where("run_id", "=", runId)
    .executeTakeFirst();
  return row?.uid;
}

export async function freeUid(tx: Tx, runId: string): Promise<void> {
  await tx.deleteFrom("uids").where("run_id", "=", runId).execute();
}

async function smallestFree(
  tx: Tx,
  range: { first: number; last: number },
): Promise<number | undefined> {
  const taken = await tx
    .selectFrom("uids")
    .select("uid")
    .where("uid", ">", range.first)
    .where("uid", "<=", range.last)
    .orderBy("uid")
    .execute();
  let uid = range.first + 1;
  for (const row of taken) {
    if (row.uid !== uid) break;
    uid++;
  }
  return uid <= range.last ? uid : undefined;
}
