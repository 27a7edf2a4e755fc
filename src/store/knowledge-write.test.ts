import { describe, expect, it } from "vitest";
import {
  appendNext,
  claimedRun,
  digestOf,
  openSampleStore,
  startedEvents,
} from "../../test/support/sample-store.ts";
import { tempDir } from "../../test/support/temp-dir.ts";
import { canonicalJson } from "../base/canonical-json.ts";
import type { NewEvent } from "../contract/event.ts";
import { newId } from "../contract/ids.ts";

const remembers = (owner: string, content: unknown): NewEvent => ({
  type: "sdk.called",
  data: {
    ...{ call_id: null, method: "knowledge.remember", decision: "allow", rule: "all", asked: {} },
    fact: {
      ...{ id: "city", scope: "general", owner, content, tags: [], visibility: "global" },
      ...{ content_hash: digestOf(canonicalJson(content)), shared_with: [] },
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
