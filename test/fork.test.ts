/**
 * A fork goes on from a turn of another run: it remembers exactly what was said until then and sees what could be seen, and
 * the other run goes its own way.
 */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { ApiError, isEvent, type RunRef } from "../src/sdk/sdk.ts";
import { call, clientOf, defectsOf, historyOf } from "./support/airlock-api.ts";
import { everyCommand } from "./support/every-command.ts";
import {
  openPlayingModel,
  type PlayingModel,
  type SaidMessage,
  saidIn,
} from "./support/playing-model.ts";
import { resultsOf, untilEvent } from "./support/results-of.ts";
import { type StartedGateway, startGateway } from "./support/start-gateway.ts";
import { typed } from "./support/terminal.ts";

const writes = (name: string, content: string, visibility = "session") => ({
  tool: "content_write",
  arguments: { name, content, visibility },
});
const reads = (name: string) => ({ tool: "content_read", arguments: { name_or_handle: name } });
const runs = (command: string, more = {}) => ({
  tool: "sandbox_exec",
  arguments: { command, ...more },
});
const captures = runs("mkdir -p /tmp/tools && echo from-layer > /tmp/tools/f", {
  capture_paths: [{ path: "/tmp/tools", mount_as: "/opt/tools" }],
});
const release = Promise.withResolvers<void>();
const asked = Promise.withResolvers<void>();

const parts = {
  story: [
    [writes("plan.txt", "plan one"), writes("mine.txt", "my secret notes", "private")],
    [runs("echo scratch > /tmp/left && cat /workspace/in.txt")],
    [writes("plan.txt", "plan two"), writes("late.txt", "too late")],
    "The story is over.",
  ],
  look: [
    [reads("plan.txt"), reads("mine.txt"), reads("late.txt")],
    [runs("cat /workspace/in.txt; ls /tmp/left")],
    "I have looked.",
  ],
  word: ["One word."],
  held: [
    [writes("plan.txt", "held plan")],
    { text: "Held no more.", when: release.promise, onAsked: asked.resolve },
  ],
  layers: [[captures], [writes("main.sh", "#!/bin/sh\ncat /tmp/tools/f\n")], "Layered."],
  "use-layer": [[runs("cat /tmp/tools/f")], "Used."],
  artifact: [
    [writes("main.sh", "#!/bin/sh\necho built\n")],
    [{ tool: "artifact_build", arguments: { inputs: ["main.sh"], entrypoints: ["main.sh"] } }],
    "Built.",
  ],
};

const agent = {
  ...{ id: "forker", instructions: "Do as you are told." },
  capabilities: [
    { type: "CodeExecution" as const, patterns: everyCommand },
    { type: "WriteAccess" as const, scopes: ["*"] },
    { type: "ReadAccess" as const, scopes: ["*"] },
  ],
};

let model: PlayingModel;
let gateway: StartedGateway;
beforeAll(async () => {
  model = await openPlayingModel(parts);
  gateway = await startGateway({ env: model.env });
});
afterAll(async () => {
  await gateway.stop();
  await model.close();
});

const client = () => clientOf(gateway);
let counted = 0;

async function start(part: keyof typeof parts, more = {}): Promise<{ run: RunRef; name: string }> {
  counted += 1;
  const name = `m${counted}`;
  const files = [{ path: "in.txt", content: "the input\n" }];
  const run = await client().submitRun({
    ...{ model: `compatible/${name}`, prompt: `play ${part}`, agent, files, ...more },
  });
  return { run, name };
}

async function story(more = {}) {
  const told = await start("story", more);
  expect(await told.run.wait()).toMatchObject({ status: "succeeded" });
  return told;
}

async function ended(run: RunRef) {
  const end = await run.wait();
  expect(defectsOf(run.id, await historyOf(gateway, run.id))).toEqual([]);
  return end;
}

/** The messages of the newest request for a model, without what the system said. */
function newest(name: string) {
  return (model.asked(name).at(-1) ?? []).filter(({ role }) => role !== "system");
}

/** Messages without the order of members in their JSON, which says nothing. */
function meant(messages: SaidMessage[]): unknown {
  return messages.map(({ content, tool_calls, ...rest }) => ({
    ...rest,
    content: rest.role === "tool" ? JSON.parse(String(content)) : content,
    calls: tool_calls?.map(({ function: one }) => [one.name, JSON.parse(one.arguments)]),
  }));
}

async function refusal(work: Promise<unknown>): Promise<ApiError> {
  const error = await work.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  if (error instanceof ApiError) return error;
  throw new Error(`Not refused by the gateway: ${String(error)}`);
}

