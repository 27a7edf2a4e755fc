import type { BundleKind } from "../contract/bundle.ts";

/** A bundle of a workspace as it is written down. */
export interface BundleRow {
  id: string;
  kind: BundleKind;
  name: string;
  contentHash: string;
  sizeBytes: number;
  fileCount: number;
  description: string | null;
  createdAt: string;
  deletedAt: string | null;
}

export type NewBundleRow = Omit<BundleRow, "createdAt" | "deletedAt"> & { createdBy: string };

/** A content of a workspace, with the blobs that are kept for it: its manifest and its files. */
export interface BundleContent {
  workspaceId: string;
  contentHash: string;
  blobs: string[];
}

/** The bundles of workspaces, and what keeps their bytes. */
export interface BundleRows {
  /**
   * Makes a content known, whose blobs are there: its manifest and its files. They stay for `limits.bundleKeptMs`, and as
   * long as a record that is not deleted or a run refers to the content.
   */
  keep(workspaceId: string, contentHash: string, blobs: readonly string[]): Promise<void>;
  /** Whether a record that is not deleted or a run still refers to the content. */
  isHeld(workspaceId: string, contentHash: string): Promise<boolean>;
  /**
   * Writes a record of a content that was kept just now; `created: false` gives the one of the same name and content that
   * is there. Throws `invalid_request` when the workspace has too many, or too much.
   */
  add(workspaceId: string, bundle: NewBundleRow): Promise<{ created: boolean; bundle: BundleRow }>;
  /** Also one that was deleted. */
  get(workspaceId: string, kind: BundleKind, id: string): Promise<BundleRow | undefined>;
  /** Newest first, without deleted ones; at most `limits.workspaceBundles`. */
  list(workspaceId: string, kind: BundleKind): Promise<BundleRow[]>;
  /** The newest that is not deleted. */
  find(
    workspaceId: string,
    kind: BundleKind,
    wanted: { name: string; contentHash: string },
  ): Promise<BundleRow | undefined>;
  /** False: there is none. One that was deleted before keeps its time. */
  delete(workspaceId: string, kind: BundleKind, id: string): Promise<boolean>;
  /** Forgets contents that nobody refers to and nobody unpacked of late; their number. */
  dropUnheld(): Promise<number>;
  /** Every content that somebody refers to, of all workspaces. */
  held(): AsyncIterable<BundleContent>;
}
