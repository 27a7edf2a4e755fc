import { limits } from "../base/limits.ts";
import { Problem } from "../contract/problem.ts";

/** What a caller wants of a list. */
export interface PageWanted {
  limit: number;
  /** `nextCursor` of the page before. */
  cursor?: string | undefined;
}

export interface Page<Row> {
  rows: Row[];
  /** Absent on the last page. */
  nextCursor?: string;
}

/** Where a row stands in a list that is newest first, and by id among those of one time. */
interface Listed {
  id: string;
  createdAt: string;
}

/**
 * One page of a list, bounded in rows and in bytes (I9). The cursor names a place and not a row, so that a row which is
 * gone by the next page does not end the list. Throws `invalid_request` for a cursor that no page gave.
 */
export function pageOf<Row extends Listed>(rows: readonly Row[], wanted: PageWanted): Page<Row> {
  const after = wanted.cursor === undefined ? undefined : readCursor(wanted.cursor);
  const left = after === undefined ? rows : rows.filter((row) => comesAfter(row, after));
  const page: Row[] = [];
  let bytes = 0;
  for (const row of left.slice(0, wanted.limit)) {
    bytes += JSON.stringify(row).length;
    if (bytes > limits.pageBytes && page.length > 0) break;
    page.push(row);
  }
  const last = page.at(-1);
  if (last === undefined || page.length === left.length) return { rows: page };
  return { rows: page, nextCursor: cursorAfter(last) };
}

function comesAfter(row: Listed, place: Listed): boolean {
  if (row.createdAt !== place.createdAt) return row.createdAt < place.createdAt;
  return row.id > place.id;
}

const version = "1";

/** Opaque to callers, so that it may change. */
function cursorAfter({ createdAt, id }: Listed): string {
  return Buffer.from(`${version} ${createdAt} ${id}`).toString("base64url");
}

function readCursor(cursor: string): Listed {
  const [given, createdAt = "", id = ""] = Buffer.from(cursor, "base64url").toString().split(" ");
  const place = { createdAt, id };
  if (given === version && /^\w{1,64}$/.test(id) && cursorAfter(place) === cursor) return place;
  const received = JSON.stringify(cursor.slice(0, 64));
  const message = "expected the nextCursor of an earlier page";
  throw new Problem("invalid_request", `Cannot use cursor ${received}: ${message}`, {
    fields: [{ path: "cursor", message, received }],
  });
}
