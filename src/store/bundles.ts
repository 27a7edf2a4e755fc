import type { Kysely } from "kysely";
import { limits } from "../base/limits.ts";
import type { BundleKind } from "../contract/bundle.ts";
import { Problem } from "../contract/problem.ts";
import { isHeld, refuseLost } from "./bundles-hold.ts";
import type { BundleContent, BundleRow, BundleRows, NewBundleRow } from "./bundles-rows.ts";
import type { BundlesTable } from "./bundles-schema.ts";
import type { Parts } from "./journal.ts";
import type { Schema } from "./schema.ts";
import type { Tx } from "./writer.ts";

/** The rows of bundles. Their bytes are another room's; they are there before a content is made known. */
export function openBundleRows({ writer, reads, clock }: Parts): BundleRows {
  const now = () => new Date(clock.now()).toISOString();
  return {
    keep: (workspaceId, contentHash, blobs) =>
      writer.write((tx) => keep(tx, { workspaceId, contentHash, blobs: [...blobs] }, now())),
    async isHeld(workspaceId, contentHash) {
      const row = await reads
        .selectFrom("bundle_contents")
        .select("content_hash")
        .where("workspace_id", "=", workspaceId)
        .where("content_hash", "=", contentHash)
        .where(isHeld("bundle_contents"))
        .executeTakeFirst();
      return row !== undefined;
    },
    add: (workspaceId, bundle) => writer.write((tx) => add(tx, workspaceId, bundle, now())),
    async get(workspaceId, kind, id) {
      const row = await ofKind(reads, workspaceId, kind).where("id", "=", id).executeTakeFirst();
      return row && bundleOf(row);
    },
    async list(workspaceId, kind) {
      const rows = await live(reads, workspaceId, kind).limit(limits.workspaceBundles).execute();
      return rows.map(bundleOf);
    },
    find: (workspaceId, kind, wanted) => find(reads, workspaceId, kind, wanted),
    delete: (workspaceId, kind, id) =>
      writer.write(async (tx) => {
        const row = await tx
          .updateTable("bundles")
          .set((eb) => ({ deleted_at: eb.fn.coalesce("deleted_at", eb.val(now())) }))
          .where("workspace_id", "=", workspaceId)
          .where("kind", "=", kind)
          .where("id", "=", id)
          .returning("id")
          .executeTakeFirst();
        return row !== undefined;
      }),
    dropUnheld: () => dropUnheld({ writer, clock }),
    held: () => heldContents(reads),
  };
}

function ofKind(db: Kysely<Schema>, workspaceId: string, kind: BundleKind) {
  return db
    .selectFrom("bundles")
    .selectAll()
    .where("workspace_id", "=", workspaceId)
    .where("kind", "=", kind);
}

/** Newest first. Ids grow with time, and unlike times they are never equal. */
function live(db: Kysely<Schema>, workspaceId: string, kind: BundleKind) {
  return ofKind(db, workspaceId, kind).where("deleted_at", "is", null).orderBy("id", "desc");
}

async function find(
  db: Kysely<Schema>,
  workspaceId: string,
  kind: BundleKind,
  { name, contentHash }: { name: string; contentHash: string },
): Promise<BundleRow | undefined> {
  const row = await live(db, workspaceId, kind)
    .where("name", "=", name)
    .where("content_hash", "=", contentHash)
    .limit(1)
    .executeTakeFirst();
  return row && bundleOf(row);
}

/** A statement has a limit of parameters. */
const rowsAtOnce = 50;

async function keep(tx: Tx, content: BundleContent, time: string): Promise<void> {
  const own = { workspace_id: content.workspaceId, content_hash: content.contentHash };
  const known = await tx
    .updateTable("bundle_contents")
    .set({ kept_at: time })
    .where("workspace_id", "=", own.workspace_id)
    .where("content_hash", "=", own.content_hash)
    .returning("content_hash")
    .executeTakeFirst();
  if (known !== undefined) return;
  await tx
    .insertInto("bundle_contents")
    .values({ ...own, kept_at: time })
    .execute();
  for (let at = 0; at < content.blobs.length; at += rowsAtOnce) {
    const part = content.blobs.slice(at, at + rowsAtOnce);
    await tx
      .insertInto("bundle_blobs")
      .values(part.map((sha256) => ({ ...own, sha256 })))
      .execute();
  }
}

