import { describe, expect, it } from "vitest";
import {
  appendNext,
  claimedRun,
  openSampleStore,
  replied,
  sampleRun,
} from "../../test/support/sample-store.ts";
import { tempDir } from "../../test/support/temp-dir.ts";
import { limits } from "../base/limits.ts";
import { newId } from "../contract/ids.ts";
import { rowsThatFit } from "./page.ts";

describe("a page", () => {
  it("ends before the row that would make it too large, but has one row at least", () => {
    const rows = [3, 3, 3].map((bytes) => ({ bytes }));
    expect([1, 5, 6, 8, 9].map((max) => rowsThatFit(rows, max))).toEqual([1, 1, 2, 2, 3]);
    expect(rowsThatFit([], 1)).toBe(0);
  });

  it("of events is bounded in bytes, and reading on from its last one misses none", async () => {
    const store = await openSampleStore(await tempDir("page"));
    const run = await claimedRun(store);
    await appendNext(store, run, [{ type: "run.started", data: { epoch: 1 } }]);
    await appendNext(
      store,
      run,
      [1, 2, 3, 4, 5].map(() => replied("x".repeat(30_000))),
    );
    const pages: number[][] = [];
    for (let since = 0; ; since = pages.at(-1)?.at(-1) ?? 0) {
      const page = await store.journal.read(run.runId, since, 1000, 70_000);
      if (page.length === 0) break;
      pages.push(page.map(({ seq }) => seq));
    }
    expect(pages).toEqual([[1, 2, 3, 4], [5, 6], [7]]);
  });

  it("of runs is bounded in bytes, with a cursor to the rest", async () => {
    const store = await openSampleStore(await tempDir("page"));
    const workspaceId = newId("workspace");
    const prompt = ["p".repeat(limits.pageBytes * 0.4)];
    for (let made = 0; made < 5; made++) {
      const snapshot = { model: "scripted/demo", prompt, metadata: {} };
      await store.journal.submit(sampleRun({ workspaceId, snapshot }));
    }
    const sizes: number[] = [];
    const seen = new Set<string>();
    let cursor: string | undefined;
    do {
      const page = await store.runs.list(workspaceId, {
        limit: 1000,
        ...(cursor === undefined ? {} : { cursor }),
      });
      sizes.push(page.runs.length);
      for (const { id } of page.runs) seen.add(id);
      cursor = page.nextCursor;
    } while (cursor !== undefined);
    expect(sizes).toEqual([2, 2, 1]);
    expect(seen.size).toBe(5);
  });
});