describe("a fork of a turn", () => {
  it("remembers what was said until then, and sees what could be seen then and no more", async () => {
    const { run, name } = await story();
    const before = model.asked(name)[2]?.filter(({ role }) => role !== "system") ?? [];
    const fork = await run.fork({ turn: 2, message: "play look" });
    expect(await ended(fork)).toMatchObject({ status: "succeeded", reply: "I have looked." });
    const [plan, mine, late, looked] = await resultsOf(gateway, fork.id);
    expect(plan).toMatchObject({ ok: true, content: "plan one" });
    expect(mine).toMatchObject({ ok: true, content: "my secret notes" });
    expect(late).toMatchObject({ ok: false, error: "content_not_found" });
    // Input files are placed again; what a command left is not there.
    expect(looked?.stdout).toBe("the input\n");
    expect(looked?.stderr).toContain("/tmp/left");
    const first = (model.asked(name)[4] ?? []).filter(({ role }) => role !== "system");
    expect(meant(first.slice(0, -1))).toEqual(meant(before));
    expect(saidIn(first.at(-1) ?? { role: "", content: "" })).toMatch(
      new RegExp(`^\\[gateway\\] .*a fork of ${run.id} after its turn 2\\..*play look$`, "s"),
    );
    // The other run is as it was.
    const events = await historyOf(gateway, run.id);
    expect((await run.get()).lastSeq).toBe(events.length);
    const shared = await fork.get();
    expect(shared).toMatchObject({
      ...{ rootRunId: fork.id, parentRunId: null, agent: "forker", model: `compatible/${name}` },
      submission: { forked: { run_id: run.id, turn: 2 }, agent, prompt: ["play look"] },
    });
    const cut = events.find(({ hash }) => hash === shared.submission.forked?.head);
    expect(cut?.type).toBe("call.finished");
  });

  it("is of the newest turn unless one is named, and says something by itself without a message", async () => {
    const { run, name } = await story();
    const fork = await run.fork();
    await ended(fork);
    expect((await fork.get()).submission.forked).toMatchObject({ turn: 4 });
    const said = newest(name).map(saidIn);
    expect(said.at(-2)).toBe("The story is over.");
    expect(said.at(-1)).toContain("Go on from here.");
  });

  it("can itself be forked, with all that it remembers", async () => {
    const { run, name } = await story();
    const child = await run.fork({ turn: 1, message: "play word" });
    await ended(child);
    const grandchild = await child.fork({ message: "play look" });
    await ended(grandchild);
    const results = await resultsOf(gateway, grandchild.id);
    expect(results.slice(0, 3)).toMatchObject([
      { content: "plan one" },
      { content: "my secret notes" },
      { ok: false },
    ]);
    const said = newest(name).map(saidIn).join("\n");
    expect(said).toContain(`a fork of ${run.id} after its turn 1`);
    expect(said).toContain("One word.");
    expect(said).toContain(`a fork of ${child.id} after its turn 1`);
  });

  it("of a run that is at work takes what is finished, and the run goes on undisturbed", async () => {
    const { run } = await start("held");
    await asked.promise;
    const fork = await run.fork({ message: "play look" });
    await ended(fork);
    expect((await fork.get()).submission.forked).toMatchObject({ turn: 1 });
    expect((await resultsOf(gateway, fork.id))[0]).toMatchObject({ content: "held plan" });
    release.resolve();
    expect(await ended(run)).toMatchObject({ status: "succeeded", reply: "Held no more." });
  });

  it("has the layers that were captured, where they were", async () => {
    const { run } = await start("layers");
    expect(await ended(run)).toMatchObject({ status: "succeeded" });
    const fork = await run.fork({ turn: 2, message: "play use-layer" });
    await ended(fork);
    expect(await resultsOf(gateway, fork.id)).toMatchObject([{ ok: true, stdout: "from-layer\n" }]);
    // It holds them by itself.
    await run.delete();
    expect(await client().gc()).toMatchObject({ layers: 0 });
    const again = await fork.fork({ message: "play use-layer" });
    await ended(again);
    expect(await resultsOf(gateway, again.id)).toMatchObject([{ stdout: "from-layer\n" }]);
  });

  it("names artifacts by refs of its own tree", async () => {
    const { run, name } = await start("artifact");
    await ended(run);
    const [, built] = await resultsOf(gateway, run.id);
    const ref = String(built?.artifact_ref);
    const fork = await run.fork({ message: "play word" });
    await ended(fork);
    const forked = (await historyOf(gateway, fork.id)).find((one) => isEvent(one, "run.forked"));
    const own = forked?.data.artifacts[0]?.artifact_ref ?? "";
    expect(own).toMatch(/^ar\.[0-9a-f]{24}$/);
    expect(own).not.toBe(ref);
    const said = newest(name).map(saidIn).join("\n");
    expect(said).toContain(own);
    expect(said).not.toContain(ref);
    expect(await client().artifacts.get(own)).toMatchObject({
      artifact: { id: built?.artifact_id, ref: own },
    });
  });

  it("outlives the run that it remembers", async () => {
    const { run, name } = await story();
    const fork = await run.fork({ turn: 1, message: "play word" });
    await ended(fork);
    await run.delete();
    await client().gc();
    const next = await fork.fork({ message: "play look" });
    await ended(next);
    expect((await resultsOf(gateway, next.id))[0]).toMatchObject({ content: "plan one" });
    expect(newest(name).length).toBeGreaterThan(5);
    expect((await refusal(run.fork())).code).toBe("run_deleted");
  });
});

