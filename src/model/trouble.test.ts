import { createServer } from "node:net";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { answerEvents, answerJson, openWire, type Wire } from "../../test/support/model-wire.ts";
import { type Clock, systemClock } from "../base/clock.ts";
import type { Config } from "../base/config.ts";
import { openLog } from "../base/log.ts";
import { type ModelEvent, type ModelRequest, type ModelsOptions, openModels } from "./model.ts";

const ownKey = "sk-ant-gateway-0123456789abcdef";
const anthropic = "anthropic/claude-sonnet-4-5";
const compatible = "compatible/llama";
const request: ModelRequest = {
  system: "Be terse",
  messages: [{ role: "user", text: "hello" }],
  tools: [],
  turn: 0,
};

let wire: Wire;
beforeEach(async () => {
  wire = await openWire();
});
afterEach(async () => {
  await wire.close();
});

/** Naps of a back-off pass at once and are written down; the long waits of time limits never end by themselves. */
function nappingClock(): Clock & { naps: number[] } {
  const naps: number[] = [];
  return {
    naps,
    now: () => Date.parse("2030-01-01T00:00:00Z"),
    monotonic: () => 0,
    sleep(ms, signal) {
      if (ms > 60_000) return systemClock.sleep(2 ** 31 - 1, signal);
      naps.push(ms);
      return Promise.resolve();
    },
  };
}

function modelsConfig(url = wire.url): Config["models"] {
  const config = { apiKey: ownKey, baseUrl: url };
  return {
    anthropic: config,
    openai: config,
    google: config,
    mistral: config,
    deepseek: config,
    openrouter: config,
    compatible: { baseUrl: `${url}/v1` },
  };
}

async function ask(
  ids: { model: string; fallbackModel?: string },
  how: Partial<ModelsOptions> & {
    url?: string;
    signal?: AbortSignal;
    apiKeys?: Record<string, string>;
    request?: Partial<ModelRequest>;
    onEvent?: (event: ModelEvent) => void;
  } = {},
): Promise<ModelEvent[]> {
  const models = await openModels({
    config: { models: modelsConfig(how.url), scriptedModel: undefined },
    clock: how.clock ?? nappingClock(),
    log: openLog("silent"),
    random: () => 0,
    ...(how.limits ? { limits: how.limits } : {}),
    ...(how.script ? { script: how.script } : {}),
  });
  const events: ModelEvent[] = [];
  const signal = how.signal ?? AbortSignal.timeout(20_000);
  const reply = models.open(ids, how.apiKeys ?? {}).reply({ ...request, ...how.request }, signal);
  for await (const event of reply) {
    events.push(event);
    how.onEvent?.(event);
  }
  return events;
}

function anthropicEvents(text: string, stopReason = "end_turn"): unknown[] {
  const usage = {
    input_tokens: 10,
    cache_creation_input_tokens: 7,
    cache_read_input_tokens: 5,
    output_tokens: 1,
  };
  return [
    {
      type: "message_start",
      message: {
        id: "msg_1",
        type: "message",
        role: "assistant",
        model: "claude-sonnet-4-5",
        content: [],
        stop_reason: null,
        stop_sequence: null,
        usage,
      },
    },
    { type: "content_block_start", index: 0, content_block: { type: "text", text: "" } },
    { type: "content_block_delta", index: 0, delta: { type: "text_delta", text } },
    { type: "content_block_stop", index: 0 },
    {
      type: "message_delta",
      delta: { stop_reason: stopReason, stop_sequence: null },
      usage: { output_tokens: 20 },
    },
    { type: "message_stop" },
  ];
}

function chatEvents(chunks: { delta: unknown; finish?: string }[], usage?: unknown): unknown[] {
  const chunk = { id: "c1", object: "chat.completion.chunk", created: 1, model: "llama" };
  const events: unknown[] = chunks.map(({ delta, finish }) => ({
    ...chunk,
    choices: [{ index: 0, delta, finish_reason: finish ?? null }],
  }));
  if (usage) events.push({ ...chunk, choices: [], usage });
  return [...events, "[DONE]"];
}

