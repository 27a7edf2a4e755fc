import fc from "fast-check";
import { expect, it } from "vitest";
import {
  approval,
  day,
  noon,
  openTimedStore,
  refusal,
  requested,
  sampleRequest,
  started,
  testClock,
} from "../../test/support/sample-approvals.ts";
import {
  appendNext,
  claimedRun,
  finishedEvents,
  startedEvents,
} from "../../test/support/sample-store.ts";
import { times } from "../../test/support/soak.ts";
import { tempDir } from "../../test/support/temp-dir.ts";
import type { ApprovalRequest } from "../contract/approval.ts";
import type { NewEvent } from "../contract/event.ts";
import { newId } from "../contract/ids.ts";
import type { Given, Ticket } from "./approvals-model.testing.ts";
import * as wanted from "./approvals-model.testing.ts";
import { ApprovalUnusable, type NewRun, type Resumed } from "./store.ts";

/** Numbers stand for whichever run or ticket is there, so that every sequence can be played. */
type Step =
  | { type: "request"; run: number; call: string; pendingMs: number }
  | { type: "answer"; ticket: number; given: Given }
  | { type: "spend" | "revoke"; ticket: number }
  | { type: "decide"; ticket: number; run: number }
  | { type: "end"; run: number }
  | { type: "expire" | "settle" | "reopen" }
  | { type: "clock"; ms: number };

