import { newId, newInteractionId } from "../../src/contract/ids.ts";
import type { NewEvent, RunParent } from "../../src/contract/event.ts";
import type { NewRun, Store } from "../../src/store/store.ts";

/** What the maker of a golden directory lends to a part of it. */
export interface GoldenRoom {
  store: Store;
  now: () => number;
  workspaceId: string;
  tokenId: string;
  digest: (text: string) => string;
  submit: (key: string, snapshot: NewRun["snapshot"], more?: Partial<NewRun>) => Promise<string>;
  work: (runId: string, events: NewEvent[]) => Promise<void>;
  begun: NewEvent[];
}

const model = "anthropic/claude-sonnet-4-5";

/** What came with schema version 9: an installed agent, a tree with a budget, questions, messages, facts and a fork. */
export async function makeTree(room: GoldenRoom, finished: string) {
  const { store, workspaceId, digest, now } = room;
  const agent = await installAgent(room);
  const root = await room.submit("root", {
    ...{ model, prompt: ["Have it written"], agent },
    budget: { tokens: 100_000, usd: 5, turns: 20, calls: 40, wallClockSeconds: 86_400 },
    grant: agent.capabilities,
  });
  const spawns = ["done", "asks", "dies"].map((task) => ({ task, id: newId("call", now()) }));
  await room.work(root, [...room.begun, asking(spawns.map(({ id }) => id))]);
  const tasks: Record<string, string> = {};
  for (const { task, id } of spawns) tasks[task] = await spawn(room, root, id, task);
  const { done = "", asks = "", dies = "" } = tasks;
  await room.work(root, [
    { type: "turn.lost", data: { turn: 2, reason: "failed", tokens: 1500, cost_usd: 0.0125 } },
    ...remembered(digest, spawns[0]?.id ?? ""),
  ]);

  await room.work(done, room.begun);
  const answered = await ask(room, done, "2099-12-20T12:00:00.000Z");
  const from = { runId: root, callId: newId("call", now()), agent: "writer.lead" };
  const letter = { workspaceId, rootRunId: root, from, to: [done], text: "Keep it short" };
  await store.messages.send(letter);
  await store.interactions.answer(workspaceId, answered, {
    ...{ answer_text: null, answer_option_id: "short", answered_by: room.tokenId },
  });
  await store.waits.settle(done);
  const end = { status: "succeeded", stop_reason: "end_turn" } as const;
  await room.work(done, [{ type: "run.finished", data: { ...end, cleanup_status: "succeeded" } }]);

  await room.work(asks, room.begun);
  const pending = await ask(room, asks, "2099-12-20T12:00:00.000Z");
  await room.work(dies, room.begun);
  await store.budgets.reserve({
    ...{ runId: dies, rootRunId: root, workspaceId, turn: 1, last: false, more: false },
    ...{ input: { tokens: 400, nanoUsd: 1_200_000 }, nanoUsdPerOutputToken: 15_000 },
    output: { min: 100, wanted: 1000 },
  });
  await room.work(root, [joining([done, asks, dies], "any")]);
  await store.waits.settle(root);
  await room.work(root, [joining([asks, dies], "all")]);

  const forked = await fork(room, finished);
  return {
    runs: { root, done, asks, dies, forked },
    tree: { agent: agent.id, revision: agent.revision, answered, pending },
  };
}

async function installAgent({ store, workspaceId, tokenId, digest }: GoldenRoom) {
  const { revision } = await store.agents.install(workspaceId, {
    manifest: {
      agent: { id: "writer.lead", name: "writer", description: "Has reports written" },
      capabilities: [
        { type: "AgentSpawn", max_children: 4 },
        { type: "SandboxFunctions", allowed: ["knowledge.", "memory."] },
      ],
      llm_config: { provider: "anthropic", model: "claude-sonnet-4-5" },
    },
    instructions: "Have the report written.\n",
    notes: [{ line: 3, path: "agent", message: "It has no version", remedy: "Give it one" }],
    skill: { sha256: digest("SKILL.md"), bytes: 300 },
    files: [{ path: "scripts/count.py", sha256: digest("count"), bytes: 5, executable: true }],
    createdBy: tokenId,
  });
  const { manifest, instructions, files } = revision;
  const { agent, capabilities, llm_config } = manifest;
  return {
    ...{ ...agent, capabilities, instructions, files, revision: revision.revision },
    ...(llm_config ? { llm_config } : {}),
  };
}

