/** A bundle of a workspace. One that was deleted keeps its row, so that its id answers so. */
export interface BundlesTable {
  id: string;
  workspace_id: string;
  kind: string;
  name: string;
  /** The digest of its canonical manifest. */
  content_hash: string;
  size_bytes: number;
  file_count: number;
  description: string | null;
  created_at: string;
  created_by: string;
  deleted_at: string | null;
}

/** What was unpacked in a workspace, and when for the last time. */
export interface BundleContentsTable {
  workspace_id: string;
  content_hash: string;
  kept_at: string;
}

/** The manifest of a content and its files. They are kept from being swept as long as somebody refers to the content. */
export interface BundleBlobsTable {
  workspace_id: string;
  content_hash: string;
  sha256: string;
}

/** A content that a run was given. `transient` is 1 when it came with the submission: it goes with the end of the run. */
export interface RunBundlesTable {
  run_id: string;
  content_hash: string;
  workspace_id: string;
  transient: number;
}
