/**
 * Bundles: skills, instructions (`AGENTS.md`) and files that are uploaded once and given to any number of runs. A bundle is
 * named by its canonical manifest, which is a blob like its files; a run pins what it was given by that name, so deleting a
 * record takes nothing away from it.
 *
 * I8  A bundle is what its `contentHash` says: computed anew from what arrived, and checked when it is mounted.
 * I14 Records are of one workspace; "not yours" and "not there" look the same.
 */
import type { Readable } from "node:stream";
import type {
  AgentsMdRecord,
  BundleEntry,
  BundleFile,
  BundleKind,
  FileRecord,
  SkillRecord,
} from "../contract/bundle.ts";
import type {
  AgentsMdRef,
  FileRef,
  PinnedBundle,
  PinnedSkill,
  SkillRef,
} from "../contract/bundle-ref.ts";

/** The record of each kind, as the API shows it. */
export interface RecordOf {
  skill: SkillRecord;
  agents_md: AgentsMdRecord;
  file: FileRecord;
}

/** What came as a part of a request, already stored as a blob. */
export interface Upload {
  sha256: string;
  bytes: number;
}

/** The zip in which a bundle came, or the one text that it is. */
export type BundleSource = { zip: Upload } | { text: string };

export type NewBundle = BundleSource & {
  name: string;
  /** What the client says that it is; another one is refused with `hash_mismatch`. */
  contentHash?: string | undefined;
  createdBy: string;
};

/** The bundles of a submission. */
export interface BundleRefs {
  skills: readonly SkillRef[];
  agentsMd: readonly AgentsMdRef[];
  files: readonly FileRef[];
  /** Where each of `files` is in the list of the submission, in which there are inputs as well. */
  filesAt?: readonly number[];
}

export interface Pinned {
  skills?: PinnedSkill[];
  agentsMd?: PinnedBundle[];
  fileBundles?: PinnedBundle[];
}

export interface Bundles {
  /**
   * Unpacks, checks and keeps a bundle. The same name with the same content gives the record that is there
   * (`created: false`). Errors: `bundle_invalid` that names the file and the rule, `hash_mismatch`, `payload_too_large`.
   */
  add<K extends BundleKind>(
    workspaceId: string,
    kind: K,
    bundle: NewBundle,
  ): Promise<{ created: boolean; record: RecordOf[K] }>;
  /** Newest first, without deleted ones. */
  list<K extends BundleKind>(workspaceId: string, kind: K): Promise<RecordOf[K][]>;
  /** `not_found`; `skill_deleted` and its like for one that was deleted. */
  get<K extends BundleKind>(
    workspaceId: string,
    kind: K,
    id: string,
  ): Promise<{ record: RecordOf[K]; files: BundleFile[] }>;
  /** The newest one that is not deleted, or null. */
  find<K extends BundleKind>(
    workspaceId: string,
    kind: K,
    wanted: { name: string; contentHash: string },
  ): Promise<RecordOf[K] | null>;
  /** Marks it deleted; again, nothing changes. Runs that pinned it keep it. */
  delete(workspaceId: string, kind: BundleKind, id: string): Promise<void>;
  /** Its files as one zip. */
  open(
    workspaceId: string,
    kind: BundleKind,
    id: string,
  ): Promise<{ filename: string; stream: Readable }>;
  /**
   * What a submission names, by content: records are looked up, parts unpacked, inline text kept. Names are unique among the
   * skills of a submission, and so are the places where they are mounted. Errors name the field: `skills[0].id`.
   */
  pin(workspaceId: string, refs: BundleRefs, uploads: ReadonlyMap<string, Upload>): Promise<Pinned>;
  /** The files of a bundle by its `contentHash`, sorted by path. `digest_mismatch` when it is not what its name says. */
  entries(contentHash: string): Promise<BundleEntry[]>;
}

export { type BundlesOptions, contentFault, openBundles } from "./open-bundles.ts";
export {
  type BundleTrees,
  type BundleTreesOptions,
  type OpenedBundle,
  openBundleTrees,
} from "./trees.ts";