const hi = chatEvents([
  { delta: { role: "assistant", content: "Hi" } },
  { delta: {}, finish: "stop" },
]);
const overloaded = answerJson(529, {
  type: "error",
  error: { type: "overloaded_error", message: "Overloaded" },
});
const types = (events: ModelEvent[]) => events.map((event) => event.type);
const failureIn = (events: ModelEvent[]) => {
  const last = events.at(-1);
  return last?.type === "failure" ? last.failure : undefined;
};
const replyIn = (events: ModelEvent[]) => {
  const last = events.at(-1);
  return last?.type === "reply" ? last.reply : undefined;
};

describe("retries", () => {
  it("asks again after server errors, waiting longer each time, and counts the attempts", async () => {
    const clock = nappingClock();
    wire.answer(overloaded, answerJson(500, "oops"), answerEvents(anthropicEvents("Hi")));
    const events = await ask({ model: anthropic }, { clock });
    expect(types(events)).toEqual(["reset", "reset", "delta", "reply"]);
    expect(events[0]).toMatchObject({ attempt: 2, reason: expect.stringContaining("529") });
    expect(events[1]).toMatchObject({ attempt: 3 });
    expect(replyIn(events)).toMatchObject({ attempt: 3, model: anthropic });
    expect(clock.naps).toEqual([500, 1000]);
  });

  it.each([
    ["seconds", { "retry-after": "7" }, 7000],
    ["milliseconds", { "retry-after-ms": "1250", "retry-after": "9" }, 1250],
    ["an HTTP date", { "retry-after": "Tue, 01 Jan 2030 00:00:30 GMT" }, 30_000],
  ])("waits as long as a 429 asks in %s", async (_name, headers, ms) => {
    const clock = nappingClock();
    wire.answer(
      answerJson(429, { error: { message: "Slow down" } }, headers),
      answerEvents(anthropicEvents("Hi")),
    );
    const events = await ask({ model: anthropic }, { clock });
    expect(replyIn(events)?.attempt).toBe(2);
    expect(clock.naps).toEqual([ms]);
  });

  it("says how long it was asked to wait when that is longer than it waits", async () => {
    const clock = nappingClock();
    wire.answer(answerJson(429, { error: { message: "Come later" } }, { "retry-after": "3600" }));
    const events = await ask({ model: anthropic }, { clock });
    expect(failureIn(events)).toMatchObject({ reason: "model_error" });
    expect(failureIn(events)?.message).toContain("asks to wait 3600 s");
    expect(clock.naps).toEqual([]);
    expect(wire.requests).toHaveLength(1);
  });

  it("stops after its attempts and says what the last one answered", async () => {
    wire.answer(overloaded, overloaded, overloaded, overloaded);
    const events = await ask({ model: anthropic });
    expect(types(events)).toEqual(["reset", "reset", "reset", "failure"]);
    expect(failureIn(events)?.message).toBe(
      `${anthropic} answered 529: Overloaded (asked 4 times)`,
    );
    expect(wire.requests).toHaveLength(4);
  });

  it.each([
    [400, "model_error", { error: { message: "tools.0: bad" } }],
    [404, "model_error", { error: { message: "model: claude-x" } }],
    [429, "model_error", { error: { code: "insufficient_quota", message: "No money" } }],
    [307, "model_error", ""],
  ])("does not ask again after %d", async (status, reason, body) => {
    wire.answer(answerJson(status, body, { location: `${wire.url}/elsewhere` }));
    const events = await ask({ model: compatible });
    expect(types(events)).toEqual(["failure"]);
    expect(failureIn(events)?.reason).toBe(reason);
    expect(wire.requests).toHaveLength(1);
  });

  it("voids the text of a connection that is cut in mid-answer and asks again", async () => {
    wire.answer(
      answerEvents(anthropicEvents("Half an ans").slice(0, 3), { cut: true }),
      answerEvents(anthropicEvents("Whole")),
    );
    const events = await ask({ model: anthropic });
    expect(types(events)).toEqual(["delta", "reset", "delta", "reply"]);
    expect(events[2]).toMatchObject({ attempt: 2, offset: 0, text: "Whole" });
    expect(replyIn(events)?.parts).toMatchObject([{ type: "text", text: "Whole" }]);
  });

  it.each([
    [anthropic, anthropicEvents("Half").slice(0, 3), anthropicEvents("Whole")],
    [compatible, hi.slice(0, 1), hi],
  ])(
    "does not take a stream of %s that ends without an end for a reply",
    async (model, half, whole) => {
      wire.answer(answerEvents(half), answerEvents(whole));
      const events = await ask({ model });
      expect(replyIn(events)?.attempt).toBe(2);
      expect(events.find((event) => event.type === "reset")?.reason).toMatch(
        /mid-answer|unusable answer/,
      );
    },
  );

  it("asks again after an error that comes inside the stream", async () => {
    const error = { type: "error", error: { type: "overloaded_error", message: "Overloaded" } };
    wire.answer(
      answerEvents([...anthropicEvents("Half").slice(0, 3), error]),
      answerEvents(anthropicEvents("Whole")),
    );
    const events = await ask({ model: anthropic });
    expect(replyIn(events)).toMatchObject({ attempt: 2, finishReason: "stop" });
  });

  it("asks once more after an empty reply, then takes the emptiness, and counts the tokens of both", async () => {
    const empty = chatEvents([{ delta: { content: "" }, finish: "stop" }], {
      prompt_tokens: 8,
      completion_tokens: 3,
      total_tokens: 11,
    });
    wire.answer(answerEvents(empty), answerEvents(empty));
    const events = await ask({ model: compatible });
    expect(types(events)).toEqual(["reset", "reply"]);
    expect(replyIn(events)?.usage).toMatchObject({ input_tokens: 16, output_tokens: 6 });
  });

  it("names the refused connection when nobody listens", async () => {
    const free = createServer();
    await new Promise<void>((resolve) => free.listen(0, "127.0.0.1", resolve));
    const address = free.address();
    const port = typeof address === "object" ? address?.port : undefined;
    await new Promise((resolve) => free.close(resolve));
    const events = await ask({ model: anthropic }, { url: `http://127.0.0.1:${port}` });
    expect(types(events)).toEqual(["reset", "reset", "reset", "failure"]);
    expect(failureIn(events)?.message).toContain("could not be reached (ECONNREFUSED)");
  });
});

