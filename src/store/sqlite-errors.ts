const primary = { busy: 5, ioError: 10, corrupt: 11, full: 13, notADatabase: 26 };

/**
 * The wal-index could not grow. It is rebuilt from the log after a crash, so nothing durable was promised on it: the
 * disk is full, not broken.
 */
const ioErrorShmSize = 4874;

/**
 * Sorts an error by what may be done next. `full`: refuse this write, go on, and try again when there is space.
 * `broken`: a failed read, write or fsync, or a file that is not what it should be. After a failed fsync the kernel may
 * have dropped the pages and a second fsync would report success, so nothing may be tried again. Undefined: not an
 * error of the disk (a constraint, a defect of ours, somebody's `Problem`).
 */
export function sqliteFault(error: unknown): "full" | "broken" | undefined {
  const code = sqliteCode(error);
  if (code === undefined) return undefined;
  if (code === ioErrorShmSize) return "full";
  switch (code & 0xff) {
    case primary.full:
      return "full";
    case primary.ioError:
    case primary.corrupt:
    case primary.notADatabase:
      return "broken";
    default:
      return undefined;
  }
}

/** Whether another connection holds the lock that was asked for. */
export function isBusy(error: unknown): boolean {
  return ((sqliteCode(error) ?? 0) & 0xff) === primary.busy;
}

/** SQLite's extended result code. Node keeps it as `errcode` on its own error class. */
function sqliteCode(error: unknown): number | undefined {
  if (!(error instanceof Error) || !("errcode" in error)) return undefined;
  return typeof error.errcode === "number" ? error.errcode : undefined;
}
