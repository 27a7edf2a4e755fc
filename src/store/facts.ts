/** A fact that an agent keeps. */
export interface Fact {
  id: string;
  scope: string;
  owner: string;
  content: unknown;
  contentHash: string;
  tags: string[];
  visibility: string;
  /** The run that wrote it last; it may have been deleted. */
  runId: string;
  createdAt: string;
  updatedAt: string;
}

export interface FactQuery {
  scope: string;
  /** Part of its id or its content, in capitals or not; empty: everything. */
  query: string;
  /** All of them. */
  tags: readonly string[];
  limit: number;
}

/** What agents keep beyond their runs; it is written by `sdk.called`. */
export interface Knowledge {
  /** Undefined: there is none that the reader may read. */
  recall(workspaceId: string, reader: string, id: string): Promise<Fact | undefined>;
  /** The newest first. */
  search(workspaceId: string, reader: string, query: FactQuery): Promise<Fact[]>;
  value(
    workspaceId: string,
    owner: string,
    kind: "memory" | "checkpoint",
    key: string,
  ): Promise<{ value: unknown } | undefined>;
  keys(
    workspaceId: string,
    owner: string,
    kind: "memory" | "checkpoint",
    prefix: string,
  ): Promise<string[]>;
}