describe("a request for a fork", () => {
  it("is made once for each key, whatever the run has done since", async () => {
    const { run } = await story();
    const order = { message: "play word", idempotencyKey: `key-${run.id}` };
    const forks = await Promise.all(Array.from({ length: 8 }, () => run.fork(order)));
    expect(new Set(forks.map(({ id }) => id)).size).toBe(1);
    const conflict = await refusal(run.fork({ ...order, turn: 1 }));
    expect(conflict.code).toBe("idempotency_conflict");
  });

  it("for a turn that is not there names those that are", async () => {
    const { run } = await story();
    const wrong = await refusal(run.fork({ turn: 9 }));
    expect(wrong).toMatchObject({ code: "invalid_request", status: 400 });
    expect(wrong.message).toBe(`turn: run ${run.id} has no turn 9: expected one from 1 to 4`);
    const path = `/api/runs/${run.id}/fork`;
    for (const body of [{ turn: 0 }, { turn: "1" }, { message: "" }, { until: 1 }]) {
      expect((await call(gateway, "POST", path, body)).status).toBe(400);
    }
  });

  it("of another workspace, or of no run, finds nothing (I14)", async () => {
    const { run } = await story();
    const made = { name: "other", scopes: ["runs" as const], workspace: "elsewhere" };
    const { secret } = await client().tokens.create(made);
    const there = clientOf({ url: gateway.url, token: secret });
    for (const id of [run.id, "run_01kadz3v6m5c0jx9s2qf8t7w4b"]) {
      expect((await refusal(there.fork(id))).message).toBe(`There is no run "${id}"`);
    }
  });

  it("brings secrets of its own: the other run's are not there", async () => {
    const env = { KEY_OF_RUN: "value-of-the-first-run" };
    const { run } = await story({ secrets: { env } });
    const fork = await run.fork({ turn: 1, message: "play word" });
    const names = async (one: RunRef) => {
      const submitted = (await historyOf(gateway, one.id)).find((e) => isEvent(e, "run.submitted"));
      return submitted?.data.secrets;
    };
    expect(await names(run)).toEqual(["env/KEY_OF_RUN"]);
    expect(await names(fork)).toEqual([]);
    const given = await run.fork({ secrets: { env: { OTHER: "value-of-the-fork" } } });
    expect(await names(given)).toEqual(["env/OTHER"]);
    const told = {
      message: "it is value-of-the-fork",
      secrets: { env: { O: "value-of-the-fork" } },
    };
    expect((await refusal(run.fork(told))).message).toContain("message: holds the value of one");
    for (const one of [fork, given]) await ended(one);
  });

  it("does not remember what is a secret by now: the other run may have said it aloud", async () => {
    const [own, shared] = ["hush-7d1f0c52aa19", "workspace-93b1c07e55d2"];
    const prompt = `One key is ${own}, one is ${shared}.\nplay word`;
    const { run, name } = await start("word", { prompt, system: "Not hush-but-loud-0451." });
    await ended(run);
    await client().secrets.set("SAID", shared);
    const env = { KEY: own };
    const fork = await run.fork({ message: "play word", secrets: { env } });
    await ended(fork);
    const said = newest(name).map(saidIn).join("\n");
    expect(said).toContain("One key is ");
    for (const value of [own, shared]) expect(said).not.toContain(value);
    const written = { env: { KEY: "hush-but-loud-0451" } };
    const refused = await refusal(run.fork({ message: "play look", secrets: written }));
    expect(refused.message).toContain(`system of run ${run.id}`);
    await client().secrets.delete("SAID");
  });

  it("can be made at the terminal, and the lineage is shown", async () => {
    const { run } = await story();
    const at = { url: gateway.url, token: gateway.token };
    const { out, code } = await typed(["fork", run.id, "play look", "--turn", "1"], at);
    expect(code).toBe(0);
    const fork = client().run(out.trim());
    await ended(fork);
    const status = await typed(["status", fork.id], at);
    expect(status.out).toContain(`fork of ${run.id} after its turn 1`);
  });

  it("of a run that was cancelled while a person was asked takes the turn before", async () => {
    const { run } = await start("story");
    await untilEvent(run, "call.finished", 2);
    await run.cancel();
    await run.wait();
    const fork = await run.fork({ message: "play word" });
    expect(await ended(fork)).toMatchObject({ status: "succeeded" });
  });
});

describe("verify", () => {
  it("finds nothing wrong with forks and what they have", async () => {
    expect(await client().verify()).toMatchObject({ ok: true, defects: [] });
  });
});
