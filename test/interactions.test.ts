/**
 * Agents ask people, through a whole gateway: a question parks the run, holds nothing, is answered once over HTTP or at the
 * terminal, and the run goes on with the rest of its turn.
 */
import { existsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { ApiError, type Interaction, isEvent, type RunRef } from "../src/sdk/sdk.ts";
import { call, clientOf, defectsOf, historyOf } from "./support/airlock-api.ts";
import { resultsOf, untilEvent } from "./support/results-of.ts";
import { type StartedGateway, startGateway } from "./support/start-gateway.ts";
import { typed } from "./support/terminal.ts";

const options = [
  { id: "bern", label: "The one in Bern", value: { city: "Bern", code: 3000 } },
  { id: "rome", label: "The one in Rome" },
];
const asks = (args: object) => ({ tool: "user_ask", arguments: args });
const agent = {
  ...{ id: "asker", instructions: "Ask.", capabilities: [] },
} satisfies { capabilities: [] };
const writer = {
  ...{ id: "writer", instructions: "Ask and write." },
  capabilities: [
    { type: "WriteAccess" as const, scopes: ["*"] },
    { type: "ReadAccess" as const, scopes: ["*"] },
  ],
};
const writes = (name: string) => ({
  tool: "content_write",
  arguments: { name, content: `${name} is here` },
});

const script = {
  scripts: {
    options: {
      turns: [{ calls: [asks({ question: "Which station?", options })] }, { text: "ok" }],
    },
    strict: {
      turns: [
        { calls: [asks({ question: "Which?", options, allow_freeform: false })] },
        { text: "ok" },
      ],
    },
    open: { turns: [{ calls: [asks({ question: "Who are you?" })] }, { text: "ok" }] },
    batch: {
      turns: [
        { calls: [writes("before.txt"), asks({ question: "Go on?" }), writes("after.txt")] },
        { text: "ok" },
      ],
    },
    wrong: {
      turns: [{ calls: [asks({ question: "Which?", allow_freeform: false })] }, { text: "ok" }],
    },
    dotted: {
      turns: [{ calls: [{ tool: "user.ask", arguments: { question: "A?" } }] }, { text: "ok" }],
    },
    escalates: {
      turns: [
        {
          calls: [
            {
              tool: "session_escalate",
              arguments: {
                ...{ reason: "The build fails", context: "Tried twice", urgency: "high" },
                suggested_actions: ["Give up", "Try the mirror"],
              },
            },
          ],
        },
        { text: "ok" },
      ],
    },
  },
};

let gateway: StartedGateway;
beforeAll(async () => {
  gateway = await startGateway({ script });
});
afterAll(() => gateway.stop());

const client = () => clientOf(gateway);

/** A run that waits for a person, and what it asks. */
async function asking(
  name: keyof typeof script.scripts,
  more: { agent?: typeof agent | typeof writer; secrets?: { env: Record<string, string> } } = {},
): Promise<{ run: RunRef; asked: Interaction }> {
  const run = await client().submitRun({ model: `scripted/${name}`, prompt: "go", agent, ...more });
  await untilEvent(run, "wait.started");
  const waiting = (await run.get()).waiting;
  if (waiting?.on !== "input") throw new Error(`It waits on ${JSON.stringify(waiting)}`);
  return { run, asked: await client().interactions.get(waiting.interactionId) };
}

const answer = (id: string, given: { text: string } | { option: string }) =>
  client().interactions.answer(id, given);

/** How a refused answer is refused. */
async function refusal(work: Promise<unknown>): Promise<ApiError> {
  const error = await work.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  if (error instanceof ApiError) return error;
  throw new Error(`Not refused by the gateway: ${String(error)}`);
}

async function checkEnd(run: RunRef) {
  const ended = await run.wait();
  expect(defectsOf(run.id, await historyOf(gateway, run.id))).toEqual([]);
  return ended;
}

describe("an agent that asks a person", () => {
  it("waits as a row, and goes on with the option that was chosen and its value", async () => {
    const { run, asked } = await asking("options");
    expect(asked).toMatchObject({
      ...{ runId: run.id, rootRunId: run.id, agent: "asker", status: "pending" },
      ...{ kind: "clarification", question: "Which station?", options, allowFreeform: true },
      ...{ answerText: null, answeredBy: null },
    });
    const week = 7 * 24 * 60 * 60_000;
    const lasts = Date.parse(asked.expiresAt) - Date.parse(asked.createdAt);
    expect(Math.abs(lasts - week)).toBeLessThan(60_000);
    expect(await run.get()).toMatchObject({
      ...{ status: "waiting", waiting: { on: "input", interactionId: asked.id } },
    });
    const pending = await Array.fromAsync(client().interactions.all({ status: "pending" }));
    expect(pending.map(({ id }) => id)).toContain(asked.id);
    const answered = await answer(asked.id, { option: "bern" });
    expect(answered).toMatchObject({ status: "answered", answerOptionId: "bern" });
    expect(answered.answeredBy).toMatch(/^tok_/);
    expect(await checkEnd(run)).toMatchObject({ status: "succeeded", reply: "ok" });
    expect(await resultsOf(gateway, run.id)).toEqual([
      {
        ...{ ok: true, interaction_id: asked.id, status: "answered", answer_option_id: "bern" },
        ...{ answer_label: "The one in Bern", answer: { city: "Bern", code: 3000 } },
      },
    ]);
  });

  it("in the middle of a turn keeps what was done and does the rest after the answer, with a text", async () => {
    const { run, asked } = await asking("batch", { agent: writer });
    expect(existsSync(join(gateway.dataDir, "runs", run.id))).toBe(true);
    expect((await resultsOf(gateway, run.id)).length).toBe(1);
    await answer(asked.id, { text: "Yes\nplease" });
    expect(await checkEnd(run)).toMatchObject({ status: "succeeded" });
    const results = await resultsOf(gateway, run.id);
    expect(results.map(({ ok }) => ok)).toEqual([true, true, true]);
    expect(results[1]).toMatchObject({ answer_text: "Yes\nplease", answer: "Yes\nplease" });
  });

  it("is understood in the dotted spelling too", async () => {
    const { run, asked } = await asking("dotted");
    await answer(asked.id, { text: "B" });
    expect(await checkEnd(run)).toMatchObject({ status: "succeeded" });
  });

  it("that forbids a text without an option is told what is wrong, and nobody is asked", async () => {
    const run = await client().submitRun({ model: "scripted/wrong", prompt: "go", agent });
    expect(await run.wait()).toMatchObject({ status: "succeeded" });
    const [result] = await resultsOf(gateway, run.id);
    expect(result).toMatchObject({ ok: false, error_type: "validation" });
    expect(result?.message).toContain("expected options when the answer must be one of them");
  });

  it("and escalates gets a person's answer, with the actions that it suggested", async () => {
    const { run, asked } = await asking("escalates");
    expect(asked).toMatchObject({ kind: "escalation", question: "The build fails" });
    expect(asked.context).toBe("Urgency: high\n\nTried twice");
    await answer(asked.id, { option: "2" });
    await checkEnd(run);
    const [result] = await resultsOf(gateway, run.id);
    expect(result).toMatchObject({ ok: true, target: "human", answer: "Try the mirror" });
  });
});

describe("an answer", () => {
  it("is one: of many at once one wins, and the others are told of it", async () => {
    const { run, asked } = await asking("open");
    const texts = Array.from({ length: 8 }, (_, at) => `I am ${at}`);
    const answers = await Promise.allSettled(texts.map((text) => answer(asked.id, { text })));
    const won = answers.filter(({ status }) => status === "fulfilled");
    expect(won.length).toBe(1);
    const [winner] = won;
    const text = winner?.status === "fulfilled" ? winner.value.answerText : null;
    for (const one of answers) {
      if (one.status === "fulfilled") continue;
      expect(one.reason).toMatchObject({
        ...{ code: "interaction_answered", status: 409 },
        details: { interaction: { id: asked.id, answerText: text } },
      });
    }
    await checkEnd(run);
    const history = await historyOf(gateway, run.id);
    expect(history.filter(({ type }) => type === "input.answered").length).toBe(1);
    const [result] = await resultsOf(gateway, run.id);
    expect(result).toMatchObject({ answer: text });
    // Who says the same again, because the answer of the gateway was lost, is not too late.
    expect(await answer(asked.id, { text: text ?? "" })).toMatchObject({ answerText: text });
  });

  it("that the question does not allow is refused, and the field is named", async () => {
    const { run, asked } = await asking("strict");
    const text = await refusal(answer(asked.id, { text: "Neither" }));
    expect(text.message).toBe(
      'Cannot use text: expected one of the options "bern", "rome" in place of a text',
    );
    expect(text.details).toMatchObject({ fields: [{ path: "text" }] });
    const option = await refusal(answer(asked.id, { option: "oslo" }));
    expect(option.message).toContain(
      'option: "oslo" is none of it; expected one of "bern", "rome"',
    );
    const path = `/api/interactions/${asked.id}/answer`;
    for (const body of [{}, { text: "a", option: "bern" }, { text: "" }, { answer: "a" }]) {
      expect((await call(gateway, "POST", path, body)).status).toBe(400);
    }
    expect(await client().interactions.get(asked.id)).toMatchObject({ status: "pending" });
    await answer(asked.id, { option: "rome" });
    await checkEnd(run);
    expect(await resultsOf(gateway, run.id)).toMatchObject([{ answer: "The one in Rome" }]);
  });

  it("is written down without the secrets of the run and of the workspace", async () => {
    const secrets = { env: { RUN_KEY: "run-canary-5f1e77c2" } };
    await client().secrets.set("PLACE", "workspace-canary-77ab31");
    const { run, asked } = await asking("open", { secrets });
    await answer(asked.id, { text: "run-canary-5f1e77c2 or workspace-canary-77ab31" });
    await checkEnd(run);
    const told = JSON.stringify([
      await historyOf(gateway, run.id),
      await client().interactions.get(asked.id),
    ]);
    expect(told).not.toContain("canary");
    expect(told).toContain(" or ");
  });

  it("takes the scope approve; to look takes runs or approve", async () => {
    const { run, asked } = await asking("open");
    const runs = await client().tokens.create({ name: "runs", scopes: ["runs"] });
    const reader = { url: gateway.url, token: runs.secret };
    expect(await clientOf(reader).interactions.get(asked.id)).toMatchObject({ id: asked.id });
    const refused = await refusal(clientOf(reader).interactions.answer(asked.id, { text: "x" }));
    expect(refused.code).toBe("insufficient_scope");
    await run.cancel();
    await run.wait();
  });

  it("of another workspace is not there, in no way at all (I14)", async () => {
    const { run, asked } = await asking("open");
    const other = await client().tokens.create({
      ...{ name: "other", scopes: ["runs", "approve"], workspace: "other" },
    });
    const there = clientOf({ url: gateway.url, token: other.secret }).interactions;
    const never = "int_00000000000000000000000000";
    for (const id of [asked.id, never]) {
      const looked = await refusal(there.get(id));
      expect(looked).toMatchObject({ code: "not_found" });
      expect(looked.message).toBe(`There is no interaction "${id}"`);
      expect(await refusal(there.answer(id, { text: "x" }))).toMatchObject({ code: "not_found" });
    }
    expect(await there.list()).toEqual({ interactions: [] });
    expect(await client().interactions.get(asked.id)).toMatchObject({ status: "pending" });
    await run.cancel();
    await run.wait();
  });
});

describe("a run that ends while it asks", () => {
  it("takes the question back, and who answers it is told so", async () => {
    const { run, asked } = await asking("open");
    await run.cancel();
    expect(await run.wait()).toMatchObject({ status: "cancelled" });
    expect(await client().interactions.get(asked.id)).toMatchObject({ status: "cancelled" });
    const late = await refusal(answer(asked.id, { text: "I am late" }));
    expect(late.code).toBe("interaction_answered");
    expect(late.message).toContain("is cancelled since");
    const history = await historyOf(gateway, run.id);
    expect(history.some((event) => isEvent(event, "input.answered"))).toBe(false);
  });

  it("stops at once in an emergency, and its question with it", async () => {
    const { run, asked } = await asking("open");
    await run.stop({ reason: "It asks too much" });
    expect(await run.wait()).toMatchObject({ status: "terminated" });
    expect(await client().interactions.get(asked.id)).toMatchObject({ status: "cancelled" });
  });

  it("and is deleted takes its questions with it", async () => {
    const { run, asked } = await asking("open");
    await answer(asked.id, { text: "Me" });
    await run.wait();
    await run.delete();
    expect(await refusal(client().interactions.get(asked.id))).toMatchObject({ status: 404 });
  });
});

describe("the list", () => {
  it("comes in pages, newest first, pending ones oldest first", async () => {
    const runs: RunRef[] = [];
    for (let at = 0; at < 3; at += 1) runs.push((await asking("open")).run);
    const page = await client().interactions.list({ status: "pending", limit: 2 });
    expect(page.interactions.length).toBe(2);
    const all = await Array.fromAsync(client().interactions.all({ status: "pending" }));
    expect(all.map(({ runId }) => runId)).toEqual(runs.map(({ id }) => id));
    const rest = await client().interactions.list({
      ...{ status: "pending", limit: 2, cursor: page.nextCursor ?? "" },
    });
    expect([...page.interactions, ...rest.interactions]).toEqual(all);
    const times = (await client().interactions.list()).interactions.map((one) => one.createdAt);
    expect(times).toEqual(times.toSorted().reverse());
    const wrong = await refusal(client().interactions.list({ cursor: "bm90aGluZw" }));
    expect(wrong.code).toBe("invalid_request");
    for (const run of runs) await run.cancel();
    for (const run of runs) await run.wait();
  });
});

describe("at the terminal", () => {
  const airlock = (argv: string[], how: { tty?: boolean; types?: string[] } = {}) =>
    typed(argv, { url: gateway.url, token: gateway.token, ...how });

  it("a question is listed, shown, and answered by typing the number of an option", async () => {
    const { run, asked } = await asking("options");
    const listed = await airlock(["interactions", "list", "--status", "pending"]);
    expect(listed.out).toContain("Which station?");
    const shown = await airlock(["interactions", "show", asked.id]);
    expect(shown.out).toContain("1) The one in Bern  [bern]");
    const answered = await airlock(["interactions", "answer", asked.id], {
      ...{ tty: true, types: ["2"] },
    });
    expect(answered).toMatchObject({ code: 0 });
    await checkEnd(run);
    expect(await resultsOf(gateway, run.id)).toMatchObject([{ answer_option_id: "rome" }]);
  });

  it("flags answer too; a script that gives none is told which there are", async () => {
    const { run, asked } = await asking("open");
    const silent = await airlock(["interactions", "answer", asked.id]);
    expect(silent.code).toBe(2);
    expect(silent.err).toContain(`airlock interactions answer ${asked.id} --text TEXT`);
    const status = await airlock(["status", run.id]);
    expect(`${status.out}${status.err}`).toContain("Who are you?");
    expect(`${status.out}${status.err}`).toContain(`interactions answer ${asked.id}`);
    const given = await airlock(["interactions", "answer", asked.id, "--text", "Me", "--json"]);
    expect(JSON.parse(given.out)).toMatchObject({ status: "answered", answerText: "Me" });
    await checkEnd(run);
  });

  it("who follows a run sees what it asks, how to answer, and the answer", async () => {
    const file = join(gateway.dataDir, "asker.json");
    writeFileSync(file, JSON.stringify(agent));
    const argv = ["run", "--model", "scripted/open", "--prompt", "go", "--agent", file];
    const newest = async () => (await client().listRuns({ limit: 1 })).runs[0]?.id;
    const before = await newest();
    const followed = airlock([...argv, "--follow"]);
    let id = await newest();
    while (id === undefined || id === before) id = await newest();
    const run = client().run(id);
    await untilEvent(run, "wait.started");
    const { waiting } = await run.get();
    const asked = waiting?.on === "input" ? waiting.interactionId : "";
    await answer(asked, { text: "The owner" });
    await run.wait();
    const { out, code } = await followed;
    expect(code).toBe(0);
    expect(out).toContain("Who are you?");
    expect(out).toContain(`airlock interactions answer ${asked} --text TEXT`);
    expect(out).toMatch(/answered by tok_\w+: The owner/);
    expect(out).not.toContain("A new worker");
  });
});

describe("verify", () => {
  it("finds nothing wrong with all that was asked here", async () => {
    expect(await client().verify()).toMatchObject({ ok: true, defects: [] });
  });
});
