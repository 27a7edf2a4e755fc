import { limits } from "../base/limits.ts";
import { Problem } from "../contract/problem.ts";
import type { SecretInfo } from "../contract/secret.ts";
import type { Parts } from "./journal.ts";
import type { WorkspaceSecretsTable } from "./schema.ts";
import type { WorkspaceSecrets } from "./sealed.ts";
import type { Tx } from "./writer.ts";

type Row = Omit<WorkspaceSecretsTable, "sealed">;
interface NewValue {
  name: string;
  sealed: Uint8Array;
  setBy: string;
}

/** The secrets of workspaces as they are sealed: nothing here can open one. */
export function openWorkspaceSecrets({ writer, reads, clock }: Parts): WorkspaceSecrets {
  const now = () => new Date(clock.now()).toISOString();
  return {
    set: (workspaceId, secret) => writer.write((tx) => setValue(tx, workspaceId, secret, now())),
    async list(workspaceId) {
      return infosOf(await rowsOf(reads, workspaceId));
    },
    async get(workspaceId, name) {
      return infosOf(await rowsOf(reads, workspaceId, name))[0];
    },
    delete: (workspaceId, name) =>
      writer.write((tx) => replacePresent(tx, workspaceId, name, now())),
    async versions(workspaceId) {
      const rows = await reads
        .selectFrom("workspace_secrets")
        .select(["name", "version", "sealed", "replaced_at as replacedAt"])
        .where("workspace_id", "=", workspaceId)
        .orderBy("name")
        .orderBy("version")
        .execute();
      return rows;
    },
    lapse: (before) =>
      writer.write(async (tx) => {
        const gone = await tx
          .deleteFrom("workspace_secrets")
          .where("replaced_at", "<", before)
          .returning("version")
          .execute();
        return gone.length;
      }),
  };
}

/** `created`: there was none of this name. Throws `invalid_request` when the workspace has too many. */
async function setValue(
  tx: Tx,
  workspaceId: string,
  { name, sealed, setBy }: NewValue,
  time: string,
): Promise<{ created: boolean; secret: SecretInfo }> {
  const present = await tx
    .selectFrom("workspace_secrets")
    .select("named_at")
    .where("workspace_id", "=", workspaceId)
    .where("name", "=", name)
    .where("replaced_at", "is", null)
    .executeTakeFirst();
  await refuseTooMany(tx, workspaceId, sealed, present === undefined);
  await replacePresent(tx, workspaceId, name, time);
  const before = await tx
    .selectFrom("workspace_secrets")
    .select(({ fn }) => [
      fn.max<number | null>("version").as("version"),
      fn.max<string | null>("replaced_at").as("replacedAt"),
    ])
    .where("workspace_id", "=", workspaceId)
    .where("name", "=", name)
    .executeTakeFirst();
  const row = {
    ...{ workspace_id: workspaceId, name, named_at: present?.named_at ?? time },
    // Counted on from a value that is only cut out any more: a version is never two values.
    version: (before?.version ?? 0) + 1,
    ...{ created_at: time, set_by: setBy, replaced_at: null },
  };
  await tx
    .insertInto("workspace_secrets")
    .values({ ...row, sealed })
    .execute();
  return { created: present === undefined, secret: infoOf(row, before?.replacedAt ?? null) };
}

async function refuseTooMany(
  tx: Tx,
  workspaceId: string,
  sealed: Uint8Array,
  isNew: boolean,
): Promise<void> {
  const { values, names, bytes } = await tx
    .selectFrom("workspace_secrets")
    .select(({ fn, eb }) => [
      fn.countAll<number>().as("values"),
      fn.count<number>("name").filterWhere("replaced_at", "is", null).as("names"),
      fn.coalesce(fn.sum<number>(eb.fn("octet_length", ["sealed"])), eb.lit(0)).as("bytes"),
    ])
    .where("workspace_id", "=", workspaceId)
    .executeTakeFirstOrThrow();
  const { workspaceSecrets, workspaceSecretValues, workspaceSecretBytes } = limits;
  if (isNew && names >= workspaceSecrets) {
    throw new Problem(
      "invalid_request",
      `Cannot keep more than ${workspaceSecrets} secrets in a workspace: delete one that nothing needs`,
    );
  }
  const days = limits.secretMaskedMs / (24 * 60 * 60_000);
  const soon = `what was replaced is forgotten ${days} days later`;
  if (values >= workspaceSecretValues) {
    throw new Problem(
      "invalid_request",
      `Cannot keep more than ${workspaceSecretValues} values of secrets, replaced ones included: ${soon}`,
    );
  }
  if (bytes + sealed.length > workspaceSecretBytes) {
    throw new Problem(
      "invalid_request",
      `Cannot keep more than ${workspaceSecretBytes} bytes of secrets, replaced ones included: ${soon}`,
    );
  }
}

async function replacePresent(
  tx: Tx,
  workspaceId: string,
  name: string,
  time: string,
): Promise<boolean> {
  const replaced = await tx
    .updateTable("workspace_secrets")
    .set({ replaced_at: time })
    .where("workspace_id", "=", workspaceId)
    .where("name", "=", name)
    .where("replaced_at", "is", null)
    .returning("version")
    .execute();
  return replaced.length > 0;
}

function rowsOf(db: Tx, workspaceId: string, name?: string): Promise<Row[]> {
  let query = db
    .selectFrom("workspace_secrets")
    .select(["workspace_id", "name", "version", "named_at", "created_at", "set_by", "replaced_at"])
    .where("workspace_id", "=", workspaceId)
    .orderBy("name")
    .orderBy("version");
  if (name !== undefined) query = query.where("name", "=", name);
  return query.execute();
}

/** One for every name that has a present value. `rows` in order of name and version. */
function infosOf(rows: readonly Row[]): SecretInfo[] {
  const infos: SecretInfo[] = [];
  const replaced = new Map<string, string>();
  for (const row of rows) {
    if (row.replaced_at !== null) {
      replaced.set(row.name, row.replaced_at);
      continue;
    }
    infos.push(infoOf(row, replaced.get(row.name) ?? null));
  }
  return infos;
}

/** `replacedAt`: when the newest of the values before was replaced. */
function infoOf(row: Row, replacedAt: string | null): SecretInfo {
  const until = (since: string) => new Date(Date.parse(since) + limits.secretMaskedMs);
  return {
    name: row.name,
    version: row.version,
    createdAt: row.named_at,
    updatedAt: row.created_at,
    updatedBy: row.set_by,
    maskedUntil: replacedAt === null ? null : until(replacedAt).toISOString(),
  };
}
