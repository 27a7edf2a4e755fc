import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { describe, expect, it } from "vitest";
import { day, noon, openTimedStore, testClock } from "../../test/support/sample-approvals.ts";
import { appendNext, claimedRun, startedEvents } from "../../test/support/sample-store.ts";
import { tempDir } from "../../test/support/temp-dir.ts";
import type { NewEvent } from "../contract/event.ts";
import { newId, newInteractionId } from "../contract/ids.ts";
import type { NewRun, Store } from "./store.ts";

const answered = { answer_text: "Yes", answer_option_id: null, answered_by: "tok_person" };

/** A run that asks a person and waits; it runs out at `expires`. */
async function asking(store: Store, workspaceId: string, expires = noon + 7 * day) {
  const run = await claimedRun(store, { workspaceId });
  const id = newInteractionId();
  const callId = newId("call");
  await appendNext(store, run, [...startedEvents, replied(callId), ...asks(id, callId, expires)]);
  return { run, id, callId };
}

function replied(callId: string): NewEvent {
  const call = {
    call_id: callId,
    tool_call_id: "c",
    tool: "user_ask",
    arguments: { command: "x" },
  };
  const usage = { input_tokens: 1, output_tokens: 1, cache_read_tokens: 0, cache_write_tokens: 0 };
  return {
    type: "turn.replied",
    data: {
      ...{ turn: 1, attempt: 1, model: "scripted/demo", parts: [], calls: [call] },
      ...{ finish_reason: "calls", usage, duration_ms: 1 },
    },
  };
}

function asks(interaction_id: string, call_id: string, expires: number): NewEvent[] {
  const wait = {
    call_id,
    on: "input" as const,
    tasks: [],
    groups: [],
    interaction_id,
    until: null,
  };
  return [
    {
      type: "input.requested",
      data: {
        ...{ interaction_id, call_id, kind: "decision", question: "Go on?", context: null },
        ...{ options: [], allow_freeform: true, expires_at: new Date(expires).toISOString() },
      },
    },
    { type: "wait.started", data: wait },
  ];
}

async function open(name: string) {
  const clock = testClock();
  const dir = await tempDir(name);
  const store = await openTimedStore(dir, clock);
  return { clock, dir, store, workspaceId: newId("workspace") };
}

const typesOf = async (store: Store, { runId }: NewRun) =>
  (await store.journal.read(runId, 0, 100)).map(({ type }) => type);

describe("a question that nobody answers in time", () => {
  it("runs out once, lets its run go on, and stays so when the clock is set back", async () => {
    const { clock, store, workspaceId } = await open("expiry");
    const { run, id } = await asking(store, workspaceId);
    const later = await asking(store, workspaceId, noon + 8 * day);
    expect(await store.interactions.nextExpiry()).toBe(noon + 7 * day);
    clock.time = noon + 7 * day - 1;
    expect(await store.interactions.expire()).toEqual([]);
    clock.time = noon + 7 * day;
    expect(await store.interactions.expire()).toEqual([run.runId]);
    expect(await store.interactions.expire()).toEqual([]);
    expect(await store.waits.settle(run.runId)).toMatchObject({ runId: run.runId });
    expect(await store.waits.settle(later.run.runId)).toBeUndefined();
    clock.time = noon;
    expect(await store.interactions.get(workspaceId, id)).toMatchObject({ status: "expired" });
    expect((await typesOf(store, run)).slice(-2)).toEqual(["input.answered", "wait.resolved"]);
    expect((await store.verify()).defects).toEqual([]);
  });

  it("is not answered any more, even by who comes before it was written down", async () => {
    const { clock, store, workspaceId } = await open("late");
    const { id } = await asking(store, workspaceId);
    clock.time = noon + 7 * day;
    expect(await store.interactions.answer(workspaceId, id, answered)).toMatchObject({
      ...{ answered: false, interaction: { status: "expired", answerText: null } },
    });
  });

  it("runs out with as many others as there are", async () => {
    const { clock, store, workspaceId } = await open("many");
    for (let at = 0; at < 120; at += 1) await asking(store, workspaceId);
    clock.time = noon + 8 * day;
    expect((await store.interactions.expire()).length).toBe(120);
  });
});

