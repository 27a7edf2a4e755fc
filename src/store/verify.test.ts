import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { describe, expect, it } from "vitest";
import {
  appendNext,
  callFinished,
  claimedRun,
  digestOf,
  finishedEvents,
  openSampleStore,
  replied,
  startedEvents,
} from "../../test/support/sample-store.ts";
import { tempDir } from "../../test/support/temp-dir.ts";
import type { VerifyReport } from "../contract/upkeep.ts";

/** Makes a store with two runs, lets an intruder with write access to the file at it, and verifies. */
async function verifyAfter(sql: string): Promise<{ kinds: string[]; report: VerifyReport }> {
  const dir = await tempDir("verify");
  const store = await openSampleStore(dir);
  const victim = await claimedRun(store);
  const bystander = await claimedRun(store);
  for (const run of [victim, bystander]) {
    const written = { name: "x", visibility: "session", sha256: digestOf("x"), bytes: 1 };
    await appendNext(store, run, [...startedEvents, callFinished({ content: [written] })]);
    await appendNext(store, run, [replied("Hello"), ...finishedEvents()]);
  }
  await store.close();
  const db = new DatabaseSync(join(dir, "airlock.db"));
  db.exec(sql.replaceAll("$run", `'${victim.runId}'`));
  db.close();
  const reopened = await openSampleStore(dir);
  const report = await reopened.verify();
  expect(report.defects.map((defect) => defect.subject)).not.toContain(bystander.runId);
  expect(report.ok).toBe(report.defects.length === 0);
  return { kinds: [...new Set(report.defects.map((defect) => defect.kind))], report };
}

describe("verify", () => {
  it("finds nothing wrong with what only the gateway wrote, and counts it", async () => {
    const { report } = await verifyAfter("select 1");
    expect(report).toEqual({
      ...{ ok: true, runs: 2, events: 14, blobs: 0, bytes: 0, layers: 0 },
      defects: [],
    });
  });

  it("finds an edited event", async () => {
    const edit = "update events set data = replace(data, 'Hello', 'Howdy')";
    const { kinds, report } = await verifyAfter(`${edit} where run_id = $run`);
    expect(kinds).toContain("chain_broken");
    expect(report.defects[0]?.message).toContain("Event 5");
  });

  it("finds an event whose time or type was edited", async () => {
    for (const column of ["time", "type"]) {
      const edit = `update events set ${column} = 'run.resumed' where run_id = $run and seq = 4`;
      expect((await verifyAfter(edit)).kinds).toContain("chain_broken");
    }
  });

  it("finds a removed event in the middle", async () => {
    const { kinds } = await verifyAfter("delete from events where run_id = $run and seq = 4");
    expect(kinds).toContain("sequence_gap");
  });

  it("finds a removed event in the middle when those after it were renumbered", async () => {
    const { kinds } = await verifyAfter(
      `delete from events where run_id = $run and seq = 4;
       update events set seq = seq - 1 where run_id = $run and seq > 4`,
    );
    expect(kinds).toEqual(expect.arrayContaining(["chain_broken", "head_mismatch"]));
  });

  it("finds a removed last event", async () => {
    const { kinds } = await verifyAfter("delete from events where run_id = $run and seq = 7");
    expect(kinds).toContain("head_mismatch");
  });

  it("finds an edited head of the chain", async () => {
    const { kinds } = await verifyAfter("update runs set head = 'f00d' where id = $run");
    expect(kinds).toEqual(["head_mismatch"]);
  });

  it("finds an edited row, by column", async () => {
    for (const [column, value] of [
      ["status", "'failed'"],
      ["output_tokens", "1"],
      ["cost_nano_usd", "1"],
      ["last_text", "'Howdy'"],
      ["finished_at", "null"],
    ]) {
      const { kinds, report } = await verifyAfter(
        `update runs set ${column} = ${value} where id = $run`,
      );
      expect(kinds).toEqual(["row_mismatch"]);
      expect(report.defects[0]?.message).toContain(column);
    }
  });

  it("finds a row moved to another workspace", async () => {
    const { kinds } = await verifyAfter("update runs set workspace_id = 'ws_x' where id = $run");
    expect(kinds).toEqual(["row_mismatch"]);
  });

  it("finds a removed row whose events are still there", async () => {
    const { kinds } = await verifyAfter(
      "pragma foreign_keys = off; delete from runs where id = $run",
    );
    expect(kinds).toContain("row_mismatch");
  });

  it("finds edited content and a lost reference to a blob", async () => {
    const edits = [
      "update contents set name = 'y' where run_id = $run",
      "delete from blob_refs where run_id = $run",
    ];
    for (const edit of edits) expect((await verifyAfter(edit)).kinds).toEqual(["row_mismatch"]);
  });
});
