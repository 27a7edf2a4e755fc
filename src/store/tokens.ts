import { createHash, randomBytes } from "node:crypto";
import type { Kysely } from "kysely";
import { assert } from "../base/assert.ts";
import { newId } from "../contract/ids.ts";
import type { Token } from "../contract/token.ts";
import type { Parts } from "./journal.ts";
import type { Schema } from "./schema.ts";
import type { Tokens } from "./store.ts";
import type { Tx } from "./writer.ts";

const secretPrefix = "airlock_";
const secretBytes = 32;

/** API tokens and the workspaces they open. A secret is shown once; only its hash is kept. */
export function openTokens(parts: Parts): Tokens {
  const { writer, reads, clock } = parts;
  const now = () => new Date(clock.now()).toISOString();
  return {
    async create({ name, workspaceName, scopes }) {
      const secret = secretPrefix + randomBytes(secretBytes).toString("base64url");
      const id = newId("token", clock.now());
      const token = await writer.write(async (tx) => {
        await tx
          .insertInto("tokens")
          .values({
            id,
            workspace_id: await workspaceNamed(tx, workspaceName, now()),
            name,
            scopes: JSON.stringify(scopes),
            secret_hash: hashOf(secret),
            created_at: now(),
            revoked_at: null,
          })
          .execute();
        return tokenById(tx, id);
      });
      assert(token, `Token ${id} is there after it was made`);
      return { token, secret };
    },
    async list() {
      return (await selectTokens(reads).orderBy("tokens.id").execute()).map(tokenOf);
    },
    revoke: (tokenId) =>
      writer.write(async (tx) => {
        await tx
          .updateTable("tokens")
          .set({ revoked_at: now() })
          .where("id", "=", tokenId)
          .where("revoked_at", "is", null)
          .execute();
        return tokenById(tx, tokenId);
      }),
    async find(secret) {
      const row = await selectTokens(reads)
        .where("tokens.secret_hash", "=", hashOf(secret))
        .where("tokens.revoked_at", "is", null)
        .executeTakeFirst();
      return row && tokenOf(row);
    },
    async count() {
      const row = await reads
        .selectFrom("tokens")
        .select((eb) => eb.fn.countAll<number>().as("tokens"))
        .executeTakeFirstOrThrow();
      return row.tokens;
    },
  };
}

async function workspaceNamed(tx: Tx, name: string, time: string): Promise<string> {
  await tx
    .insertInto("workspaces")
    .values({ id: newId("workspace"), name, created_at: time })
    .onConflict((conflict) => conflict.column("name").doNothing())
    .execute();
  const row = await tx
    .selectFrom("workspaces")
    .select("id")
    .where("name", "=", name)
    .executeTakeFirstOrThrow();
  return row.id;
}

function selectTokens(db: Kysely<Schema>) {
  return db
    .selectFrom("tokens")
    .innerJoin("workspaces", "workspaces.id", "tokens.workspace_id")
    .select([
      "tokens.id",
      "tokens.name",
      "tokens.workspace_id",
      "workspaces.name as workspace_name",
      "tokens.scopes",
      "tokens.created_at",
      "tokens.revoked_at",
    ]);
}

async function tokenById(db: Kysely<Schema>, id: string): Promise<Token | undefined> {
  const row = await selectTokens(db).where("tokens.id", "=", id).executeTakeFirst();
  return row && tokenOf(row);
}

interface TokenRow {
  id: string;
  name: string;
  workspace_id: string;
  workspace_name: string;
  scopes: string;
  created_at: string;
  revoked_at: string | null;
}

function tokenOf(row: TokenRow): Token {
  return {
    id: row.id,
    name: row.name,
    workspaceId: row.workspace_id,
    workspaceName: row.workspace_name,
    scopes: JSON.parse(row.scopes),
    createdAt: row.created_at,
    revokedAt: row.revoked_at,
  };
}

/** A fast hash is right here: a secret of 256 random bits cannot be guessed, whatever a guess costs. */
function hashOf(secret: string): string {
  return createHash("sha256").update(secret).digest("hex");
}
