import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { describe, expect, it } from "vitest";
import {
  appendNext,
  claimedRun,
  openSampleStore,
  sampleRun,
  startedEvents,
} from "../../test/support/sample-store.ts";
import { tempDir } from "../../test/support/temp-dir.ts";
import { newId } from "../contract/ids.ts";

/** A parent that waits for its task; an intruder with write access to the file is let at it. */
async function defectsAfter(sql: string): Promise<string[]> {
  const dir = await tempDir("verify-tree");
  const store = await openSampleStore(dir);
  const parent = await claimedRun(store);
  const { runId: run_id, workspaceId } = parent;
  const child = sampleRun({
    workspaceId,
    parent: {
      ...{ run_id, root_run_id: run_id, call_id: newId("call"), depth: 1 },
      ...{ group: "default", policy: "all", async: true },
    },
  });
  await store.journal.submit(child);
  const group = { group: "default", policy: "all" as const, tasks: [child.runId] };
  const none = { call_id: null, tasks: [], interaction_id: null, until: null };
  await appendNext(store, parent, [
    ...startedEvents,
    { type: "wait.started", data: { ...none, on: "children", groups: [group] } },
  ]);
  await store.close();
  const db = new DatabaseSync(join(dir, "airlock.db"));
  db.exec(sql.replaceAll("$parent", `'${run_id}'`).replaceAll("$child", `'${child.runId}'`));
  db.close();
  const reopened = await openSampleStore(dir);
  return (await reopened.verify()).defects.map(({ message }) => message);
}

describe("verify of a tree", () => {
  it("finds nothing wrong with what only the gateway wrote", async () => {
    expect(await defectsAfter("select 1")).toEqual([]);
  });

  it.each([
    ["a task that was given to another run", "parent_run_id = null", "parent_run_id"],
    ["a task of another group", "join_group = 'other'", "join_group"],
    ["a task of another policy", "join_policy = 'any'", "join_policy"],
    ["a task of another agent", "agent = 'other'", "agent"],
    ["a task at another depth", "depth = 0", "depth"],
    ["a task of another tree", "root_run_id = id", "root_run_id"],
  ])("finds %s", async (_, change, column) => {
    const defects = await defectsAfter(`update runs set ${change} where id = $child`);
    expect(defects).toContainEqual(expect.stringContaining(`The row has ${column}`));
  });

  it("finds a wait that is gone, changed or made up", async () => {
    const wanted = ["What the run waits for is not the journal's"];
    expect(await defectsAfter("delete from waits")).toEqual(wanted);
    expect(await defectsAfter("update waits set until = '2030'")).toEqual(wanted);
    const made = "insert into waits select $child, workspace_id, on_what, wait, until, started_at";
    expect(await defectsAfter(`${made} from waits`)).toEqual(wanted);
  });

  it("finds an artifact that no call built", async () => {
    const made =
      "insert into built_artifacts values ($child, 9, 'ws', 'r', 'art_1', 'ar.1', null, 't')";
    expect(await defectsAfter(made)).toEqual(["The artifacts that it built are not the journal's"]);
  });
});
