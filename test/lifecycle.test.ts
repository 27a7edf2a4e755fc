/** How runs end, and who may end them: at every stage, twice, too late, and by the gateway's own end. */
import { rmSync } from "node:fs";
import { connect } from "node:net";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { isEnd, isEvent, type RunRef, type RunStatus } from "../src/sdk/sdk.ts";
import { call, clientOf, defectsOf, historyOf } from "./support/airlock-api.ts";
import { answerEvents, openWire } from "./support/model-wire.ts";
import { processesWith, within } from "./support/processes.ts";
import { readZip } from "./support/read-zip.ts";
import { untilEvent } from "./support/results-of.ts";
import { newDataDir, type StartedGateway, startGateway } from "./support/start-gateway.ts";

const exec = (command: string) => ({ tool: "sandbox_exec", arguments: { command } });
const marker = `airlock-lifecycle-${process.pid}`;

const scripts = {
  hangs: {
    turns: [{ calls: [exec(`echo up; bash -c 'sleep 600; : ${marker}'`)] }, { text: "went on" }],
  },
  thinks: { turns: [{ delayMs: 600_000 }] },
  answers: { turns: [{ calls: [exec("echo hello")] }, { text: "done" }] },
  says: { turns: [{ text: "done" }] },
  circles: { turns: Array.from({ length: 9 }, () => ({ calls: [exec("exit 3")] })) },
  fails: { turns: [{ failWith: { reason: "model_error", message: "The model is on holiday" } }] },
  works: {
    turns: [
      { delayMs: 50, calls: [exec("echo a >> /workspace/out/lines")] },
      { delayMs: 50, calls: [exec("echo b >> /workspace/out/lines")] },
      { text: "done" },
    ],
  },
};

let gateway: StartedGateway;
beforeAll(async () => {
  gateway = await startGateway({
    script: { scripts },
    env: { AIRLOCK_MAX_RUNS_PER_WORKSPACE: "4" },
  });
});
afterAll(() => gateway.stop());

function submit(script: keyof typeof scripts, at: StartedGateway = gateway): Promise<RunRef> {
  return clientOf(at).submitRun({ model: `scripted/${script}`, prompt: "go" });
}

const cancelled = { status: "cancelled", stop_reason: "cancelled", cleanup_status: "succeeded" };

describe("a cancellation", () => {
  it("ends a run while the model is being asked", async () => {
    const run = await submit("thinks");
    await untilEvent(run, "run.provisioned");
    await run.cancel();
    expect(await run.wait({ timeoutMs: 5_000 })).toMatchObject({ ...cancelled, turns: 0 });
  });

  it("ends a run while a command runs, whose processes are gone within a second", async () => {
    const run = await submit("hangs");
    await untilEvent(run, "call.output");
    expect(await within(5000, () => processesWith(marker).length > 0)).toBe(true);
    const answer = await run.cancel();
    expect(isEnd(answer.status)).toBe(false);
    expect(await within(1000, () => processesWith(marker).length === 0)).toBe(true);
    expect(await run.wait({ timeoutMs: 5_000 })).toMatchObject({
      ...cancelled,
      turns: 1,
      calls: 1,
    });
    const history = await historyOf(gateway, run.id);
    const finished = history.find((event) => isEvent(event, "call.finished"));
    expect(finished?.data).toMatchObject({ outcome: "cancelled" });
  });

  it("ends a queued run without waiting for a place, and leaves the others alone", async () => {
    const holders = await Promise.all([1, 2, 3, 4].map(() => submit("hangs")));
    await Promise.all(holders.map((run) => untilEvent(run, "call.started")));
    const queued = await submit("says");
    expect((await queued.get()).status).toBe("queued");
    await queued.cancel();
    const ended = await queued.wait({ timeoutMs: 5_000 });
    expect(ended).toMatchObject({ ...cancelled, turns: 0, queue: null });
    for (const run of holders) expect((await run.get()).status).toBe("running");
    await Promise.all(holders.map((run) => run.cancel()));
    for (const run of holders) expect(await run.wait()).toMatchObject(cancelled);
  });

  it("is one event, however often it is asked for", async () => {
    const run = await submit("hangs");
    await untilEvent(run, "call.output");
    for (let i = 0; i < 3; i++) expect((await run.cancel()).id).toBe(run.id);
    expect(await run.wait()).toMatchObject(cancelled);
    const types = (await historyOf(gateway, run.id)).map(({ type }) => type);
    expect(types.filter((type) => type === "run.cancel_requested")).toHaveLength(1);
  });

  it("changes nothing after the end", async () => {
    const run = await submit("says");
    const ended = await run.wait();
    expect(await run.cancel()).toEqual(ended);
    expect(await run.get()).toEqual(ended);
  });

  it("that races with the end leaves exactly one end, 50 times", async () => {
    const ends = new Set<string>();
    const race = async (index: number) => {
      const run = await submit(index % 2 === 0 ? "says" : "answers");
      const types = ["run.provisioned", "turn.replied", "call.finished", "run.finishing"];
      await untilEvent(run, types[index % (index % 2 === 0 ? 2 : 4)] ?? "").catch(() => undefined);
      await run.cancel();
      const ended = await run.wait({ timeoutMs: 10_000 });
      const history = await historyOf(gateway, run.id);
      expect(defectsOf(run.id, history)).toEqual([]);
      const last = history.filter((event) => isEvent(event, "run.finished"));
      expect(last).toHaveLength(1);
      expect(history.at(-1)?.type).toBe("run.finished");
      expect(last[0]?.data.status).toBe(ended.status);
      expect(["succeeded", "cancelled"]).toContain(ended.status);
      ends.add(ended.status);
    };
    for (let i = 0; i < 50; i += 5) await Promise.all([0, 1, 2, 3, 4].map((j) => race(i + j)));
    expect(ends).toEqual(new Set(["succeeded", "cancelled"]));
  });
});

