import { RunId } from "../contract/ids.ts";
import { Problem } from "../contract/problem.ts";

const version = "1:";

/** Where a list of runs goes on. Opaque to callers, so that it may change. */
export function cursorAfter(runId: string): string {
  return Buffer.from(version + runId).toString("base64url");
}

/** The run that a page ended with. Throws `invalid_request` for anything that `cursorAfter` did not make. */
export function readCursor(cursor: string): string {
  const text = Buffer.from(cursor, "base64url").toString();
  const runId = RunId.safeParse(text.slice(version.length));
  if (!text.startsWith(version) || !runId.success || cursorAfter(runId.data) !== cursor) {
    const received = JSON.stringify(cursor.slice(0, 64));
    const message = "expected the nextCursor of an earlier page";
    throw new Problem("invalid_request", `Cannot use cursor ${received}: ${message}`, {
      problems: [{ path: "cursor", message, received }],
    });
  }
  return runId.data;
}
