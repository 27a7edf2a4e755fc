import type { Parts } from "./journal.ts";
import type { Builds } from "./store.ts";

/** Builds that need not be done again. An entry holds its layers until it expires. */
export function openBuilds({ writer, reads, clock }: Parts): Builds {
  const now = () => new Date(clock.now()).toISOString();
  return {
    async find(workspaceId, key) {
      const row = await reads
        .selectFrom("builds")
        .selectAll()
        .where("workspace_id", "=", workspaceId)
        .where("key", "=", key)
        .executeTakeFirst();
      if (row === undefined || (row.expires_at !== null && row.expires_at <= now()))
        return undefined;
      return { layers: JSON.parse(row.layers), createdAt: row.created_at };
    },
    put: (workspaceId, { key, layers, digests, expiresAt }) =>
      writer.write(async (tx) => {
        const row = { layers: JSON.stringify(layers), created_at: now(), expires_at: expiresAt };
        await tx
          .insertInto("builds")
          .values({ workspace_id: workspaceId, key, ...row })
          .onConflict((conflict) => conflict.columns(["workspace_id", "key"]).doUpdateSet(row))
          .execute();
        await tx
          .deleteFrom("build_layers")
          .where("workspace_id", "=", workspaceId)
          .where("key", "=", key)
          .execute();
        for (const digest of new Set(digests)) {
          await tx
            .insertInto("build_layers")
            .values({ workspace_id: workspaceId, key, digest })
            .execute();
        }
      }),
  };
}
