import { expect, it } from "vitest";
import {
  approval,
  askingRun,
  openTimedStore,
  testClock,
} from "../../test/support/sample-approvals.ts";
import { times } from "../../test/support/soak.ts";
import { tempDir } from "../../test/support/temp-dir.ts";
import type { ApprovalRequest } from "../contract/approval.ts";
import { newId } from "../contract/ids.ts";
import type { Store } from "./store.ts";

const waiting = times(10_000, 1_000);
const same = waiting / 10;
/** Ten times and more of what it takes; a look at every request that waits takes longer. */
const soonMs = times(100, 25);

/** The middle one of some, so that a machine that is busy for a moment makes no difference. */
async function medianMs(work: () => Promise<unknown>): Promise<number> {
  const all: number[] = [];
  for (let n = 0; n < 7; n++) {
    const before = performance.now();
    await work();
    all.push(performance.now() - before);
  }
  return all.sort((a, b) => a - b)[3] ?? Number.POSITIVE_INFINITY;
}

async function askMany(store: Store, workspaceId: string): Promise<ApprovalRequest[]> {
  const requests: ApprovalRequest[] = [];
  const agent = { id: "planner.default", revision: "sha256:x" };
  for (let made = 0; made < waiting; made += 100) {
    const part = Array.from({ length: 100 }, (_, n) => {
      const call = made + n < same ? "same" : `call ${made + n}`;
      return askingRun(store, workspaceId, { agent, call });
    });
    requests.push(...(await Promise.all(part)).map(({ request }) => request));
  }
  return requests;
}

it(
  `answers, lists and looks up among ${waiting} requests that wait without looking at all of them`,
  async () => {
    const dir = await tempDir("many");
    const clock = testClock();
    let store = await openTimedStore(dir, clock);
    const workspaceId = newId("workspace");
    const requests = await askMany(store, workspaceId);
    await store.close();
    store = await openTimedStore(dir, clock);
    const { approvals } = store;
    const idOf = (place: number) => requests[place]?.request_id ?? "";
    let next = same;
    const took = {
      // What a start of the gateway does.
      expire: await medianMs(() => approvals.expire()),
      settle: await medianMs(() => approvals.settle()),
      nextExpiry: await medianMs(() => approvals.nextExpiry()),
      firstPage: await medianMs(() =>
        approvals.list(workspaceId, { status: "pending", limit: 50 }),
      ),
      get: await medianMs(() => approvals.get(workspaceId, idOf(next))),
      answer: await medianMs(() => approvals.answer(workspaceId, idOf(next++), approval())),
    };
    const last = await approvals.get(workspaceId, idOf(waiting - 1));
    if (!last) throw new Error("The last request is not there");
    const { keys } = last.request;
    const lookups = {
      standing: await medianMs(() => approvals.standing(workspaceId, last.runId, keys)),
      refusal: await medianMs(() => approvals.refusal(workspaceId, keys)),
      askedSince: await medianMs(() => approvals.askedSince(last.runId, "2020")),
      previews: await medianMs(() => approvals.previews(workspaceId, last)),
      lastApproved: await medianMs(() => approvals.lastApproved(workspaceId, last)),
    };
    const slow = Object.entries({ ...took, ...lookups }).filter(([, ms]) => ms > soonMs);
    expect(slow).toEqual([]);
    const standing = approval({ scope: "agent_revision" });
    const answered = await approvals.answer(workspaceId, idOf(0), standing);
    expect(answered?.resumed).toHaveLength(same);
    expect((await store.verify()).defects).toEqual([]);
  },
  times(600_000, 60_000),
);
