import { DatabaseSync, type StatementSync } from "node:sqlite";
import {
  type CompiledQuery,
  type DatabaseConnection,
  type Dialect,
  type Driver,
  type QueryResult,
  SqliteAdapter,
  SqliteIntrospector,
  SqliteQueryCompiler,
} from "kysely";
import { sqliteFault } from "./sqlite-errors.ts";

/**
 * The one file that speaks SQLite. Everything else of the store is written with kysely's builder, so that Postgres can
 * become a second dialect.
 */
export interface SqliteFile {
  dialect: Dialect;
  /** Moves the log into the database file when it has become long. Throws what the disk answers. */
  checkpointWhenDue(): void;
  /** The first defects that `quick_check` finds; empty when the file is sound. */
  quickCheck(): string[];
  /** How long a statement may hold up the whole process when another one has the lock. Two seconds at first. */
  limitLockWait(ms: number): void;
  /** Limits the file's size in pages, the way an ordinary user can fill a disk. */
  limitPages(pages: number): void;
  close(): void;
}

export interface SqliteFileOptions {
  path: string;
  mode: "write" | "read" | "build";
  /** Told of every error that says the disk or the file is broken, before the caller gets it. */
  onBroken?: (error: unknown) => void;
}

const statementsMax = 256;
const busyTimeoutMs = 2_000;
/** About 8 MB of log: a checkpoint takes some milliseconds, in which nothing else happens. */
const checkpointPages = 2_000;
const pageBytes = 4096;

/**
 * Opens a database file. `write`: the one writer, in WAL with a real fsync at every commit. `read`: a second connection
 * that sees committed rows only. `build`: without a log, for a file that is renamed into place when it is complete.
 * The checkpoint is left to the caller: SQLite's own, after a commit, would swallow a failed fsync.
 */
export function openSqliteFile(options: SqliteFileOptions): SqliteFile {
  const db = new DatabaseSync(options.path, {
    readOnly: options.mode === "read",
    timeout: busyTimeoutMs,
    enableForeignKeyConstraints: true,
  });
  try {
    db.exec("PRAGMA trusted_schema = OFF; PRAGMA temp_store = MEMORY");
    if (options.mode !== "read") db.exec("PRAGMA synchronous = FULL");
    if (options.mode === "write") {
      // A secret that was destroyed must not be left, sealed as it was, in pages that are free.
      db.exec("PRAGMA secure_delete = ON");
      db.exec("PRAGMA journal_mode = WAL; PRAGMA wal_autocheckpoint = 0");
    }
  } catch (error) {
    db.close();
    throw error;
  }
  const connection = openConnection(db, options.onBroken);
  return {
    dialect: dialectOf(connection, options.mode === "read" ? "begin" : "begin immediate"),
    checkpointWhenDue() {
      if (connection.pagesWritten() < checkpointPages) return;
      connection.forgetPages();
      db.exec("PRAGMA wal_checkpoint(PASSIVE)");
    },
    quickCheck: () =>
      db
        .prepare("PRAGMA quick_check(10)")
        .all()
        .map((row) => String(Object.values(row)[0]))
        .filter((line) => line !== "ok"),
    limitLockWait(ms) {
      db.exec(`PRAGMA busy_timeout = ${Math.trunc(ms)}`);
    },
    limitPages(pages) {
      db.exec(`PRAGMA max_page_count = ${Math.trunc(pages)}`);
    },
    close: () => db.close(),
  };
}

type Parameters = readonly unknown[];
type Cached = { statement: StatementSync; reads: boolean };
type SqliteValue = null | number | bigint | string | Uint8Array;

interface Connection extends DatabaseConnection {
  command(sql: string): void;
  inTransaction(): boolean;
  /** A rough count of what the statements since `forgetPages` put into the log. */
  pagesWritten(): number;
  forgetPages(): void;
}

function openConnection(db: DatabaseSync, onBroken?: (error: unknown) => void): Connection {
  const cache = new Map<string, Cached>();
  let pages = 0;

  function prepare(sql: string): Cached {
    const found = cache.get(sql);
    if (found) return found;
    const statement = db.prepare(sql);
    const made = { statement, reads: statement.columns().length > 0 };
    const oldest = cache.size >= statementsMax ? cache.keys().next().value : undefined;
    if (oldest !== undefined) cache.delete(oldest);
    cache.set(sql, made);
    return made;
  }

  function guarded<T>(work: () => T): T {
    try {
      return work();
    } catch (error) {
      if (sqliteFault(error) === "broken") onBroken?.(error);
      throw error;
    }
  }

  function query(sql: string, parameters: Parameters): QueryResult<Record<string, unknown>> {
    const { statement, reads } = prepare(sql);
    // kysely passes on what the typed builder was given, and the schema's types are these five only.
    const values = parameters as SqliteValue[];
    if (reads) return { rows: statement.all(...values) };
    const { changes } = statement.run(...values);
    pages += 2 + bytesOf(values) / pageBytes;
    return { rows: [], numAffectedRows: BigInt(changes) };
  }

  return {
    async executeQuery<R>(compiled: CompiledQuery): Promise<QueryResult<R>> {
      return guarded(() => query(compiled.sql, compiled.parameters)) as QueryResult<R>;
    },
    streamQuery() {
      throw new Error("A stream would hold a read transaction open: read in pages");
    },
    command(sql) {
      guarded(() => prepare(sql).statement.run());
    },
    inTransaction: () => db.isTransaction,
    pagesWritten: () => pages,
    forgetPages() {
      pages = 0;
    },
  };
}

function bytesOf(values: SqliteValue[]): number {
  let bytes = 0;
  for (const value of values) {
    if (typeof value === "string" || value instanceof Uint8Array) bytes += value.length;
  }
  return bytes;
}

function dialectOf(connection: Connection, begin: string): Dialect {
  const driver: Driver = {
    init: async () => {},
    acquireConnection: async () => connection,
    beginTransaction: async () => connection.command(begin),
    commitTransaction: async () => connection.command("commit"),
    rollbackTransaction: async () => {
      // A full disk can make SQLite roll back by itself; a second rollback would only hide the first error.
      if (connection.inTransaction()) connection.command("rollback");
    },
    savepoint: async (_, name) => connection.command(`savepoint "${name}"`),
    rollbackToSavepoint: async (_, name) => connection.command(`rollback to "${name}"`),
    releaseSavepoint: async (_, name) => connection.command(`release "${name}"`),
    releaseConnection: async () => {},
    destroy: async () => {},
  };
  return {
    createDriver: () => driver,
    createQueryCompiler: () => new SqliteQueryCompiler(),
    createAdapter: () => new SqliteAdapter(),
    createIntrospector: (db) => new SqliteIntrospector(db),
  };
}
