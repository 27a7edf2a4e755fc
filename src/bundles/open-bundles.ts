import type { Blobs } from "../content/content.ts";
import type { BundleFile, BundleKind } from "../contract/bundle.ts";
import { type IdKind, newId } from "../contract/ids.ts";
import { Problem, type ProblemCode } from "../contract/problem.ts";
import type { BundleContent, BundleRow, BundleRows } from "../store/store.ts";
import type { Bundles, RecordOf } from "./bundles.ts";
import { entriesOf } from "./manifest.ts";
import { pack } from "./pack.ts";
import { pin } from "./pin.ts";
import { openUnpacking } from "./unpack.ts";

export interface BundlesOptions {
  rows: BundleRows;
  blobs: Pick<Blobs, "get" | "put" | "putStream" | "read">;
}

/** What each kind is called, to whom, and what its ids begin with. */
const kinds = {
  skill: { id: "skill", called: "skill", deleted: "skill_deleted" },
  agents_md: { id: "agentsMd", called: "AGENTS.md", deleted: "agents_md_deleted" },
  file: { id: "file", called: "file", deleted: "file_deleted" },
} as const satisfies Record<BundleKind, { id: IdKind; called: string; deleted: ProblemCode }>;

/** Opens the bundles of all workspaces. Holds nothing but what is being unpacked. */
export function openBundles({ rows, blobs }: BundlesOptions): Bundles {
  const unpacking = openUnpacking({ blobs, rows });

  async function entries(contentHash: string) {
    const text = (await blobs.get(contentHash)).toString();
    return entriesOf(contentHash, text);
  }

  /** One that is there and was not deleted. */
  async function find(workspaceId: string, kind: BundleKind, id: string): Promise<BundleRow> {
    const row = await rows.get(workspaceId, kind, id);
    if (row === undefined) throw notThere(kind, id);
    if (row.deletedAt === null) return row;
    const message = `The ${kinds[kind].called} ${JSON.stringify(id)} was deleted`;
    throw new Problem(kinds[kind].deleted, message, { deletedAt: row.deletedAt });
  }

  return {
    async add(workspaceId, kind, { name, createdBy, ...source }) {
      const unpacked = await unpacking.unpack(workspaceId, { ...source, kind });
      const { contentHash, sizeBytes, fileCount, description } = unpacked;
      const { created, bundle } = await rows.add(workspaceId, {
        ...{ id: newId(kinds[kind].id), kind, name, createdBy },
        ...{ contentHash, sizeBytes, fileCount, description },
      });
      return { created, record: recordOf(kind, bundle) };
    },
    async list(workspaceId, kind) {
      return (await rows.list(workspaceId, kind)).map((row) => recordOf(kind, row));
    },
    async get(workspaceId, kind, id) {
      const row = await find(workspaceId, kind, id);
      const files = (await entries(row.contentHash)).map(({ mode, ...file }): BundleFile => {
        return { ...file, mode: mode === 0o755 ? "0755" : "0644" };
      });
      return { record: recordOf(kind, row), files };
    },
    async find(workspaceId, kind, wanted) {
      const row = await rows.find(workspaceId, kind, wanted);
      return row === undefined ? null : recordOf(kind, row);
    },
    async delete(workspaceId, kind, id) {
      if (!(await rows.delete(workspaceId, kind, id))) throw notThere(kind, id);
    },
    async open(workspaceId, kind, id) {
      const { name, contentHash } = await find(workspaceId, kind, id);
      return { filename: `${name}.zip`, stream: pack(await entries(contentHash), blobs) };
    },
    pin: (workspaceId, refs, uploads) => pin({ unpacking, find }, workspaceId, refs, uploads),
    entries,
  };
}

function notThere(kind: BundleKind, id: string): Problem {
  return new Problem("not_found", `There is no ${kinds[kind].called} ${JSON.stringify(id)}`);
}

/** A record as the API shows it: what a skill says of itself is nothing that the others have. */
function recordOf<K extends BundleKind>(kind: K, row: BundleRow): RecordOf[K];
function recordOf(kind: BundleKind, row: BundleRow): RecordOf[BundleKind] {
  const { id, name, contentHash, sizeBytes, fileCount, createdAt, description } = row;
  const record = { id, name, contentHash, sizeBytes, fileCount, createdAt };
  return kind === "skill" ? { ...record, description } : record;
}

/**
 * Why what the rows keep for a content is not what its manifest names, in words; undefined: it is, or its manifest cannot be
 * read, which whoever checks the blobs tells.
 */
export async function contentFault(
  { contentHash, blobs: kept }: BundleContent,
  blobs: Pick<Blobs, "get">,
): Promise<string | undefined> {
  if (!kept.includes(contentHash)) return `The bundle ${contentHash} does not keep its manifest`;
  const manifest = await blobs.get(contentHash).catch((error: unknown) => {
    if (error instanceof Problem) return undefined;
    throw error;
  });
  if (manifest === undefined) return undefined;
  try {
    const entries = entriesOf(contentHash, manifest.toString());
    const wanted = new Set([contentHash, ...entries.map(({ sha256 }) => sha256)]);
    const isKept = wanted.size === kept.length && kept.every((sha256) => wanted.has(sha256));
    return isKept ? undefined : `The bundle ${contentHash} keeps other blobs than it is made of`;
  } catch (error) {
    if (error instanceof Problem) return error.message;
    throw error;
  }
}
