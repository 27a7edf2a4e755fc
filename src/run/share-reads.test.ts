import { describe, expect, it } from "vitest";
import { journalOf, started, submitted } from "../../test/support/journal-of.ts";
import { shareReads } from "./share-reads.ts";

describe("reads that are shared", () => {
  const events = journalOf([submitted(), started]);
  const runId = events[0]?.runId ?? "";

  function open() {
    const asked: string[] = [];
    const read = shareReads({
      read: async (run, since) => {
        asked.push(`${run} ${since}`);
        if (since > 100) throw new Error("The disk is gone");
        return events.slice(since);
      },
    });
    return { asked, read };
  }

  it("give followers at one place the same events, and read again when those have come", async () => {
    const { asked, read } = open();
    const pages = await Promise.all([read(runId, 0, 2), read(runId, 0, 2), read(runId, 1, 2)]);
    expect(asked).toEqual([`${runId} 0`, `${runId} 1`]);
    expect(pages[0]).toBe(pages[1]);
    expect(await read(runId, 0, 2)).not.toBe(pages[0]);
  });

  it("give nobody a page that was read before the event of which it was told", async () => {
    const { asked, read } = open();
    await Promise.all([read(runId, 0, 1), read(runId, 0, 2)]);
    expect(asked).toHaveLength(2);
  });

  it("fail together, and not the next time", async () => {
    const { asked, read } = open();
    const both = await Promise.allSettled([read(runId, 101, 200), read(runId, 101, 200)]);
    expect(both.map(({ status }) => status)).toEqual(["rejected", "rejected"]);
    await expect(read(runId, 101, 200)).rejects.toThrow("The disk is gone");
    expect(asked).toHaveLength(2);
  });
});
