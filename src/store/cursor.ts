import { ApprovalId, InteractionId, RunId } from "../contract/ids.ts";
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

/** A place in a list that is ordered by when something was asked, and then by id. */
export interface AskedPlace {
  /** When it was asked. */
  time: string;
  id: string;
}

/** Where a list of approvals goes on. */
export const cursorAfterApproval = cursorAfterAsked;

/** The approval that a page ended with. Throws `invalid_request` for anything that `cursorAfterApproval` did not make. */
export function readApprovalCursor(cursor: string): AskedPlace {
  return readAsked(cursor, (id) => ApprovalId.safeParse(id).success);
}

/** Where a list of questions to people goes on. */
export const cursorAfterInteraction = cursorAfterAsked;

/** The question that a page ended with. Throws `invalid_request` for anything that `cursorAfterInteraction` did not make. */
export function readInteractionCursor(cursor: string): AskedPlace {
  return readAsked(cursor, (id) => InteractionId.safeParse(id).success);
}

function cursorAfterAsked({ time, id }: AskedPlace): string {
  return Buffer.from(`${version}${time} ${id}`).toString("base64url");
}

function readAsked(cursor: string, isId: (id: string) => boolean): AskedPlace {
  const text = Buffer.from(cursor, "base64url").toString();
  const [time = "", id = ""] = text.slice(version.length).split(" ");
  const place = { time, id };
  if (!isId(id) || !isTime(time) || cursorAfterAsked(place) !== cursor) throw unusable(cursor);
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