async function add(
  tx: Tx,
  workspaceId: string,
  bundle: NewBundleRow,
  time: string,
): Promise<{ created: boolean; bundle: BundleRow }> {
  const { id, kind, name, contentHash } = bundle;
  const known = await find(tx, workspaceId, kind, { name, contentHash });
  if (known !== undefined) return { created: false, bundle: known };
  await refuseLost(tx, workspaceId, { contentHash, name, time });
  await refuseTooMany(tx, workspaceId, bundle.sizeBytes);
  const row: BundlesTable = {
    ...{ id, workspace_id: workspaceId, kind, name, content_hash: contentHash },
    ...{ size_bytes: bundle.sizeBytes, file_count: bundle.fileCount },
    ...{ description: bundle.description, created_at: time, created_by: bundle.createdBy },
    deleted_at: null,
  };
  await tx.insertInto("bundles").values(row).execute();
  return { created: true, bundle: bundleOf(row) };
}

async function refuseTooMany(tx: Tx, workspaceId: string, sizeBytes: number): Promise<void> {
  const { count, bytes } = await tx
    .selectFrom("bundles")
    .select(({ fn, val }) => [
      fn.countAll<number>().as("count"),
      fn.coalesce(fn.sum<number>("size_bytes"), val(0)).as("bytes"),
    ])
    .where("workspace_id", "=", workspaceId)
    .where("deleted_at", "is", null)
    .executeTakeFirstOrThrow();
  const refuse = (most: string) => {
    const message = `Cannot keep more than ${most} in a workspace: delete one that nobody needs`;
    throw new Problem("invalid_request", message, { count, bytes });
  };
  if (count >= limits.workspaceBundles) {
    refuse(`${limits.workspaceBundles} skills, instructions and files`);
  }
  if (bytes + sizeBytes > limits.workspaceBundleBytes) {
    refuse(`${limits.workspaceBundleBytes} bytes of skills, instructions and files`);
  }
}

/** Contents that one transaction forgets. Each may have a thousand rows. */
const droppedAtOnce = 50;

async function dropUnheld({ writer, clock }: Pick<Parts, "writer" | "clock">): Promise<number> {
  const before = new Date(clock.now() - limits.bundleKeptMs).toISOString();
  for (let dropped = 0; ; ) {
    const rows = await writer.write((tx) =>
      tx
        .deleteFrom("bundle_contents")
        .where(({ eb, refTuple, selectFrom }) =>
          eb(
            refTuple("workspace_id", "content_hash"),
            "in",
            selectFrom("bundle_contents")
              .select(["workspace_id", "content_hash"])
              .where("kept_at", "<", before)
              .where(({ not }) => not(isHeld("bundle_contents")))
              .limit(droppedAtOnce)
              .$asTuple("workspace_id", "content_hash"),
          ),
        )
        .returning("content_hash")
        .execute(),
    );
    dropped += rows.length;
    if (rows.length < droppedAtOnce) return dropped;
  }
}

const pageRows = 100;

async function* heldContents(db: Kysely<Schema>): AsyncIterable<BundleContent> {
  for (let after = { workspace_id: "", content_hash: "" }; ; ) {
    const rows = await db
      .selectFrom("bundle_contents")
      .select(["workspace_id", "content_hash"])
      .where(({ eb, refTuple, tuple }) =>
        eb(
          refTuple("workspace_id", "content_hash"),
          ">",
          tuple(after.workspace_id, after.content_hash),
        ),
      )
      .where(isHeld("bundle_contents"))
      .orderBy("workspace_id")
      .orderBy("content_hash")
      .limit(pageRows)
      .execute();
    for (const row of rows) {
      const blobs = await db
        .selectFrom("bundle_blobs")
        .select("sha256")
        .where("workspace_id", "=", row.workspace_id)
        .where("content_hash", "=", row.content_hash)
        .execute();
      yield {
        ...{ workspaceId: row.workspace_id, contentHash: row.content_hash },
        blobs: blobs.map(({ sha256 }) => sha256),
      };
    }
    const last = rows.at(-1);
    if (last === undefined) return;
    after = last;
  }
}

function bundleOf(row: BundlesTable): BundleRow {
  return {
    ...{ id: row.id, kind: row.kind as BundleKind, name: row.name },
    ...{ contentHash: row.content_hash, sizeBytes: row.size_bytes, fileCount: row.file_count },
    ...{ description: row.description, createdAt: row.created_at, deletedAt: row.deleted_at },
  };
}