function asking(calls: string[]): NewEvent {
  return {
    type: "turn.replied",
    data: {
      ...{ turn: 1, attempt: 1, model, finish_reason: "calls", duration_ms: 700, read_seq: 3 },
      parts: [{ type: "text", text: "Three of you" }],
      calls: calls.map((call_id, index) => ({
        ...{ call_id, tool_call_id: `toolu_${index}`, tool: "agent_spawn" },
        arguments: { agent_id: "writer.lead", message: "Write your part" },
      })),
      usage: { input_tokens: 300, output_tokens: 90, cache_read_tokens: 0, cache_write_tokens: 0 },
      cost_usd: 0.00225,
    },
  };
}

/** One task, made by a call of the root. */
async function spawn(room: GoldenRoom, root: string, callId: string, name: string) {
  const call = { call_id: callId, tool: "agent_spawn" };
  await room.work(root, [
    { type: "call.decided", data: { ...call, decision: "allow", rule: "AgentSpawn" } },
    { type: "call.started", data: { ...call, turn: 1 } },
  ]);
  const group = { group: "parts", policy: "all", async: true } as const;
  const parent: RunParent = {
    ...{ run_id: root, root_run_id: root, call_id: callId, depth: 1, ...group },
  };
  const agent = { id: "writer.part", instructions: "Write one part", capabilities: [] };
  const prompt = ["Write your part"];
  const more = { parent, idempotencyKey: null };
  const taskId = await room.submit(name, { model, prompt, agent }, more);
  await room.work(root, [
    {
      type: "call.finished",
      data: {
        ...{ ...call, outcome: "returned", duration_ms: 12 },
        result: { ok: true, task_id: taskId },
        task: { task_id: taskId, agent_id: "writer.part", ...group },
      },
    },
  ]);
  return taskId;
}

function remembered(digest: GoldenRoom["digest"], call_id: string): NewEvent[] {
  const allowed = { call_id, decision: "allow", rule: "SandboxFunctions" } as const;
  const owner = "writer.lead";
  return [
    {
      type: "sdk.called",
      data: {
        ...{ ...allowed, method: "knowledge.remember", asked: { id: "style" } },
        fact: {
          ...{ id: "style", scope: "reports", owner, content: { tone: "plain" } },
          ...{ content_hash: digest('{"tone":"plain"}'), tags: ["tone"], visibility: "shared" },
          shared_with: ["writer.part"],
        },
      },
    },
    {
      type: "sdk.called",
      data: {
        ...{ ...allowed, method: "memory.write", asked: { key: "count" } },
        state: { owner, kind: "memory", key: "count", value: 3, value_hash: digest("3") },
      },
    },
  ];
}

/** A question to a person, for which the run waits. */
async function ask({ work, now }: GoldenRoom, runId: string, until: string): Promise<string> {
  const question = { interaction_id: newInteractionId(), call_id: newId("call", now()) };
  await work(runId, [
    {
      type: "input.requested",
      data: {
        ...{ ...question, kind: "decision", question: "How long?", context: "A report" },
        options: [{ id: "short", label: "One page", value: 1 }],
        ...{ allow_freeform: true, expires_at: until },
      },
    },
    {
      type: "wait.started",
      data: { ...question, on: "input", tasks: [], groups: [], until: null },
    },
  ]);
  return question.interaction_id;
}

function joining(tasks: string[], policy: "all" | "any"): NewEvent {
  const groups = [{ group: "parts", policy, tasks }];
  const nothing = { call_id: null, tasks: [], interaction_id: null, until: null };
  return { type: "wait.started", data: { ...nothing, on: "children", groups } };
}

async function fork({ store, digest, submit }: GoldenRoom, finished: string): Promise<string> {
  const replied = (await store.journal.read(finished, 0, 100)).find(
    ({ type }) => type === "turn.replied",
  );
  if (replied === undefined) throw new Error("The run to be forked has a turn");
  const transcript = digest("transcript");
  const snapshot: NewRun["snapshot"] = {
    ...{ model: "openai/gpt-5", prompt: ["In French"] },
    forked: { run_id: finished, turn: 1, head: replied.hash, transcript },
  };
  const content = [
    { name: "notes", visibility: "session" as const, sha256: digest("notes"), bytes: 5 },
  ];
  const forked = { from_run_id: finished, turn: 1, content, layers: [], artifacts: [] };
  return submit("forked", snapshot, { forked });
}
