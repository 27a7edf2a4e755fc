/**
 * An agent at its wits' end: a stronger model thinks about it once, or it is told which agents fit. (A person who is asked is
 * in interactions.test.ts.) The model server plays everybody.
 */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { RunRef } from "../src/sdk/sdk.ts";
import { clientOf } from "./support/airlock-api.ts";
import { openPlayingModel, type PlayingModel, saidIn } from "./support/playing-model.ts";
import { resultsOf } from "./support/results-of.ts";
import { type StartedGateway, startGateway } from "./support/start-gateway.ts";
import { installAgents } from "./support/workflow-agents.ts";

const escalates = (target: string, more = {}) => ({
  tool: "session_escalate",
  arguments: { reason: "Rust builds fail to link", context: "play sage", target, ...more },
});

let model: PlayingModel;
let gateway: StartedGateway;
beforeAll(async () => {
  model = await openPlayingModel({
    thinks: [[escalates("reasoning_llm", { urgency: "high" })], "Thank you."],
    seeks: [[escalates("specialist")], [escalates("specialist", { reason: "zzzz" })], "Thank you."],
    sage: ["Install lld, then link with it."],
    nags: [[escalates("reasoning_llm", { context: "play pushy" })], "Thank you."],
    pushy: [[{ tool: "user_ask", arguments: { question: "May I?" } }], "Ask nobody."],
    alone: [
      [
        { tool: "user_ask", arguments: { question: "May I?" } },
        escalates("reasoning_llm"),
        { tool: "workflow_state", arguments: {} },
      ],
      "Thank you.",
    ],
  });
  gateway = await startGateway({
    env: { ...model.env, AIRLOCK_ESCALATION_MODEL: "compatible/sage" },
  });
  const played = { more: { llm_config: { provider: "compatible", model: "agents" } } };
  await installAgents(gateway, [
    { id: "stuck.default", capabilities: [], ...played },
    {
      ...{ id: "linker.default", capabilities: [] },
      more: {
        ...played.more,
        agent: {
          id: "linker.default",
          name: "linker",
          description: "Rust builds that fail to link",
        },
      },
    },
  ]);
});
afterAll(async () => {
  await gateway.stop();
  await model.close();
});

async function played(part: string, at = gateway): Promise<RunRef> {
  const run = await clientOf(at).submitRun({ agent: "stuck.default", message: `play ${part}` });
  expect(await run.wait()).toMatchObject({ status: "succeeded", reply: "Thank you." });
  return run;
}

describe("an escalation", () => {
  it("to a reasoning model is one answer of the operator's model, as a task without tools and power", async () => {
    const run = await played("thinks");
    const [child] = (await run.tree()).root.children;
    expect(child?.run).toMatchObject({
      ...{ status: "succeeded", model: "compatible/sage", agent: "escalation", turns: 1, calls: 0 },
      submission: { agent: { capabilities: [] } },
    });
    expect(await resultsOf(gateway, run.id)).toMatchObject([
      {
        ...{ ok: true, target: "reasoning_llm", task_id: child?.run.id },
        ...{ answer: "Install lld, then link with it." },
        llm_usage: [{ model: "compatible/sage" }],
      },
    ]);
    expect(model.shown("sage")).toEqual([]);
    const [request] = model.asked("sage");
    expect(request?.map(saidIn).at(-1)).toBe(
      "Rust builds fail to link\n\nUrgency: high\n\nplay sage",
    );
  });

  it("asks nobody further, whatever the stronger model calls: it has no tools, shown or not", async () => {
    const run = await played("nags");
    const [child] = (await run.tree()).root.children;
    expect(await resultsOf(gateway, child?.run.id ?? "")).toMatchObject([
      { ok: false, message: 'There is no tool "user_ask"' },
    ]);
    expect(await resultsOf(gateway, run.id)).toMatchObject([{ ok: true, answer: "Ask nobody." }]);
  });

  it("is not there for the built-in agent, which works alone, nor is anything else of a tree", async () => {
    const run = await clientOf(gateway).submitRun({
      ...{ model: "compatible/agents", prompt: "play alone" },
    });
    expect(await run.wait()).toMatchObject({ status: "succeeded" });
    expect((await run.tree()).root.children).toEqual([]);
    expect(await resultsOf(gateway, run.id)).toMatchObject([
      { ok: false, message: 'There is no tool "user_ask"' },
      { ok: false, message: 'There is no tool "session_escalate"' },
      { ok: false, message: 'There is no tool "workflow_state"' },
    ]);
  });

  it("to a specialist names the agents that fit, and never the one that asks", async () => {
    const run = await played("seeks");
    const [found, none] = await resultsOf(gateway, run.id);
    expect(found).toMatchObject({ ok: true, target: "specialist" });
    const candidates = (found?.candidates ?? []) as { agent_id: string }[];
    const ids = candidates.map((one) => one.agent_id);
    expect(ids).toContain("linker.default");
    expect(ids).not.toContain("stuck.default");
    expect(none).toMatchObject({ ok: false, error_type: "resource" });
  });

  it("without an escalation model says what the operator can do, and asks nobody", async () => {
    const bare = await startGateway({ env: model.env });
    try {
      const played = { more: { llm_config: { provider: "compatible", model: "agents" } } };
      await installAgents(bare, [{ id: "stuck.default", capabilities: [], ...played }]);
      const before = model.asked("sage").length;
      const run = await clientOf(bare).submitRun({
        agent: "stuck.default",
        message: "play thinks",
      });
      await run.wait();
      const [result] = await resultsOf(bare, run.id);
      expect(result).toMatchObject({ ok: false, error_type: "resource" });
      expect(result?.repair_hint).toContain("AIRLOCK_ESCALATION_MODEL");
      expect(model.asked("sage").length).toBe(before);
    } finally {
      await bare.stop();
    }
  });
});
