import fc from "fast-check";
import { expect, it } from "vitest";
import { appendNext, claimedRun, openSampleStore } from "../../test/support/sample-store.ts";
import { tempDir } from "../../test/support/temp-dir.ts";
import type { NewEvent } from "../contract/event.ts";
import { newId } from "../contract/ids.ts";
import type { Reserved } from "./budgets.ts";
import { lostTurn, type NewRun, type Store } from "./store.ts";

const limits = { tokens: 1_000, usd: 0.001_2, turns: 9, calls: 6 };
const children = 4;
const perToken = 1_000;

type Step =
  | { do: "reserve"; who: number; input: number; output: number; last: boolean }
  | { do: "settle"; who: number; part: number }
  | { do: "release" | "lose" | "call"; who: number };

const who = fc.nat({ max: children });
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({
      do: fc.constant("reserve" as const),
      ...{ who, input: fc.nat({ max: 200 }), output: fc.integer({ min: 1, max: 400 }) },
      last: fc.boolean(),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      ...{ do: fc.constant("settle" as const), who },
      part: fc.double({ min: 0, max: 1, noNaN: true }),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({ do: fc.constantFrom("release" as const, "lose", "call"), who }),
  },
);
/** What is asked for at once; then, perhaps, the gateway dies. */
const batch = fc.record({ steps: fc.array(step, { maxLength: 8 }), dies: fc.boolean() });

type Held = { turn: number; tokens: number; nanoUsd: number };

/** What must be so, worked out in memory. */
interface Model {
  runs: NewRun[];
  held: Map<string, Held>;
  used: { tokens: number; nanoUsd: number; turns: number; calls: number };
}

async function newTree(store: Store): Promise<NewRun[]> {
  const snapshot = { model: "a/b", prompt: ["go"], budget: limits };
  const root = await claimedRun(store, { snapshot });
  const runs = [root];
  for (let at = 0; at < children; at++) {
    const of = { run_id: root.runId, root_run_id: root.runId, depth: 1, group: "g" };
    const parent = { ...of, call_id: newId("call"), policy: "all", async: true } as const;
    // A task that says it has a budget of its own does not get one.
    runs.push(await claimedRun(store, { workspaceId: root.workspaceId, snapshot, parent }));
  }
  return runs;
}

function replied(turn: number, tokens: number): NewEvent {
  const usage = { input_tokens: tokens, output_tokens: 0 };
  return {
    type: "turn.replied",
    data: {
      ...{ turn, attempt: 1, model: "a/b", parts: [], calls: [], finish_reason: "stop" },
      usage: { ...usage, cache_read_tokens: 0, cache_write_tokens: 0 },
      ...{ cost_usd: (tokens * perToken) / 1e9, duration_ms: 1 },
    },
  };
}

function sumOf(model: Model, of: (held: Held) => number): number {
  return [...model.held.values()].reduce((sum, held) => sum + of(held), 0);
}

async function perform(store: Store, model: Model, wanted: Step): Promise<void> {
  const run = model.runs[wanted.who] as NewRun;
  const { runId, workspaceId } = run;
  const held = model.held.get(runId);
  if (wanted.do === "reserve") {
    if (held !== undefined) return;
    const { input, output, last } = wanted;
    const of = { runId, workspaceId, rootRunId: model.runs[0]?.runId ?? "", turn: 1 };
    const answer: Reserved = await store.budgets.reserve({
      ...{ ...of, last, more: false, nanoUsdPerOutputToken: perToken },
      input: { tokens: input, nanoUsd: input * perToken },
      output: { min: Math.min(50, output), wanted: output },
    });
    if (answer.type !== "reserved") return;
    expect(answer.output).toBeLessThanOrEqual(output);
    model.held.set(runId, { turn: 1, tokens: answer.tokens, nanoUsd: answer.nanoUsd });
  } else if (wanted.do === "call") {
    const call = { call_id: newId("call"), tool: "content_read", turn: 1 };
    const fits = model.used.calls < limits.calls;
    const done = appendNext(store, run, [{ type: "call.started", data: call }]);
    if (!fits) return expect(done).rejects.toThrow("calls: 6 of 6 used, 1 asked");
    await done;
    model.used.calls += 1;
  } else if (held !== undefined) {
    model.held.delete(runId);
    if (wanted.do === "release") return store.budgets.release(runId);
    const isLost = wanted.do === "lose";
    const tokens = wanted.do === "settle" ? Math.floor(held.tokens * wanted.part) : held.tokens;
    await appendNext(store, run, [isLost ? lostTurn(held, "failed") : replied(1, tokens)]);
    model.used.tokens += tokens;
    model.used.nanoUsd += isLost ? held.nanoUsd : tokens * perToken;
    model.used.turns += 1;
  }
}

/** Reservations at once, as many runs make them; what settles them one after the other, as each run does. */
async function performAll(store: Store, model: Model, steps: Step[]): Promise<void> {
  const first = new Map<number, Step>();
  for (const one of steps) {
    if (one.do === "reserve" && !first.has(one.who)) first.set(one.who, one);
  }
  await Promise.all([...first.values()].map((one) => perform(store, model, one)));
  for (const one of steps) if (one.do !== "reserve") await perform(store, model, one);
}

async function check(store: Store, model: Model): Promise<void> {
  const { used } = model;
  const [root] = model.runs;
  const shown = await store.budgets.shown(root?.workspaceId ?? "", root?.runId ?? "");
  expect(shown).toEqual({
    tokens: { limit: 1_000, used: used.tokens, reserved: sumOf(model, ({ tokens }) => tokens) },
    usd: {
      ...{ limit: limits.usd, used: used.nanoUsd / 1e9 },
      reserved: sumOf(model, ({ nanoUsd }) => nanoUsd) / 1e9,
    },
    turns: { limit: limits.turns, used: used.turns },
    calls: { limit: limits.calls, used: used.calls },
    wallClockSeconds: null,
  });
  const taken = shown as NonNullable<typeof shown>;
  expect(taken.tokens.used + taken.tokens.reserved).toBeLessThanOrEqual(limits.tokens);
  const nanoUsd = used.nanoUsd + sumOf(model, (held) => held.nanoUsd);
  expect(nanoUsd).toBeLessThanOrEqual(limits.usd * 1e9);
  expect(used.turns + model.held.size).toBeLessThanOrEqual(limits.turns);
  expect(used.calls).toBeLessThanOrEqual(limits.calls);
}

it("no interleaving of reserve, settle, release, loss and death ever takes more than the budget", async () => {
  const dir = await tempDir("budgets-model");
  let store = await openSampleStore(dir);
  await fc.assert(
    fc.asyncProperty(fc.array(batch, { minLength: 1, maxLength: 8 }), async (batches) => {
      const used = { tokens: 0, nanoUsd: 0, turns: 0, calls: 0 };
      const model: Model = { runs: await newTree(store), held: new Map(), used };
      for (const { steps, dies } of batches) {
        await performAll(store, model, steps);
        await check(store, model);
        if (!dies) continue;
        await store.close();
        store = await openSampleStore(dir);
        for (const run of model.runs) await store.journal.claim(run.runId, store.epoch);
        // What was reserved when it died may have been spent: all of it counts.
        used.tokens += sumOf(model, ({ tokens }) => tokens);
        used.nanoUsd += sumOf(model, ({ nanoUsd }) => nanoUsd);
        used.turns += model.held.size;
        model.held.clear();
        await check(store, model);
      }
    }),
    { numRuns: 50 },
  );
  expect(await store.verify()).toMatchObject({ ok: true, defects: [] });
}, 180_000);
