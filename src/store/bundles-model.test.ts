import fc from "fast-check";
import { expect, it } from "vitest";
import {
  appendNext,
  digestOf,
  finishedEvents,
  openSampleStore,
  sampleRun,
} from "../../test/support/sample-store.ts";
import { tempDir } from "../../test/support/temp-dir.ts";
import { type Clock, systemClock } from "../base/clock.ts";
import { limits } from "../base/limits.ts";
import { newId } from "../contract/ids.ts";
import { Problem } from "../contract/problem.ts";
import type { NewRun, Store } from "./store.ts";

/** Contents share a file, so that a blob may be held by either. */
const blobsOf = (text: string) => [digestOf(text), digestOf(`file of ${text}`), digestOf("shared")];

const content = fc.constantFrom(
  { workspace: "ws_a", text: "one" },
  { workspace: "ws_a", text: "two" },
  { workspace: "ws_b", text: "one" },
);
const nth = fc.nat({ max: 5 });
const step = fc.oneof(
  { weight: 4, arbitrary: fc.record({ do: fc.constant("unpack" as const), content }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant("record" as const), content }) },
  {
    weight: 4,
    arbitrary: fc.record({ do: fc.constant("submit" as const), content, transient: fc.boolean() }),
  },
  { weight: 3, arbitrary: fc.record({ do: fc.constant("delete" as const), nth }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant("finish" as const), nth }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant("delete run" as const), nth }) },
  {
    weight: 3,
    arbitrary: fc.record({
      do: fc.constant("later" as const),
      minutes: fc.constantFrom(10, 40, 70),
    }),
  },
  { weight: 4, arbitrary: fc.record({ do: fc.constant("sweep" as const), forgets: fc.boolean() }) },
);
type Step = typeof step extends fc.Arbitrary<infer One> ? One : never;

/** What is there, as whoever made it believes. */
interface World {
  store: Store;
  now: () => number;
  later: (ms: number) => void;
  /** When a blob on disk was last written or found to be there. */
  disk: Map<string, number>;
  records: { id: string; workspace: string; text: string }[];
  runs: { run: NewRun; pins: { text: string; transient: boolean }[]; ended: boolean }[];
}

async function take(world: World, one: Step): Promise<void> {
  const { store, disk, records, runs, now } = world;
  switch (one.do) {
    case "unpack": {
      const { workspace, text } = one.content;
      for (const sha256 of blobsOf(text)) disk.set(sha256, now());
      return store.bundles.keep(workspace, digestOf(text), blobsOf(text));
    }
    case "record": {
      const { workspace, text } = one.content;
      const { created, bundle } = await store.bundles.add(workspace, {
        ...{ id: newId("skill"), kind: "skill", name: text, contentHash: digestOf(text) },
        ...{ sizeBytes: 1, fileCount: 1, description: null, createdBy: "tok_a" },
      });
      if (created) records.push({ id: bundle.id, workspace, text });
      return;
    }
    case "submit": {
      const { workspace, text } = one.content;
      const own = { name: text, contentHash: digestOf(text), sizeBytes: 1, fileCount: 1 };
      const id = one.transient ? {} : { id: newId("skill") };
      const snapshot = { model: "scripted/demo", prompt: ["go"], agentsMd: [{ ...own, ...id }] };
      const run = sampleRun({ workspaceId: workspace, snapshot });
      await store.journal.submit(run);
      runs.push({ run, pins: [{ text, transient: one.transient }], ended: false });
      return;
    }
    case "delete": {
      const [record] = records.splice(one.nth, 1);
      if (record) await store.bundles.delete(record.workspace, "skill", record.id);
      return;
    }
    case "finish": {
      const open = runs.filter(({ ended }) => !ended)[one.nth];
      if (open === undefined) return;
      await store.journal.claim(open.run.runId, store.epoch);
      await appendNext(store, open.run, finishedEvents());
      open.ended = true;
      open.pins = open.pins.filter(({ transient }) => !transient);
      return;
    }
    case "delete run": {
      const ended = runs.filter((run) => run.ended)[one.nth];
      if (ended === undefined) return;
      await store.runs.delete(ended.run.workspaceId, ended.run.runId);
      runs.splice(runs.indexOf(ended), 1);
      return;
    }
    case "later":
      return world.later(one.minutes * 60_000);
    case "sweep": {
      // A sweep of many blobs takes long: what it forgot at its beginning says nothing of its end.
      if (one.forgets) await store.bundles.dropUnheld();
      for (const [sha256, at] of disk) {
        if (now() - at < limits.sweepSparesMs || (await store.files.isReferenced(sha256))) continue;
        disk.delete(sha256);
      }
    }
  }
}

it("whatever is said to be there has its bytes, in whatever order things are made, let go and swept", async () => {
  let refused = 0;
  await fc.assert(
    fc.asyncProperty(
      fc.array(step, { minLength: 15, maxLength: 30, size: "max" }),
      async (steps) => {
        let ahead = 0;
        const clock: Clock = { ...systemClock, now: () => systemClock.now() + ahead };
        const later = (ms: number) => {
          ahead += ms;
        };
        const store = await openSampleStore(await tempDir("bundles-model"), undefined, clock);
        const world: World = {
          ...{ store, later, now: clock.now, disk: new Map(), records: [], runs: [] },
        };
        for (const one of steps) {
          await take(world, one).catch((error: unknown) => {
            // What was unpacked too long ago, or never here, may only be refused.
            if (!(error instanceof Problem && /is gone/.test(error.message))) throw error;
            refused += 1;
          });
          const wanted = [
            ...world.records.map(({ text }) => text),
            ...world.runs.flatMap(({ pins }) => pins.map(({ text }) => text)),
          ];
          for (const sha256 of wanted.flatMap(blobsOf)) expect(world.disk.has(sha256)).toBe(true);
        }
        const held = [
          ...world.records.map(({ workspace, text }) => `${workspace} ${digestOf(text)}`),
          ...world.runs.flatMap(({ run, pins }) =>
            pins.map(({ text }) => `${run.workspaceId} ${digestOf(text)}`),
          ),
        ];
        const found = (await Array.fromAsync(store.bundles.held())).map(
          ({ workspaceId, contentHash }) => `${workspaceId} ${contentHash}`,
        );
        expect(found.sort()).toEqual([...new Set(held)].sort());
        expect(await store.verify()).toMatchObject({ ok: true });
        await store.close();
      },
    ),
    { numRuns: 30 },
  );
  expect(refused).toBeGreaterThan(0);
});
