import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { expect, it } from "vitest";
import { openSampleStore } from "../../test/support/sample-store.ts";
import { tempDir } from "../../test/support/temp-dir.ts";
import { limits } from "../base/limits.ts";

const query = { scope: "sdk", tags: [], limit: 100 };

/** A store with as many facts as are given, the last of them the newest, each as many bytes long. */
async function withFacts(facts: { owner?: string; content: string }[]) {
  const dir = await tempDir();
  await (await openSampleStore(dir)).close();
  const db = new DatabaseSync(join(dir, "airlock.db"));
  const insert = db.prepare(
    `INSERT INTO knowledge (workspace_id, id, scope, owner, content, content_hash, tags, visibility,
       shared_with, run_id, seq, created_at, updated_at)
     VALUES ('w', ?, 'sdk', ?, ?, 'h', '[]', ?, '[]', 'r', 1, 't', ?)`,
  );
  db.exec("BEGIN");
  for (const [at, { owner, content }] of facts.entries()) {
    // Three of them at a time, so that pages end between facts of the same moment.
    const time = new Date(Math.floor(at / 3) * 1000).toISOString();
    const visibility = owner === undefined ? "global" : "private";
    insert.run(`f${at}`, owner ?? "all", JSON.stringify(content), visibility, time);
  }
  db.exec("COMMIT");
  db.close();
  return (await openSampleStore(dir)).knowledge;
}

it("a search finds every fact once that its reader may read, and passes those of others", async () => {
  const owners = ["other", "reader", undefined];
  const facts = Array.from({ length: 400 }, (_, at) => {
    const owner = owners[at % 3];
    return { content: `needle ${at}`, ...(owner === undefined ? {} : { owner }) };
  });
  const knowledge = await withFacts(facts);
  const found = await knowledge.search("w", "reader", { ...query, query: "NEEDLE", limit: 1000 });
  const wanted = facts.flatMap(({ owner }, at) => (owner === "other" ? [] : [`f${at}`]));
  expect(found.map(({ id }) => id).sort()).toEqual(wanted.sort());
  expect(found.map(({ updatedAt }) => updatedAt)).toEqual(
    found
      .map(({ updatedAt }) => updatedAt)
      .sort()
      .reverse(),
  );
});

it("a search of long facts looks at the newest of them, and lets others work meanwhile", async () => {
  const content = "x".repeat(limits.sdkRequestBytes - 1_000);
  const long = Array.from({ length: 2_000 }, () => ({ content }));
  const knowledge = await withFacts([{ content: "needle" }, ...long]);
  let turns = 0;
  const counting = setInterval(() => {
    turns += 1;
  });
  const found = await knowledge.search("w", "reader", { ...query, query: "needle" });
  clearInterval(counting);
  expect(found).toEqual([]);
  expect(turns).toBeGreaterThanOrEqual(2);
});
