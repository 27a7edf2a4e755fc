import fc from "fast-check";
import { expect, it } from "vitest";
import { proxyCalled } from "../../test/support/proxy-called.ts";
import { claimedRun, openSampleStore } from "../../test/support/sample-store.ts";
import { tempDir } from "../../test/support/temp-dir.ts";
import { newId } from "../contract/ids.ts";
import type { NewRun, Store } from "./store.ts";

const budget = 4;

type Step =
  | { do: "reserve" }
  | { do: "sent"; which: number }
  | { do: "release"; which: number }
  | { do: "settle"; which: number; outcome: "ok" | "failed" | "denied"; bytes: number };

const which = fc.nat({ max: 30 });
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 3, arbitrary: fc.record({ do: fc.constant("reserve" as const) }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constantFrom("sent" as const, "release"), which }) },
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constant("settle" as const),
      ...{ which, outcome: fc.constantFrom("ok" as const, "failed", "denied") },
      bytes: fc.nat({ max: 100 }),
    }),
  },
);
/** What is asked for at once; then, perhaps, the gateway dies. */
const batch = fc.record({ steps: fc.array(step, { maxLength: 10 }), dies: fc.boolean() });

/** What must be so, worked out in memory. */
interface Model {
  /** Every id that was ever reserved, in order. */
  ids: string[];
  open: Map<string, { sent: boolean }>;
  settled: Set<string>;
  sentEver: Set<string>;
  used: { calls: number; bytes: number };
}

/** What the step does to the model; whether it is to succeed. */
function expected(model: Model, id: string, wanted: Step): boolean {
  const reservation = model.open.get(id);
  if (wanted.do === "reserve") {
    if (model.used.calls + model.open.size >= budget) return false;
    model.ids.push(id);
    model.open.set(id, { sent: false });
  } else if (wanted.do === "sent") {
    if (reservation === undefined) return false;
    reservation.sent = true;
    model.sentEver.add(id);
  } else if (wanted.do === "release") {
    if (reservation?.sent === false) model.open.delete(id);
  } else {
    const { outcome, bytes } = wanted;
    if (model.settled.has(id) || (outcome === "denied" && reservation?.sent)) return false;
    // Whoever was refused, or gave the call back, has nothing to write down but that.
    if (reservation === undefined && outcome !== "denied") return false;
    model.open.delete(id);
    model.settled.add(id);
    model.used.calls += outcome === "denied" ? 0 : 1;
    model.used.bytes += bytes;
  }
  return true;
}

async function perform(store: Store, run: NewRun, id: string, wanted: Step): Promise<boolean> {
  const { runId, workspaceId } = run;
  if (wanted.do === "reserve") {
    const request = { id, runId, workspaceId, endpoint: "api", calls: budget };
    return (await store.proxy.reserve(request)).ok;
  }
  if (wanted.do === "release") await store.proxy.release(id);
  else if (wanted.do === "sent") await store.proxy.sent(id);
  else {
    const event = proxyCalled({ id, outcome: wanted.outcome, response_bytes: wanted.bytes });
    await store.journal.appendFromOutside(workspaceId, runId, () => event);
  }
  return true;
}

/** Starts all of it in one tick; what the model says of a step is what must come of it. */
async function performAll(store: Store, run: NewRun, model: Model, steps: Step[]): Promise<void> {
  const answers: Promise<void>[] = [];
  for (const wanted of steps) {
    const known = model.ids[wanted.do === "reserve" ? -1 : wanted.which % model.ids.length];
    if (known === undefined && wanted.do !== "reserve") continue;
    const id = known ?? newId("proxyCall");
    const reserved = model.open.has(id);
    if (wanted.do === "settle" && !reserved && wanted.outcome !== "denied") continue;
    const succeeds = expected(model, id, wanted);
    const done = perform(store, run, id, wanted).catch(() => false);
    answers.push(
      done.then((did) => expect(did, `${JSON.stringify(wanted)} of ${id}`).toBe(succeeds)),
    );
  }
  await Promise.all(answers);
}

it("no interleaving of reserve, sent, release, settle and death ever sends more than the budget", async () => {
  const dir = await tempDir("proxy-model");
  let store = await openSampleStore(dir);
  await fc.assert(
    fc.asyncProperty(fc.array(batch, { minLength: 1, maxLength: 10 }), async (batches) => {
      const run = await claimedRun(store);
      const model: Model = {
        ...{ ids: [], open: new Map(), settled: new Set(), sentEver: new Set() },
        used: { calls: 0, bytes: 0 },
      };
      for (const { steps, dies } of batches) {
        await performAll(store, run, model, steps);
        if (dies) {
          await store.close();
          store = await openSampleStore(dir);
          const left = await store.proxy.unsettled(run.runId);
          expect(left.map(({ id, sent }) => [id, sent])).toEqual(
            [...model.open].map(([id, { sent }]) => [id, sent]).sort(),
          );
        }
        expect(await store.proxy.used(run.runId, "api")).toEqual({
          ...{ calls: model.used.calls + model.open.size, bytes: model.used.bytes },
        });
        expect(model.sentEver.size).toBeLessThanOrEqual(budget);
      }
    }),
    { numRuns: 60 },
  );
  expect(await store.verify()).toMatchObject({ ok: true });
}, 180_000);