describe("deleting a run", () => {
  it("is refused while it runs, and final afterwards", async () => {
    const run = await submit("hangs");
    await untilEvent(run, "call.output");
    const path = `/api/runs/${run.id}`;
    const refused = await call(gateway, "DELETE", path);
    expect([refused.status, refused.body]).toMatchObject([
      409,
      { error: { code: "run_not_finished" } },
    ]);
    await run.cancel();
    await run.wait();
    expect((await call(gateway, "DELETE", path)).status).toBe(200);
    for (const [method, end] of [
      ["GET", ""],
      ["DELETE", ""],
      ["POST", "/cancel"],
      ["GET", "/events"],
      ["GET", "/archive"],
    ] as const) {
      const gone = await call(gateway, method, path + end);
      expect([gone.status, gone.body], end).toMatchObject([
        410,
        { error: { code: "run_deleted" } },
      ]);
    }
  });
});

describe("a run that cannot succeed", () => {
  it("is stopped when it goes round in circles", async () => {
    const ended = await (await submit("circles")).wait();
    expect(ended).toMatchObject({ status: "failed", stop_reason: "loop_guard", turns: 3 });
    expect(ended.message).toContain("3 times");
  });

  it("says what the model said when that fails", async () => {
    const ended = await (await submit("fails")).wait();
    expect(ended).toMatchObject({ status: "failed", stop_reason: "model_error" });
    expect(ended.message).toContain("on holiday");
  });

  it("tells a reply that was cut off from one that the run's own limit cut off", async () => {
    const wire = await openWire();
    const own = await startGateway({
      env: { ANTHROPIC_API_KEY: "key-of-the-gateway", ANTHROPIC_BASE_URL: wire.url },
    });
    try {
      const truncated = truncatedReply(30);
      wire.answer(answerEvents(truncated), answerEvents(truncated));
      const ends = [];
      for (const outputTokens of [1000, 30]) {
        const run = await clientOf(own).submitRun({
          model: "claude-x",
          prompt: "write a book",
          limits: { outputTokens },
        });
        const { status, stop_reason } = await run.wait();
        ends.push([status, stop_reason]);
      }
      expect(ends).toEqual([
        ["failed", "reply_truncated"],
        ["terminated", "token_limit"],
      ]);
      expect(JSON.parse(wire.requests[1]?.body ?? "").max_tokens).toBe(30);
    } finally {
      await own.stop();
      await wire.close();
    }
  });
});

function truncatedReply(outputTokens: number): unknown[] {
  const usage = { input_tokens: 10, output_tokens: 1 };
  const message = { id: "msg_1", type: "message", role: "assistant", content: [], usage };
  return [
    { type: "message_start", message: { ...message, model: "claude-x", stop_reason: null } },
    { type: "content_block_start", index: 0, content_block: { type: "text", text: "" } },
    { type: "content_block_delta", index: 0, delta: { type: "text_delta", text: "Once upon a" } },
    { type: "content_block_stop", index: 0 },
    {
      type: "message_delta",
      delta: { stop_reason: "max_tokens", stop_sequence: null },
      usage: { output_tokens: outputTokens },
    },
    { type: "message_stop" },
  ];
}

