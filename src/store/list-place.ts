import { type RawBuilder, type SqlBool, sql } from "kysely";

/** A place in a list that is newest first, and by id among those of one time. */
export interface ListPlace {
  createdAt: string;
  id: string;
}

export interface ListWanted {
  limit: number;
  /** Only what comes behind it. */
  after?: ListPlace | undefined;
}

/** Rows of a list; `more` when there are others behind them. */
export interface Listed<Row> {
  rows: Row[];
  more: boolean;
}

/** For `where`: everything, or what comes behind a place. */
export function behind(after: ListPlace | undefined): RawBuilder<SqlBool> {
  if (after === undefined) return sql`1 = 1`;
  const { createdAt, id } = after;
  return sql`(created_at < ${createdAt} OR (created_at = ${createdAt} AND id > ${id}))`;
}
