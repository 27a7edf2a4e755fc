import { randomUUID } from "node:crypto";
import { chmodSync, existsSync, renameSync, rmSync, statSync } from "node:fs";
import { join } from "node:path";
import { Kysely } from "kysely";
import type { Broken } from "./broken.ts";
import { createPrivateFile, sweepUnfinished, syncDir } from "./data-dir.ts";
import { DatabaseRefused, migrate } from "./migrate.ts";
import type { Schema } from "./schema.ts";
import { openSqliteFile, type SqliteFile } from "./sqlite-driver.ts";
import { isBusy, sqliteFault } from "./sqlite-errors.ts";

/** The database of a data directory: one connection that writes, one that reads what was committed. */
export interface Database {
  path: string;
  writes: Kysely<Schema>;
  reads: Kysely<Schema>;
  checkpointWhenDue(): void;
  /** A further connection for a long look, so that nobody else waits for it. */
  openReader(): { db: Kysely<Schema>; close(): void };
  /** Lets tests fill the disk. */
  limitPages(pages: number): void;
  close(): void;
}

const lockWaitMs = 20;
const unfinished = ".unfinished";
/** A larger file takes longer than a start should; `verify` checks it whole. */
const quickCheckBytesMax = 128 * 1024 * 1024;

/**
 * Opens `<dir>/airlock.db`, making it when there has never been one. A damaged file, a file from the future and an
 * orphaned log are refused with `DatabaseRefused`: nothing that may hold runs is ever replaced. Call it under the lock.
 */
export async function openDatabase(dir: string, broken: Broken): Promise<Database> {
  const path = join(dir, "airlock.db");
  sweepUnfinished(dir, unfinished);
  if (!existsSync(path)) await create(dir, path);
  else if (statSync(path).size === 0) throw damaged(path, "it is empty");
  // A copy or a backup may have come back readable for everybody; the log takes its mode from this file.
  chmodSync(path, 0o600);
  const opened: SqliteFile[] = [];
  let ready = false;
  // Until it is open a damaged file is the caller's to hear about, not the end of a gateway that has not begun.
  const onBroken = (error: unknown) => {
    if (ready) broken.mark(error);
  };
  const open = (mode: "read" | "write") => {
    const file = openSqliteFile({ path, mode, onBroken });
    opened.push(file);
    return file;
  };
  const close = () => {
    // The last one that closes moves the log into the database, and syncs both: a reader cannot. On a disk that broke
    // its promise the reader is last, because what the kernel dropped at a failed fsync the next would call safe.
    for (const file of broken.isBroken() ? opened : opened.toReversed()) file.close();
  };
  try {
    const writer = open("write");
    if (statSync(path).size <= quickCheckBytesMax) refuseDefects(path, writer.quickCheck());
    const writes = new Kysely<Schema>({ dialect: writer.dialect });
    await migrate(writes, path);
    const reads = new Kysely<Schema>({ dialect: open("read").dialect });
    // From here on the queue of writes waits, and lets everybody else work meanwhile.
    writer.limitLockWait(lockWaitMs);
    ready = true;
    return {
      path,
      writes,
      reads,
      checkpointWhenDue: () => writer.checkpointWhenDue(),
      openReader() {
        const file = openSqliteFile({ path, mode: "read", onBroken });
        return { db: new Kysely<Schema>({ dialect: file.dialect }), close: () => file.close() };
      },
      limitPages: (pages) => writer.limitPages(pages),
      close,
    };
  } catch (error) {
    close();
    if (isBusy(error)) throw locked(path, error);
    if (sqliteFault(error) !== "broken") throw error;
    throw damaged(path, error instanceof Error ? error.message : String(error), error);
  }
}

/** A database appears complete or not at all, so an empty file is always damage and never a start that died. */
async function create(dir: string, path: string): Promise<void> {
  if (existsSync(`${path}-wal`)) {
    throw new DatabaseRefused(
      `"${path}" is missing but its log "${path}-wal" is there: restore both from one backup`,
    );
  }
  const temp = `${path}.${randomUUID()}${unfinished}`;
  createPrivateFile(temp);
  const file = openSqliteFile({ path: temp, mode: "build" });
  try {
    await migrate(new Kysely<Schema>({ dialect: file.dialect }), path);
  } catch (error) {
    file.close();
    rmSync(temp, { force: true });
    throw error;
  }
  file.close();
  renameSync(temp, path);
  syncDir(dir);
}

function refuseDefects(path: string, defects: string[]): void {
  if (defects.length > 0) throw damaged(path, defects.slice(0, 3).join("; "));
}

function locked(path: string, cause: unknown): DatabaseRefused {
  return new DatabaseRefused(
    `The database "${path}" is locked by a program that is not Airlock: end it, then start again`,
    { cause },
  );
}

function damaged(path: string, what: string, cause?: unknown): DatabaseRefused {
  return new DatabaseRefused(
    `The database "${path}" is damaged (${what}): restore it from a backup, or move it away to start empty`,
    { cause },
  );
}
