import type { SecretInfo } from "../contract/secret.ts";

/** What is sealed with a run, by name. */
export interface SealedSecrets {
  get(runId: string): Promise<{ name: string; sealed: Uint8Array }[]>;
}

/** One value of a secret of a workspace: the present one, or one before it that is still cut out of everything. */
export interface SealedVersion {
  name: string;
  version: number;
  sealed: Uint8Array;
  /** Null: the present one. */
  replacedAt: string | null;
}

/** The secrets of workspaces, sealed. A name that was deleted keeps its last values, as replaced, until they lapse. */
export interface WorkspaceSecrets {
  /** Makes the value the present one; `created`: there was none of this name. */
  set(
    workspaceId: string,
    secret: { name: string; sealed: Uint8Array; setBy: string },
  ): Promise<{ created: boolean; secret: SecretInfo }>;
  list(workspaceId: string): Promise<SecretInfo[]>;
  get(workspaceId: string, name: string): Promise<SecretInfo | undefined>;
  /** False: there was none. */
  delete(workspaceId: string, name: string): Promise<boolean>;
  /** Every value that is spent or still cut out. */
  versions(workspaceId: string): Promise<SealedVersion[]>;
  /** Removes values that were replaced before this time (ISO 8601). */
  lapse(before: string): Promise<number>;
}

/** Every sealed value of the database, whatever it is for, to be sealed anew under another key. */
export interface SealedRows {
  /** The next rows after the last one of the batch before; empty at the end. */
  batch(after: string | null, most: number): Promise<SealedRow[]>;
  /** Each only where it is still sealed as it was: a value that was set meanwhile is newer. */
  replace(rows: readonly (SealedRow & { resealed: Uint8Array })[]): Promise<void>;
}

export interface SealedRow {
  /** Names the row; opaque. */
  key: string;
  /** What it was sealed for (`Vault.seal`). */
  context: string;
  sealed: Uint8Array;
}