describe("what is seen of a run", () => {
  it("goes through its statuses in one direction", async () => {
    const order: RunStatus[] = ["queued", "provisioning", "running", "cleaning_up", "succeeded"];
    const run = await submit("answers");
    const seen: RunStatus[] = [];
    for await (const _ of run.stream({ live: true })) seen.push((await run.get()).status);
    const places = seen.map((status) => order.indexOf(status));
    expect(places).not.toContain(-1);
    expect(places).toEqual([...places].sort((a, b) => a - b));
    expect(seen.at(-1)).toBe("succeeded");
  });

  it("is the same in pages, in the archive and in the answer", async () => {
    const run = await submit("answers");
    const ended = await run.wait();
    const history = await historyOf(gateway, run.id);
    const paged: unknown[] = [];
    for (let since = "0"; ; ) {
      const { body } = await call(
        gateway,
        "GET",
        `/api/runs/${run.id}/events?since=${since}&limit=2`,
      );
      const events = body.events as unknown[];
      expect(events.length).toBeLessThanOrEqual(2);
      paged.push(...events);
      if (body.nextCursor === undefined) break;
      since = String(body.nextCursor);
    }
    expect(paged).toEqual(history);
    const zip = await readZip(await run.download());
    const { runId, snapshot, ...rest } = JSON.parse(zip.get("run.json")?.toString() ?? "");
    expect({ id: runId, submission: snapshot, ...rest }).toEqual(ended);
  });
});

describe("a gateway that is told to stop", () => {
  it("drains, loses nothing that it said yes to, and the next one brings every run to its end", async () => {
    const dataDir = newDataDir();
    const doomed = await startGateway({ script: { scripts }, dataDir });
    const hanging = await submit("hangs", doomed);
    await untilEvent(hanging, "call.output");
    const followed = Array.fromAsync(streamLines(doomed, hanging.id));
    const stalled = stalledUpload(doomed);
    const acknowledged: string[] = [];
    const refusals: number[] = [];
    let stopAt = 0;
    const load = async () => {
      for (;;) {
        const answer = await call(doomed, "POST", "/api/runs", {
          model: "scripted/works",
          prompt: "go",
          outputDirs: ["/workspace/out"],
        }).catch(() => undefined);
        if (answer?.status === 201) acknowledged.push((answer.body.run as { id: string }).id);
        else if (answer === undefined) return;
        else refusals.push(answer.status);
        // More runs than there are places: some work, some wait, some are on their way.
        if (acknowledged.length < 20 || stopAt > 0) continue;
        stopAt = performance.now();
        process.kill(doomed.pid, "SIGTERM");
      }
    };
    await Promise.all([load(), load(), load()]);
    expect((await doomed.ended).code).toBe(0);
    // Ten seconds for a command that takes longer and for a client that says nothing, not ten for each.
    expect(performance.now() - stopAt).toBeLessThan(25_000);
    stalled.destroy();
    expect((await followed).at(-1)).toMatch(/stopping/);
    expect(refusals.every((status) => status === 503)).toBe(true);
    expect(await within(1000, () => processesWith(marker).length === 0)).toBe(true);

    const next = await startGateway({ script: { scripts }, dataDir });
    try {
      for (const id of acknowledged) {
        const run = clientOf(next).run(id);
        expect(await run.wait()).toMatchObject({ status: "succeeded" });
        const lines = await run.downloadOutput({ path: "lines", match: "suffix" });
        expect(Buffer.from(lines).toString()).toBe("a\nb\n");
      }
      const resumed = await clientOf(next).run(hanging.id).wait();
      expect(resumed).toMatchObject({ status: "succeeded", reply: "went on" });
      const history = await historyOf(next, hanging.id);
      expect(history.find((event) => isEvent(event, "call.finished"))?.data).toMatchObject({
        outcome: "interrupted",
      });
      expect((await clientOf(next).verify()).defects).toEqual([]);
    } finally {
      await next.stop();
      rmSync(dataDir, { recursive: true, force: true });
    }
  });
});

/** A submission whose client stops in the middle of the body. */
function stalledUpload({ url, token }: StartedGateway) {
  const { hostname, port, host } = new URL(url);
  const socket = connect({ host: hostname, port: Number(port) });
  const head = [
    "POST /api/runs HTTP/1.1",
    `host: ${host}`,
    `authorization: Bearer ${token}`,
    "content-type: application/json",
    "content-length: 1000",
  ];
  socket.on("error", () => socket.destroy());
  socket.write(`${head.join("\r\n")}\r\n\r\n{`);
  return socket;
}

/** An event stream as it comes over the wire. */
async function* streamLines(at: StartedGateway, runId: string) {
  const response = await fetch(`${at.url}/api/runs/${runId}/events`, {
    headers: { authorization: `Bearer ${at.token}`, accept: "text/event-stream" },
  });
  const decoder = new TextDecoder();
  for await (const chunk of response.body ?? []) yield decoder.decode(chunk, { stream: true });
}
