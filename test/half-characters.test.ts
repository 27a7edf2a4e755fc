/**
 * Text is cut in many places: in summaries, heads, names and lists. No cut leaves half a character, and half a character
 * that a model says itself neither ends a run nor makes rows differ from their journal.
 */
import { afterAll, beforeAll, expect, it } from "vitest";
import { clientOf, defectsOf, historyOf } from "./support/airlock-api.ts";
import { resultsOf, untilEvent } from "./support/results-of.ts";
import { type StartedGateway, startGateway } from "./support/start-gateway.ts";
import { coderPower, installAgents, plannerPower } from "./support/workflow-agents.ts";

/** Four bytes in UTF-8, two code units here. */
const star = "🌠";
const half = star.slice(0, 1);
/** Of these, one has a character across any even and the other across any odd place. */
const even = star.repeat(1_500);
const odd = `x${even}`;

const spawn = (agent: string, message: string) => ({
  tool: "agent_spawn",
  arguments: { agent_id: `${agent}.default`, message, metadata: { why: message } },
});
const exec = (text: string) => ({
  tool: "sandbox_exec",
  arguments: { command: `printf %s '${text}'`, network: "none" },
});
const look = [
  { tool: "execution_search", arguments: { limit: 100 } },
  { tool: "workflow_state", arguments: {} },
];
const write = (name: string, content: string) => ({
  tool: "content_write",
  arguments: { name, content },
});
const asks = (question: string) => ({ tool: "user_ask", arguments: { question } });

const scripts = {
  even: {
    turns: [{ calls: [exec(even), write("even.txt", even)] }, { calls: look }, { text: even }],
  },
  odd: { turns: [{ calls: [exec(odd), write("odd.txt", odd)] }, { calls: look }, { text: odd }] },
  cuts: {
    turns: [{ calls: [spawn("even", even), spawn("odd", odd)] }, { calls: look }, { text: "Cut." }],
  },
  half: {
    turns: [
      { calls: [exec(half), write(`a${half}.txt`, half), asks(`Which ${half}?`)] },
      { calls: look },
      { text: `Half ${half}` },
    ],
  },
  halves: {
    turns: [
      {
        calls: [
          { ...spawn("half", half), arguments: { ...spawn("half", half).arguments, async: true } },
        ],
      },
      { text: `Given ${half}` },
      { calls: look },
      { text: `Done ${half}` },
    ],
  },
};

let gateway: StartedGateway;
beforeAll(async () => {
  gateway = await startGateway({ script: { scripts } });
  await installAgents(gateway, [
    ...["even", "odd", "half"].map((name) => ({
      ...{ id: `${name}.default`, capabilities: [...coderPower, ...plannerPower] },
    })),
    ...["cuts", "halves"].map((script) => ({
      ...{ id: `planner.${script}`, script, capabilities: plannerPower },
    })),
  ]);
});
afterAll(() => gateway.stop());

const client = () => clientOf(gateway);

/** All that a model was told of the calls of a tree: the search is told of heads, the state of summaries. */
async function toldIn(runId: string): Promise<unknown[]> {
  const { root } = await client().tree(runId);
  const told = [];
  for (const { run } of [root, ...root.children]) {
    const history = await historyOf(gateway, run.id);
    expect(defectsOf(run.id, history)).toEqual([]);
    told.push(await resultsOf(gateway, run.id), run.reply);
  }
  return told;
}

const isWhole = (value: unknown): boolean => {
  if (typeof value === "string") return value.isWellFormed() && !value.includes("\ufffd");
  return typeof value !== "object" || value === null || Object.values(value).every(isWhole);
};

it("keeps whole every character of texts that are cut, wherever that is", async () => {
  const run = await client().submitRun({ agent: "planner.cuts", message: "go" });
  expect(await run.wait()).toMatchObject({ status: "succeeded", reply: "Cut." });
  const told = await toldIn(run.id);
  expect(JSON.stringify(told)).toContain(`${star}…`);
  expect(told.filter((one) => !isWhole(one))).toEqual([]);
  expect((await client().verify()).defects).toEqual([]);
});

it("takes half a character that a model says for the sign of one that is lost", async () => {
  const run = await client().submitRun({ agent: "planner.halves", message: "go" });
  await untilEvent(run, "wait.started");
  const [child] = (await run.tree()).root.children;
  await untilEvent(client().run(child?.run.id ?? ""), "wait.started");
  const { interactions } = await client().interactions.list({ status: "pending" });
  expect(interactions).toMatchObject([{ question: "Which \ufffd?" }]);
  await client().interactions.answer(interactions[0]?.id ?? "", { text: "That one" });
  expect(await run.wait()).toMatchObject({ status: "succeeded", reply: "Done \ufffd" });
  for (const event of await historyOf(gateway, child?.run.id ?? "")) {
    expect(JSON.stringify(event)).not.toMatch(/\\ud[89a-f]/);
  }
  expect((await client().verify()).defects).toEqual([]);
});
