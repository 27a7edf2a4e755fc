import { setImmediate } from "node:timers/promises";
import type { Kysely } from "kysely";
import { limits } from "../base/limits.ts";
import type { Fact, FactQuery, Knowledge } from "./facts.ts";
import type { KnowledgeTable } from "./knowledge-tables.ts";
import type { Schema } from "./schema.ts";

/** Rows that one step of a search reads: each may have as many bytes as a fact can. */
const pageRows = 50;

/** What agents keep beyond their runs. Every question says who asks: what he may not read is not there. */
export function openKnowledge(reads: Kysely<Schema>): Knowledge {
  return {
    async recall(workspaceId, reader, id) {
      const row = await reads
        .selectFrom("knowledge")
        .selectAll()
        .where("workspace_id", "=", workspaceId)
        .where("id", "=", id)
        .executeTakeFirst();
      return row && mayRead(row, reader) ? factOf(row) : undefined;
    },
    async search(workspaceId, reader, query) {
      const found: Fact[] = [];
      let after: { at: string; id: string } | undefined;
      let [seen, bytes] = [0, 0];
      while (seen < limits.factsSearched && bytes < limits.factsSearchedBytes) {
        const rows = await page(reads, workspaceId, reader, query.scope, after);
        for (const row of rows) {
          bytes += row.content.length;
          if (mayRead(row, reader) && fits(row, query)) found.push(factOf(row));
          if (found.length >= query.limit) return found;
        }
        const last = rows.at(-1);
        if (last === undefined || rows.length < pageRows) return found;
        seen += rows.length;
        after = { at: last.updated_at, id: last.id };
        // Reads hold the one thread there is: whoever else waits has his turn between two pages.
        await setImmediate();
      }
      return found;
    },
    async value(workspaceId, owner, kind, key) {
      const row = await reads
        .selectFrom("agent_state")
        .select("value")
        .where("workspace_id", "=", workspaceId)
        .where("owner", "=", owner)
        .where("kind", "=", kind)
        .where("key", "=", key)
        .executeTakeFirst();
      return row && { value: JSON.parse(row.value) as unknown };
    },
    async keys(workspaceId, owner, kind, prefix) {
      const rows = await reads
        .selectFrom("agent_state")
        .select("key")
        .where("workspace_id", "=", workspaceId)
        .where("owner", "=", owner)
        .where("kind", "=", kind)
        .where("key", ">=", prefix)
        .orderBy("key")
        .limit(limits.stateKeysOfAgent)
        .execute();
      return rows.map(({ key }) => key).filter((key) => key.startsWith(prefix));
    },
  };
}

/** The newest that are not plainly another's, from behind the last one: what came before is not read again. */
function page(
  reads: Kysely<Schema>,
  workspaceId: string,
  reader: string,
  scope: string,
  after: { at: string; id: string } | undefined,
): Promise<KnowledgeTable[]> {
  return reads
    .selectFrom("knowledge")
    .selectAll()
    .where("workspace_id", "=", workspaceId)
    .where("scope", "=", scope)
    .where((eb) => eb.or([eb("owner", "=", reader), eb("visibility", "!=", "private")]))
    .$if(after !== undefined, (all) =>
      all.where(({ eb, refTuple, tuple }) =>
        eb(refTuple("updated_at", "id"), "<", tuple(after?.at ?? "", after?.id ?? "")),
      ),
    )
    .orderBy("updated_at", "desc")
    .orderBy("id", "desc")
    .limit(pageRows)
    .execute();
}

function mayRead({ owner, visibility, shared_with }: KnowledgeTable, reader: string): boolean {
  if (owner === reader || visibility === "global") return true;
  return visibility === "shared" && (JSON.parse(shared_with) as string[]).includes(reader);
}

function fits(row: KnowledgeTable, { query, tags }: FactQuery): boolean {
  const own = JSON.parse(row.tags) as string[];
  if (!tags.every((tag) => own.includes(tag))) return false;
  const words = query.toLowerCase();
  return row.id.toLowerCase().includes(words) || row.content.toLowerCase().includes(words);
}

function factOf(row: KnowledgeTable): Fact {
  return {
    ...{ id: row.id, scope: row.scope, owner: row.owner, visibility: row.visibility },
    content: JSON.parse(row.content) as unknown,
    tags: JSON.parse(row.tags) as string[],
    ...{ contentHash: row.content_hash, runId: row.run_id },
    ...{ createdAt: row.created_at, updatedAt: row.updated_at },
  };
}