const place = fc.nat({ max: 99 });
const call = fc.constantFrom("a", "b");
const given: fc.Arbitrary<Given> = fc.oneof(
  fc.record({
    type: fc.constant("approve" as const),
    scope: fc.constantFrom("once", "run", "agent_revision"),
    scopeMs: fc.constantFrom(null, day, 10 * day),
  }),
  fc.record({ type: fc.constant("deny" as const), rememberMs: fc.constantFrom(day, 5 * day) }),
);
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 5,
    arbitrary: fc.record({
      type: fc.constant("request" as const),
      run: place,
      call,
      pendingMs: fc.constantFrom(day, 30 * day),
    }),
  },
  {
    weight: 5,
    arbitrary: fc.record({ type: fc.constant("answer" as const), ticket: place, given }),
  },
  {
    weight: 4,
    arbitrary: fc.record({
      type: fc.constantFrom("spend" as const, "revoke" as const),
      ticket: place,
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({ type: fc.constant("decide" as const), ticket: place, run: place }),
  },
  { weight: 1, arbitrary: fc.record({ type: fc.constant("end" as const), run: place }) },
  {
    weight: 2,
    arbitrary: fc.record({
      type: fc.constantFrom("expire" as const, "settle" as const, "reopen" as const),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      type: fc.constant("clock" as const),
      ms: fc.constantFrom(1, 3_600_000, day, 10 * day, 40 * day, -1, -day, -10 * day),
    }),
  },
);

const workspaceId = newId("workspace");

/** The store and the model side by side: every step is taken by both, and both have to say the same. */
async function openBoth() {
  const clock = testClock();
  const dir = await tempDir("model");
  const model = wanted.openModel(noon);
  const runs: NewRun[] = [];
  const requests: ApprovalRequest[] = [];
  let store = await openTimedStore(dir, clock);

  async function appended(run: NewRun, event: NewEvent): Promise<string> {
    try {
      await appendNext(store, run, [event]);
      return "appended";
    } catch (error) {
      if (error instanceof ApprovalUnusable) return error.reason;
      return String(error).includes("fenced") ? "fenced" : String(error);
    }
  }

  const namesOf = (resumed: Resumed[] | undefined) => resumed?.map(({ runId }) => runId).sort();
  const placesOf = (places: number[]) => places.map((place) => runs[place]?.runId).sort();

  /** A run that waits asks nothing: then another one does. */
  async function runThatAsks(place: number): Promise<number> {
    const waits = wanted.pendingOf(model).some(({ run }) => run === place);
    if (runs[place] && !waits && !model.runs[place]?.ended) return place;
    const run = await claimedRun(store, { workspaceId });
    await appendNext(store, run, startedEvents);
    runs.push(run);
    model.runs.push({ ended: false });
    return runs.length - 1;
  }

  async function request({ run: wish, call, pendingMs }: Extract<Step, { type: "request" }>) {
    const place = await runThatAsks(wish % 4);
    const run = runs[place];
    if (!run) return;
    const expiresAt = new Date(store.approvals.now() + pendingMs).toISOString();
    const asked = sampleRequest({ call, expires_at: expiresAt }, run.runId);
    wanted.request(model, place, call, pendingMs);
    requests.push(asked);
    await appendNext(store, run, [requested(asked)]);
  }

  async function answer(place: number, given: Given): Promise<void> {
    const [ticket, asked] = [model.tickets[place], requests[place]];
    if (!ticket || !asked) return;
    const until = (ms: number | null) =>
      ms === null ? null : new Date(store.approvals.now() + ms).toISOString();
    const answered = await store.approvals.answer(
      workspaceId,
      asked.request_id,
      given.type === "approve"
        ? approval({ scope: given.scope, scopeExpiresAt: until(given.scopeMs) })
        : refusal({ rememberedUntil: until(given.rememberMs) }),
    );
    const { type, resumed } = wanted.answer(model, ticket, given);
    expect([answered?.type, namesOf(answered?.resumed)]).toEqual([type, placesOf(resumed)]);
  }

  async function use(one: Extract<Step, { ticket: number }>, place: number): Promise<void> {
    const [ticket, asked] = [model.tickets[place], requests[place]];
    if (!ticket || !asked) return;
    const { request_id: id } = asked;
    if (one.type === "answer") return answer(place, one.given);
    if (one.type === "revoke") {
      const by = { revokedBy: "tok_person", reason: null };
      const revoked = await store.approvals.revoke(workspaceId, id, by);
      expect(revoked !== null).toBe(wanted.revoke(model, ticket));
      return;
    }
    const at = one.type === "decide" ? one.run % runs.length : ticket.run;
    const run = runs[at];
    if (!run) return;
    if (one.type === "spend") {
      expect(await appended(run, started(asked))).toBe(wanted.spend(model, ticket));
      return;
    }
    const allow = { call_id: newId("call"), tool: "x", decision: "allow", rule: "x" } as const;
    const event: NewEvent = { type: "call.decided", data: { ...allow, approval: id } };
    expect(await appended(run, event)).toBe(wanted.decide(model, ticket, at));
  }

  async function end(place: number): Promise<void> {
    const run = runs[place];
    if (!run || model.runs[place]?.ended) return;
    await appendNext(store, run, finishedEvents());
    wanted.end(model, place);
  }

  async function take(one: Step): Promise<void> {
    if (one.type === "request") return request(one);
    if ("ticket" in one) return use(one, one.ticket % Math.max(1, requests.length));
    if (one.type === "end") return end(one.run % Math.max(1, runs.length));
    if (one.type === "clock") {
      clock.time += one.ms;
      model.clock = clock.time;
    } else if (one.type === "reopen") {
      await store.close();
      store = await openTimedStore(dir, clock);
      for (const { runId } of runs) await store.journal.claim(runId, store.epoch);
      wanted.reopen(model);
    } else {
      const resumed = namesOf(await store.approvals[one.type]());
      const places = one.type === "expire" ? wanted.expire(model) : wanted.settle(model);
      expect(resumed).toEqual(placesOf(places));
    }
  }

  /** All that can be seen of every ticket and run. */
  async function compare(): Promise<void> {
    for (const [place, asked] of requests.entries()) {
      const found = await store.approvals.get(workspaceId, asked.request_id);
      const { status, scope, spent, revoked } = model.tickets[place] as Ticket;
      expect({
        ...{ status: found?.status, scope: found?.answer?.scope ?? null },
        ...{ spent: found?.spentAt !== null, revoked: found?.revokedAt !== null },
      }).toEqual({ status, scope, spent, revoked });
    }
    for (const [place, run] of runs.entries()) {
      const waits = wanted.pendingOf(model).some((ticket) => ticket.run === place);
      const status = (await store.runs.get(workspaceId, run.runId))?.status;
      expect(status === "waiting").toBe(waits);
      for (const name of ["a", "b"]) {
        const { keys } = sampleRequest({ call: name }, run.runId);
        const standing = await store.approvals.standing(workspaceId, run.runId, keys);
        expect(standing !== undefined).toBe(wanted.isStanding(model, place, name));
        const refused = await store.approvals.refusal(workspaceId, keys);
        expect(refused !== undefined).toBe(wanted.isRefused(model, name));
      }
    }
  }

  async function close(): Promise<void> {
    expect((await store.verify()).defects).toEqual([]);
    await store.close();
  }

  return { take, compare, close };
}

const sequences = times(1_000, 15);

it(
  `does what the model does, in ${sequences} sequences of whatever people, runs and clocks do`,
  async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 5, maxLength: 40 }), async (steps) => {
        const both = await openBoth();
        for (const one of steps) {
          await both.take(one);
          await both.compare();
        }
        await both.close();
      }),
      { numRuns: sequences, endOnFailure: false },
    );
  },
  times(1_800_000, 60_000),
);