describe("time limits", () => {
  const limits = { modelAttempts: 2, modelBackoffFirstMs: 1 };

  it("gives up an answer that does not begin, and asks again", async () => {
    wire.answer(() => undefined, answerEvents(anthropicEvents("Hi")));
    const clock = systemClock;
    const events = await ask(
      { model: anthropic },
      { clock, limits: { ...limits, modelFirstByteMs: 500 } },
    );
    expect(events[0]).toMatchObject({ type: "reset", attempt: 2 });
    expect(events.find((event) => event.type === "reset")?.reason).toContain(
      "did not begin to answer within 0.5 s",
    );
    expect(replyIn(events)?.attempt).toBe(2);
  });

  it("gives up an answer that falls silent", async () => {
    wire.answer((response) => {
      response.writeHead(200, { "content-type": "text/event-stream" });
      response.write(`data: ${JSON.stringify(hi[0])}\n\n`);
    }, answerEvents(hi));
    const events = await ask(
      { model: compatible },
      { clock: systemClock, limits: { ...limits, modelIdleMs: 500 } },
    );
    expect(types(events)).toEqual(["delta", "reset", "delta", "reply"]);
    expect(events[1]).toMatchObject({
      reason: expect.stringContaining("sent nothing more within 0.5 s"),
    });
  });

  it("gives up an answer that drips for ever", async () => {
    const timers: NodeJS.Timeout[] = [];
    wire.answer((response) => {
      response.writeHead(200, { "content-type": "text/event-stream" });
      timers.push(setInterval(() => response.write(`data: ${JSON.stringify(hi[0])}\n\n`), 20));
      response.on("close", () => clearInterval(timers[0]));
    });
    const events = await ask(
      { model: compatible },
      { clock: systemClock, limits: { modelAttempts: 1, modelIdleMs: 5000, modelAttemptMs: 300 } },
    );
    expect(failureIn(events)?.message).toContain("did not finish its answer within 0.3 s");
  });
});

