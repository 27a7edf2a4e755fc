/**
 * Agents of a tree speak to each other: what was delivered is read, whatever the reader was doing, once, and by nobody of
 * another tree. The model server plays all of them.
 */
import { cpSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { isEvent, type RunRef } from "../src/sdk/sdk.ts";
import { clientOf, defectsOf, historyOf } from "./support/airlock-api.ts";
import {
  openPlayingModel,
  type PlayedTurn,
  type PlayingModel,
  saidIn,
} from "./support/playing-model.ts";
import { resultsOf, untilEvent } from "./support/results-of.ts";
import { newDataDir, type StartedGateway, startGateway } from "./support/start-gateway.ts";
import { installAgents, plannerPower } from "./support/workflow-agents.ts";

const gate = () => ({ asked: Promise.withResolvers<void>(), open: Promise.withResolvers<void>() });
const held = gate();
const parentHeld = gate();
const heldText = (text: string, { asked, open }: ReturnType<typeof gate>): PlayedTurn => ({
  ...{ text, when: open.promise, onAsked: asked.resolve },
});

const spawn = (agent: string, part: string) => ({
  tool: "agent_spawn",
  arguments: { agent_id: agent, message: `play ${part}`, async: true },
});
const say = (to: object, message: string) => ({
  tool: "agent_message",
  arguments: { ...to, message },
});
/** One less than fail in a row before a run is taken to go round in circles: the reader may be gone before the first. */
const burst = Array.from({ length: 11 }, (_, at) => [
  say({ agent_id: "reader.default" }, `burst ${at}`),
]);

const parts: Record<string, PlayedTurn[]> = {
  // The reader's only turn is held until it was spoken to.
  tells: [
    [spawn("reader.default", "listens")],
    [say({ agent_id: "reader.default" }, "The mirror is down")],
    "I have told it.",
    "All is done.",
  ],
  listens: [heldText("My last word.", held), "Now I know."],
  hears: [
    [spawn("writer.default", "tells-parent")],
    heldText("I am waiting.", parentHeld),
    "I heard.",
    "Done.",
  ],
  "tells-parent": [[say({ session_id: "parent" }, "Halfway there")], "Done with it."],
  wrong: [
    [{ tool: "agent_spawn", arguments: { agent_id: "reader.default", message: "play quick" } }],
    [
      say({ agent_id: "reader.default" }, "Too late"),
      say({ session_id: "run_00000000000000000000000000" }, "Who"),
      say({ agent_id: "reader.nobody" }, "Who"),
      say({ session_id: "parent" }, "Root has none"),
      { tool: "agent_message", arguments: { message: "To whom" } },
    ],
    "Done.",
  ],
  quick: ["Quick."],
  forbidden: [
    [spawn("reader.default", "listens-long")],
    [say({ agent_id: "reader.default" }, "You must not hear this")],
    "Done.",
  ],
  "listens-long": ["Nothing to hear."],
  bursts: [[spawn("reader.default", "quick")], ...burst, "Done.", "Done."],
};

const power = [
  ...plannerPower,
  { type: "AgentMessage" as const, patterns: ["reader.*", "planner.*"] },
];
const played = (name: string) => ({
  more: { llm_config: { provider: "compatible", model: name } },
});
const agents = [
  { id: "planner.default", capabilities: power, ...played("planner") },
  {
    id: "planner.silent",
    capabilities: [...plannerPower, { type: "AgentMessage" as const, patterns: ["other.*"] }],
    ...played("silent"),
  },
  { id: "reader.default", capabilities: [], ...played("reader") },
  {
    id: "writer.default",
    capabilities: [{ type: "AgentMessage" as const, patterns: ["*"] }],
    ...played("writer"),
  },
];

let model: PlayingModel;
let gateway: StartedGateway;
beforeAll(async () => {
  model = await openPlayingModel(parts);
  gateway = await startGateway({ env: model.env });
  await installAgents(gateway, agents);
});
afterAll(async () => {
  await gateway.stop();
  await model.close();
});

const play = (part: string, agent = "planner.default", at = gateway): Promise<RunRef> =>
  clientOf(at).submitRun({ agent, message: `play ${part}` });

async function childOf(run: RunRef): Promise<RunRef> {
  const [child] = (await run.tree()).root.children;
  if (child === undefined) throw new Error("There is no task");
  return clientOf(gateway).run(child.run.id);
}

const receivedBy = async (runId: string, at = gateway) =>
  (await historyOf(at, runId)).filter((event) => isEvent(event, "message.received"));

describe("a message", () => {
  it("that comes while the model says its last word gives it another turn, and says who speaks", async () => {
    const run = await play("tells");
    await held.asked.promise;
    await untilEvent(run, "call.finished", 2);
    held.open.resolve();
    expect(await run.wait()).toMatchObject({ status: "succeeded", reply: "All is done." });
    const child = await childOf(run);
    expect(await child.get()).toMatchObject({
      status: "succeeded",
      reply: "Now I know.",
      turns: 2,
    });
    const [, told] = await resultsOf(gateway, run.id);
    expect(told).toEqual({
      ...{ ok: true, delivered: [{ session_id: child.id, agent_id: "reader.default" }] },
    });
    const last = model.asked("reader").at(-1) ?? [];
    expect(last.slice(-2).map(({ role }) => role)).toEqual(["assistant", "user"]);
    expect(JSON.parse(saidIn(last.at(-1) ?? { role: "", content: "" }))).toEqual({
      ...{ type: "agent_message", from_agent_id: "planner.default", from_session_id: run.id },
      message: "The mirror is down",
    });
    expect(defectsOf(child.id, await historyOf(gateway, child.id))).toEqual([]);
  });

  it("to the one who started the task is read by it before its next turn", async () => {
    const run = await play("hears");
    await parentHeld.asked.promise;
    await untilEvent(await childOf(run), "run.finished");
    parentHeld.open.resolve();
    expect(await run.wait()).toMatchObject({ status: "succeeded" });
    const texts = (model.asked("planner").at(-1) ?? []).map(saidIn).join("\n");
    expect(texts).toContain('"message":"Halfway there"');
    expect((await receivedBy(run.id)).length).toBe(1);
  });

  it("to whom nobody is, who has ended, or who was not meant, is an error that says so", async () => {
    const run = await play("wrong");
    await run.wait();
    const results = (await resultsOf(gateway, run.id)).slice(1);
    expect(results.map((one) => [one.ok, one.error_type])).toEqual([
      ...Array.from({ length: 4 }, () => [false, "resource"]),
      [false, "validation"],
    ]);
    expect(results[0]?.message).toBe('"reader.default" has ended, and reads nothing any more');
    expect(results[2]?.message).toBe('Nobody in this workflow is "reader.nobody"');
    const child = await childOf(run);
    expect(await receivedBy(child.id)).toEqual([]);
  });

  it("reaches only whom the capability covers", async () => {
    const run = await play("forbidden", "planner.silent");
    await run.wait();
    const [, refused] = await resultsOf(gateway, run.id);
    expect(refused).toMatchObject({ ok: false, error_type: "permission" });
    expect(await receivedBy((await childOf(run)).id)).toEqual([]);
  });

  it("is never lost once it was delivered, however close to the end it comes", async () => {
    const runs = await Promise.all(Array.from({ length: 6 }, () => play("bursts")));
    for (const run of runs) {
      expect(await run.wait()).toMatchObject({ status: "succeeded" });
      const child = await childOf(run);
      const delivered = (await resultsOf(gateway, run.id)).filter((one) => "delivered" in one);
      const history = await historyOf(gateway, child.id);
      const received = history.filter((event) => isEvent(event, "message.received"));
      expect(received.length).toBe(delivered.length);
      const turns = history.filter((event) => isEvent(event, "turn.replied"));
      const read = turns.at(-1)?.data.read_seq ?? 0;
      for (const { seq } of received) expect(seq).toBeLessThanOrEqual(read);
      expect(await child.get()).toMatchObject({ status: "succeeded" });
    }
  });
});

describe("verify", () => {
  it("finds nothing wrong with what was said", async () => {
    expect(await clientOf(gateway).verify()).toMatchObject({ ok: true, defects: [] });
  });
});

describe("kill -9 around a call that speaks", () => {
  it("says it once, and the same end follows", async () => {
    const template = newDataDir();
    const first = await startGateway({ env: model.env, dataDir: template });
    await installAgents(first, agents);
    const run = await play("bursts", "planner.default", first);
    await run.wait();
    const learned = await historyOf(first, run.id);
    const spoke = learned.findIndex(
      (event) => isEvent(event, "call.started") && event.data.tool === "agent_message",
    );
    await run.delete();
    await first.stop();
    for (const { seq } of learned.slice(spoke, spoke + 2)) {
      const dataDir = newDataDir();
      cpSync(template, dataDir, { recursive: true });
      const doomed = await startGateway({
        ...{ dataDir, preload: ["test/support/kill-after-event.ts"] },
        env: { ...model.env, AIRLOCK_TEST_KILL_SEQ: String(seq) },
      });
      const submission = {
        ...{ agent: "planner.default", message: "play bursts", idempotencyKey: "one" },
      };
      await clientOf(doomed).submitRun(submission);
      await doomed.ended;
      const next = await startGateway({ env: model.env, dataDir });
      try {
        const again = await clientOf(next).submitRun(submission);
        expect(await again.wait()).toMatchObject({ status: "succeeded" });
        const [child] = (await again.tree()).root.children;
        const received = await receivedBy(child?.run.id ?? "", next);
        const texts = received.map(({ data }) => data.text);
        expect(new Set(texts).size).toBe(texts.length);
        expect(await clientOf(next).verify()).toMatchObject({ ok: true, defects: [] });
      } finally {
        await next.stop();
      }
    }
  }, 180_000);
});
