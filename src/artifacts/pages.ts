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

/** What the store gives of a list, and where to go on. */
type List<Row> = (wanted: { limit: number; after?: Place | undefined }) => Promise<{
  rows: Row[];
  more: boolean;
}>;

/** Where a row stands in a list that is newest first, and by id among those of one time. */
interface Place {
  id: string;
  createdAt: string;
}

/**
 * One page of a list. The cursor names a place and not a row, so that a row which is gone by the next page does not end
 * the list. Throws `invalid_request` for a cursor that no page gave.
 */
export async function pageOf<Row extends Place>(
  list: List<Row>,
  { limit, cursor }: PageWanted,
): Promise<Page<Row>> {
  const after = cursor === undefined ? undefined : readCursor(cursor);
  const { rows, more } = await list({ limit, after });
  const last = rows.at(-1);
  return more && last !== undefined ? { rows, nextCursor: cursorAfter(last) } : { rows };
}

const version = "1";

/** Opaque to callers, so that it may change. */
function cursorAfter({ createdAt, id }: Place): string {
  return Buffer.from(`${version} ${createdAt} ${id}`).toString("base64url");
}

function readCursor(cursor: string): Place {
  const [given, createdAt = "", id = ""] = Buffer.from(cursor, "base64url").toString().split(" ");
  const place = { createdAt, id };
  if (given === version && /^\w{1,64}$/.test(id) && cursorAfter(place) === cursor) return place;
  const received = JSON.stringify(cursor.slice(0, 64));
  const message = "expected the nextCursor of an earlier page";
  throw new Problem("invalid_request", `Cannot use cursor ${received}: ${message}`, {
    fields: [{ path: "cursor", message, received }],
  });
}