describe("the fallback", () => {
  it("answers after the model's attempts, with its own, and attempt numbers go on", async () => {
    wire.answer(overloaded, overloaded, answerJson(500, "oops"), answerEvents(hi));
    const events = await ask(
      { model: anthropic, fallbackModel: compatible },
      { limits: { modelAttempts: 2 } },
    );
    expect(types(events)).toEqual(["reset", "reset", "reset", "delta", "reply"]);
    expect(events[1]).toMatchObject({ attempt: 3, reason: expect.stringContaining(compatible) });
    expect(replyIn(events)).toMatchObject({ attempt: 4, model: compatible });
    expect(wire.requests.map((seen) => seen.path)).toEqual([
      "/v1/messages",
      "/v1/messages",
      "/v1/chat/completions",
      "/v1/chat/completions",
    ]);
  });

  it("is asked at once when the model wants a longer wait than is given", async () => {
    const clock = nappingClock();
    wire.answer(answerJson(429, "", { "retry-after": "86400" }), answerEvents(hi));
    const events = await ask({ model: anthropic, fallbackModel: compatible }, { clock });
    expect(replyIn(events)).toMatchObject({ attempt: 2, model: compatible });
    expect(clock.naps).toEqual([]);
  });

  it("stands in for a model whose key is gone, and both troubles are told when it fails too", async () => {
    wire.answer(answerJson(404, { error: { message: "no such model" } }));
    const events = await ask({ model: anthropic, fallbackModel: "scripted/none" });
    const message = failureIn(events)?.message ?? "";
    expect(message).toContain(`does not know the model ${anthropic}`);
    expect(message).toContain("AIRLOCK_SCRIPTED_MODEL");
  });
});

