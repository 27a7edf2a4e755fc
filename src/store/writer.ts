import type { ControlledTransaction, Kysely } from "kysely";
import type { Clock } from "../base/clock.ts";
import type { Log } from "../base/log.ts";
import { Problem } from "../contract/problem.ts";
import type { Broken } from "./broken.ts";
import type { Schema } from "./schema.ts";
import { isBusy, sqliteFault } from "./sqlite-errors.ts";

export type Tx = Kysely<Schema>;

/**
 * One queue for every write. What was asked for in one tick becomes one transaction, so that many runs share one fsync;
 * each write has a savepoint of its own, so that none of them can spoil another.
 */
export interface Writer {
  /**
   * Runs `work` in a transaction and resolves after its commit is on disk. `work` awaits nothing but SQL through the
   * transaction it is given: the others wait for it. It may be run a second time, on a fresh transaction, so it keeps
   * what it finds out in its result. `committed` is called with the result right after the commit.
   *
   * Rejects with what `work` threw; with `storage_full` when the disk is full, and nothing of it was written.
   */
  write<T>(work: (tx: Tx) => Promise<T>, committed?: (result: T) => void): Promise<T>;
  /** Waits for what was asked for, then refuses everything. */
  close(): Promise<void>;
}

export interface WriterOptions {
  db: Kysely<Schema>;
  broken: Broken;
  log: Log;
  /** Moves the log into the database when it is long; called after a batch, when nobody waits for it. */
  checkpoint: () => void;
  clock: Pick<Clock, "sleep">;
  /** Writes that may wait. More are refused with `too_many_requests`. */
  queueMax?: number;
}

const queueMaxDefault = 10_000;
/** Bounds the time that one transaction holds the event loop: some milliseconds. */
const batchMax = 128;
/** How often, and how long after each other, a batch asks for a lock that another program holds: half a minute. */
const lockAsksMax = 300;
const lockPauseMs = 100;

interface Pending {
  work: (tx: Tx) => Promise<unknown>;
  commit: (result: unknown) => void;
  reject: (error: unknown) => void;
}

type Settled = { type: "done"; result: unknown } | { type: "failed"; error: unknown };

/** The transaction as a whole is gone, with every write in it. */
class BatchLost extends Error {
  override name = "BatchLost";
}

/** Opens the queue on a connection that nobody else writes through. */
export function openWriter(options: WriterOptions): Writer {
  const { db, broken, log } = options;
  const queueMax = options.queueMax ?? queueMaxDefault;
  const queue: Pending[] = [];
  let closed = false;
  let flushing: Promise<void> | undefined;

  function schedule(): void {
    if (flushing || queue.length === 0) return;
    // The end of the tick: whoever was woken by the last commit has asked for its next write by then.
    flushing = new Promise<void>((resolve) => setImmediate(resolve)).then(async () => {
      await runBatch(queue.splice(0, batchMax));
      flushing = undefined;
      schedule();
    });
  }

  async function runBatch(batch: Pending[], asked = 1): Promise<void> {
    try {
      broken.check();
      const settled = await transact(db, batch);
      settle(batch, settled, log);
      runCheckpoint();
    } catch (error) {
      const cause = error instanceof BatchLost ? error.cause : error;
      const fault = sqliteFault(cause);
      if (fault === "broken") broken.mark(cause);
      if (isBusy(cause) && asked < lockAsksMax) {
        await options.clock.sleep(lockPauseMs);
        return runBatch(batch, asked + 1);
      }
      // One large write must not take the small ones with it: each tries again alone.
      if (fault === "full" && batch.length > 1) {
        for (const pending of batch) await runBatch([pending]);
        return;
      }
      for (const pending of batch) pending.reject(refusal(cause));
    }
  }

  function runCheckpoint(): void {
    try {
      options.checkpoint();
    } catch (error) {
      // A checkpoint that finds the disk full, or the lock taken, has lost nothing: the log still has every page.
      if (sqliteFault(error) === "full" || isBusy(error)) {
        log.warn({ err: error }, "store.checkpoint_put_off");
      } else broken.mark(error);
    }
  }

  return {
    write<T>(work: (tx: Tx) => Promise<T>, committed?: (result: T) => void): Promise<T> {
      return new Promise<T>((resolve, reject) => {
        broken.check();
        if (closed) throw new Problem("shutting_down", "The store is closed");
        if (queue.length >= queueMax) {
          throw new Problem("too_many_requests", `More than ${queueMax} writes wait for the disk`);
        }
        const commit = (result: unknown) => {
          try {
            // What comes out of the queue is what this very `work` returned.
            committed?.(result as T);
          } finally {
            resolve(result as T);
          }
        };
        queue.push({ work, commit, reject });
        schedule();
      });
    },
    async close() {
      closed = true;
      while (flushing) await flushing;
    },
  };
}

/** Runs all writes in one transaction. Throws when none of them is on disk afterwards. */
async function transact(db: Kysely<Schema>, batch: Pending[]): Promise<Settled[]> {
  const tx = await db.startTransaction().execute();
  try {
    const settled: Settled[] = [];
    const [only] = batch;
    // A write alone needs no savepoint: the transaction is its own.
    if (only && batch.length === 1) settled.push({ type: "done", result: await only.work(tx) });
    else for (const pending of batch) settled.push(await runOne(tx, pending));
    await tx.commit().execute();
    return settled;
  } catch (error) {
    await tx.rollback().execute();
    throw error;
  }
}

const savepoint = "w";

async function runOne(tx: ControlledTransaction<Schema>, pending: Pending): Promise<Settled> {
  const inner = await tx.savepoint(savepoint).execute();
  try {
    const result = await pending.work(inner);
    await inner.releaseSavepoint(savepoint).execute();
    return { type: "done", result };
  } catch (error) {
    if (sqliteFault(error) === "broken") throw new BatchLost("Broken disk", { cause: error });
    try {
      await inner.rollbackToSavepoint(savepoint).execute();
      await inner.releaseSavepoint(savepoint).execute();
    } catch {
      // SQLite may answer a full disk by rolling everything back; then the savepoint is gone too.
      throw new BatchLost("The transaction was rolled back", { cause: error });
    }
    return { type: "failed", error };
  }
}

function settle(batch: Pending[], settled: Settled[], log: Log): void {
  for (const [index, pending] of batch.entries()) {
    const outcome = settled[index];
    if (outcome?.type !== "done") {
      pending.reject(refusal(outcome?.error));
      continue;
    }
    try {
      pending.commit(outcome.result);
    } catch (error) {
      // It is on disk: whoever follows the journal may fail, the write itself did not.
      log.error({ err: error }, "store.committed_callback_failed");
    }
  }
}

function refusal(error: unknown): unknown {
  if (isBusy(error)) {
    const message = "The database is locked by a program that is not Airlock";
    return new Problem("too_many_requests", message, undefined, { cause: error });
  }
  if (sqliteFault(error) !== "full") return error;
  return new Problem("storage_full", "The disk of the data directory is full", undefined, {
    cause: error,
  });
}