describe("the rows of questions", () => {
  it("follow from the journal: an intruder who changes one is found by verify", async () => {
    for (const [sql, told] of [
      ["UPDATE interactions SET status = 'answered' WHERE id = $id", "a status"],
      ["UPDATE interactions SET request = replace(request, 'Go on', 'Pay me')", "a request"],
      ["UPDATE interactions SET workspace_id = 'ws_other'", "a workspace_id"],
      ["DELETE FROM interactions", "is missing"],
      ["UPDATE executions SET command = 'rm -rf /'", "a command"],
      ["UPDATE executions SET success = 1, finished_at = '2026'", "a success"],
      ["DELETE FROM executions", "is missing"],
    ] as const) {
      const { clock, dir, store, workspaceId } = await open("tampered");
      const { id } = await asking(store, workspaceId);
      expect((await store.verify()).ok).toBe(true);
      await store.close();
      const db = new DatabaseSync(join(dir, "airlock.db"));
      db.exec(sql.replace("$id", `'${id}'`));
      db.close();
      const { defects } = await (await openTimedStore(dir, clock)).verify();
      expect(defects.map(({ message }) => message).join("\n")).toContain(told);
    }
  });
});

describe("a message", () => {
  it("of a call is written once, to all or to none, and never to who has ended", async () => {
    const { store, workspaceId } = await open("messages");
    const root = await claimedRun(store, { workspaceId });
    await appendNext(store, root, startedEvents);
    const child = async () => {
      const parent = {
        ...{ run_id: root.runId, root_run_id: root.runId, call_id: newId("call"), depth: 1 },
        ...{ group: "g", policy: "all" as const, async: true },
      };
      return claimedRun(store, { workspaceId, parent });
    };
    const [first, second] = [await child(), await child()];
    const from = { runId: root.runId, callId: newId("call"), agent: "planner" };
    const to = [first.runId, second.runId];
    const message = { workspaceId, rootRunId: root.runId, from, to, text: 'Say "call_id":"x"' };
    const sent = await store.messages.send(message);
    expect(sent).toMatchObject({ type: "delivered", to: to.map((runId) => ({ runId })) });
    expect(await store.messages.send(message)).toEqual(sent);
    for (const run of [first, second]) {
      const received = (await typesOf(store, run)).filter((type) => type === "message.received");
      expect(received.length).toBe(1);
    }
    const strange = {
      ...message,
      workspaceId: newId("workspace"),
      from: { ...from, callId: newId("call") },
    };
    expect(await store.messages.send(strange)).toEqual({ type: "ended" });
    const end = { status: "succeeded", stop_reason: "end_turn" } as const;
    await appendNext(store, first, [...startedEvents, { type: "run.finishing", data: end }]);
    const again = await store.messages.send({
      ...message,
      from: { ...from, callId: newId("call") },
    });
    expect(again).toMatchObject({ type: "delivered", to: [{ runId: second.runId }] });
    expect((await store.verify()).defects).toEqual([]);
  });

  it("is refused by who has too many that it has not read", async () => {
    const { store, workspaceId } = await open("full");
    const run = await claimedRun(store, { workspaceId });
    await appendNext(store, run, startedEvents);
    const send = () =>
      store.messages.send({
        ...{ workspaceId, rootRunId: run.runId, to: [run.runId], text: "Hello" },
        from: { runId: run.runId, callId: newId("call"), agent: "other" },
      });
    for (let at = 0; at < 100; at += 1) expect((await send()).type).toBe("delivered");
    expect(await send()).toEqual({ type: "full", runId: run.runId });
    await appendNext(store, run, [replied(newId("call"))]);
    expect((await send()).type).toBe("delivered");
  });
});
