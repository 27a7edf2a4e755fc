import { describe, expect, it } from "vitest";
import {
  appendNext,
  claimedRun,
  digestOf,
  finishedEvents,
  openSampleStore,
  startedEvents,
} from "../../test/support/sample-store.ts";
import { tempDir } from "../../test/support/temp-dir.ts";
import { canonicalJson } from "../base/canonical-json.ts";
import type { NewEvent } from "../contract/event.ts";
import { newId } from "../contract/ids.ts";

type Fact = NonNullable<Extract<NewEvent, { type: "sdk.called" }>["data"]["fact"]>;
const asked = { call_id: null, decision: "allow", rule: "all", asked: {} } as const;

const remembers = (owner: string, content: unknown, more: Partial<Fact> = {}): NewEvent => ({
  type: "sdk.called",
  data: {
    ...{ ...asked, method: "knowledge.remember" },
    fact: {
      ...{ id: "city", scope: "general", owner, content, tags: [], visibility: "global" },
      ...{ content_hash: digestOf(canonicalJson(content)), shared_with: [], ...more },
    },
  },
});

const writes = (owner: string, value: unknown): NewEvent => ({
  type: "sdk.called",
  data: {
    ...{ ...asked, method: "memory.write" },
    state: {
      ...{ owner, kind: "memory", key: "step", value },
      value_hash: digestOf(canonicalJson(value)),
    },
  },
});

async function runIn(store: Awaited<ReturnType<typeof openSampleStore>>, workspaceId: string) {
  const run = await claimedRun(store, { workspaceId });
  await appendNext(store, run, startedEvents);
  return run;
}

describe("a fact", () => {
  it("is of its workspace: another one has its own under the same id (I14)", async () => {
    const store = await openSampleStore(await tempDir("knowledge"));
    const [here, there] = [newId("workspace"), newId("workspace")];
    await appendNext(store, await runIn(store, here), [remembers("a", "Bern")]);
    expect(await store.knowledge.recall(there, "a", "city")).toBeUndefined();
    await appendNext(store, await runIn(store, there), [remembers("b", "Rome")]);
    expect(await store.knowledge.recall(here, "a", "city")).toMatchObject({ content: "Bern" });
    expect(await store.knowledge.recall(there, "a", "city")).toMatchObject({ content: "Rome" });
    expect((await store.verify()).defects).toEqual([]);
  });

  it("is the agent's that was first, however many write it at once (weaknesses 10, 17)", async () => {
    const store = await openSampleStore(await tempDir("knowledge"));
    const workspaceId = newId("workspace");
    const runs = await Promise.all(Array.from({ length: 20 }, () => runIn(store, workspaceId)));
    const owners = runs.map((_, at) => (at % 2 === 0 ? "even" : "odd"));
    const done = await Promise.allSettled(
      runs.map((run, at) =>
        appendNext(store, run, [remembers(owners[at] ?? "", `by the ${owners[at]}, ${at}`)]),
      ),
    );
    const fact = await store.knowledge.recall(workspaceId, "anybody", "city");
    expect(fact?.content).toMatch(new RegExp(`^by the ${fact?.owner}, `));
    for (const [at, { status }] of done.entries()) {
      expect(status).toBe(owners[at] === fact?.owner ? "fulfilled" : "rejected");
      // What was refused is not in the journal either.
      const events = await store.journal.read(runs[at]?.runId ?? "", 0, 100);
      const wrote = events.some(({ type }) => type === "sdk.called");
      expect(wrote).toBe(status === "fulfilled");
    }
    expect((await store.verify()).defects).toEqual([]);
  });
});

describe("what an agent without a name has kept", () => {
  it("to itself goes with its run, and what it gave to others and what others keep does not", async () => {
    const store = await openSampleStore(await tempDir("knowledge"));
    const workspaceId = newId("workspace");
    const [gone, stays] = [await runIn(store, workspaceId), await runIn(store, workspaceId)];
    const [owner, other] = [`run:${gone.runId}`, `run:${stays.runId}`];
    await appendNext(store, gone, [
      remembers(owner, "mine", { id: "private", visibility: "private" }),
      remembers(owner, "ours"),
      remembers("named", "its", { id: "of-the-agent", visibility: "private" }),
      ...[writes(owner, 1), writes("named", 2), ...finishedEvents()],
    ]);
    await appendNext(store, stays, [
      remembers(other, "its own", { id: "another", visibility: "private" }),
      writes(other, 3),
    ]);
    expect(await store.runs.delete(workspaceId, gone.runId)).toBe("deleted");
    const { knowledge } = store;
    const kept = async (reader: string, id: string) =>
      (await knowledge.recall(workspaceId, reader, id))?.content;
    expect(await kept(owner, "private")).toBeUndefined();
    expect(await kept("anybody", "city")).toBe("ours");
    expect(await kept("named", "of-the-agent")).toBe("its");
    expect(await kept(other, "another")).toBe("its own");
    const values = [owner, "named", other].map(
      async (name) => (await knowledge.value(workspaceId, name, "memory", "step"))?.value,
    );
    expect(await Promise.all(values)).toEqual([undefined, 2, 3]);
    // The id is free again.
    await appendNext(store, stays, [
      remembers(other, "new", { id: "private", visibility: "private" }),
    ]);
    expect(await kept(other, "private")).toBe("new");
    expect((await store.verify()).defects).toEqual([]);
  });
});