describe("what a failure means", () => {
  it.each([
    [anthropic, 400, "prompt is too long: 210000 tokens > 200000 maximum"],
    [compatible, 400, "This model's maximum context length is 8192 tokens"],
    [compatible, 400, "the request exceeds the available context size, try increasing it"],
    [compatible, 413, "Payload Too Large"],
  ])("%s with %d says that the context is full: %s", async (model, status, message) => {
    wire.answer(answerJson(status, { error: { message, type: "invalid_request_error" } }));
    const events = await ask({ model });
    expect(types(events)).toEqual(["failure"]);
    expect(failureIn(events)?.reason).toBe("context_full");
  });

  it("Google says that the context is full and that a key is not valid with 400", async () => {
    const model = "google/gemini-2.5-flash";
    const error = (message: string) =>
      answerJson(400, { error: { code: 400, message, status: "INVALID_ARGUMENT" } });
    wire.answer(
      error("The input token count (1200000) exceeds the maximum number of tokens allowed"),
      error("API key not valid. Please pass a valid API key."),
    );
    expect(failureIn(await ask({ model }))?.reason).toBe("context_full");
    expect(failureIn(await ask({ model }))?.message).toContain(
      "google refused the key of the gateway (GOOGLE_API_KEY)",
    );
  });

  it("names whose key was refused, and never the key", async () => {
    const refused = (key: string) =>
      answerJson(401, { error: { message: `invalid x-api-key ${key} (also sk-proj-abc***wxyz)` } });
    wire.answer(refused(ownKey), refused("own-key-of-this-run"));
    const gateway = failureIn(await ask({ model: anthropic }))?.message ?? "";
    expect(gateway).toContain("anthropic refused the key of the gateway (ANTHROPIC_API_KEY)");
    const run = await ask({ model: anthropic }, { apiKeys: { anthropic: "own-key-of-this-run" } });
    const message = failureIn(run)?.message ?? "";
    expect(message).toContain("anthropic refused the key of this run");
    expect(wire.requests[1]?.headers["x-api-key"]).toBe("own-key-of-this-run");
    for (const secret of [ownKey, "own-key-of-this-run", "sk-proj"]) {
      expect(gateway + JSON.stringify(run)).not.toContain(secret);
    }
  });

  it("tells a refusal apart: by the model in its reply, and by the provider before one", async () => {
    wire.answer(
      answerEvents(anthropicEvents("I will not", "refusal")),
      answerJson(400, { error: { message: "Output blocked by content filtering policy" } }),
    );
    expect(replyIn(await ask({ model: anthropic }))?.finishReason).toBe("refused");
    const events = await ask({ model: anthropic, fallbackModel: compatible });
    expect(failureIn(events)?.reason).toBe("model_refused");
  });

  it("says that the reply was cut at its length", async () => {
    wire.answer(answerEvents(anthropicEvents("And so", "max_tokens")));
    expect(replyIn(await ask({ model: anthropic }))?.finishReason).toBe("length");
  });

  it("keeps a long message of a provider below 500 characters", async () => {
    wire.answer(answerJson(400, { error: { message: "na ".repeat(5000) } }));
    expect(failureIn(await ask({ model: compatible }))?.message.length).toBeLessThanOrEqual(500);
  });
});

describe("an abort", () => {
  it.each(["delta", "reset"] as const)(
    "ends the reply at once after a %s, without a further event",
    async (type) => {
      const abort = new AbortController();
      let closed: (() => void) | undefined;
      const hungUp = new Promise<void>((resolve) => {
        closed = resolve;
      });
      wire.answer((response) => {
        response.on("close", () => closed?.());
        if (type === "reset") return void response.writeHead(500).end();
        response.writeHead(200, { "content-type": "text/event-stream" });
        response.write(`data: ${JSON.stringify(hi[0])}\n\n`);
      });
      const events = await ask(
        { model: compatible },
        {
          clock: systemClock,
          limits: { modelBackoffFirstMs: 60_000 },
          signal: abort.signal,
          onEvent: (event) => {
            if (event.type === type) setImmediate(() => abort.abort());
          },
        },
      );
      expect(types(events)).toEqual([type]);
      await hungUp;
      expect(wire.requests).toHaveLength(1);
    },
  );

  it("is not needed to hang up: a reader that stops reading closes the connection", async () => {
    const hungUp = new Promise<void>((resolve) => {
      wire.answer((response) => {
        response.on("close", () => resolve());
        response.writeHead(200, { "content-type": "text/event-stream" });
        response.write(`data: ${JSON.stringify(hi[0])}\n\n`);
      });
    });
    const models = await openModels({
      config: { models: modelsConfig(), scriptedModel: undefined },
      clock: systemClock,
      log: openLog("silent"),
    });
    const never = new AbortController().signal;
    for await (const event of models.open({ model: compatible }, {}).reply(request, never)) {
      expect(event.type).toBe("delta");
      break;
    }
    await hungUp;
  });

  it("before the first event asks nobody", async () => {
    const events = await ask({ model: compatible }, { signal: AbortSignal.abort() });
    expect(events).toEqual([]);
    expect(wire.requests).toEqual([]);
  });
});

describe("a server without a key", () => {
  it("is asked without a credential header", async () => {
    wire.answer(answerEvents(hi));
    await ask({ model: compatible });
    expect(wire.requests[0]?.headers.authorization).toBeUndefined();
  });
});
