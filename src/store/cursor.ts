import { ApprovalId, RunId } from "../contract/ids.ts";
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
    throw unusable(cursor);
  }
  return runId.data;
}

export interface ApprovalPlace {
  /** When it was asked. */
  time: string;
  id: string;
}

/** Where a list of approvals goes on. */
export function cursorAfterApproval({ time, id }: ApprovalPlace): string {
  return Buffer.from(`${version}${time} ${id}`).toString("base64url");
}

/** The approval that a page ended with. Throws `invalid_request` for anything that `cursorAfterApproval` did not make. */
export function readApprovalCursor(cursor: string): ApprovalPlace {
  const text = Buffer.from(cursor, "base64url").toString();
  const [time = "", id = ""] = text.slice(version.length).split(" ");
  const place = { time, id };
  const isPlace = ApprovalId.safeParse(id).success && isTime(time);
  if (!isPlace || cursorAfterApproval(place) !== cursor) throw unusable(cursor);
  return place;
}

function isTime(text: string): boolean {
  const time = Date.parse(text);
  return !Number.isNaN(time) && new Date(time).toISOString() === text;
}

function unusable(cursor: string): Problem {
  const received = JSON.stringify(cursor.slice(0, 64));
  const message = "expected the nextCursor of an earlier page";
  return new Problem("invalid_request", `Cannot use cursor ${received}: ${message}`, {
    problems: [{ path: "cursor", message, received }],
  });
}
