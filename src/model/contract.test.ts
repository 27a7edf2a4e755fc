/** What every provider has to do alike, each asked over HTTP in its own dialect. */
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { answerEvents, answerJson, openWire, type Wire } from "../../test/support/model-wire.ts";
import { type Clock, systemClock } from "../base/clock.ts";
import { openLog } from "../base/log.ts";
import { type ModelEvent, type ModelRequest, openModels } from "./model.ts";

const key = "gateway-key-0123456789";
type End = "stop" | "length" | "refused";

/** 120 tokens in, 100 of them from the cache, and 34 out, as each dialect counts them. */
const chatUsage = {
  prompt_tokens: 120,
  prompt_tokens_details: { cached_tokens: 100 },
  prompt_cache_hit_tokens: 100,
  completion_tokens: 34,
  total_tokens: 154,
};

const dialects: Record<string, (text: string, end: End) => unknown[]> = {
  anthropic: (text, end) => {
    const reason = { stop: "end_turn", length: "max_tokens", refused: "refusal" }[end];
    const usage = { input_tokens: 20, cache_read_input_tokens: 100, output_tokens: 1 };
    const message = { id: "msg_1", type: "message", role: "assistant", content: [], usage };
    return [
      { type: "message_start", message: { ...message, model: "claude", stop_reason: null } },
      { type: "content_block_start", index: 0, content_block: { type: "text", text: "" } },
      { type: "content_block_delta", index: 0, delta: { type: "text_delta", text } },
      { type: "content_block_stop", index: 0 },
      { type: "message_delta", delta: { stop_reason: reason }, usage: { output_tokens: 34 } },
      { type: "message_stop" },
    ];
  },
  openai: (text, end) => {
    const response = { id: "resp_1", object: "response", created_at: 1, model: "gpt", output: [] };
    const place = { item_id: "msg_1", output_index: 0, content_index: 0 };
    const item = { id: "msg_1", type: "message", role: "assistant", status: "completed" };
    const content = [{ type: "output_text", text, annotations: [] }];
    const reason = end === "length" ? "max_output_tokens" : "content_filter";
    const usage = {
      input_tokens: 120,
      input_tokens_details: { cached_tokens: 100 },
      output_tokens: 34,
      output_tokens_details: { reasoning_tokens: 0 },
    };
    return [
      { type: "response.created", response: { ...response, status: "in_progress" } },
      { type: "response.output_item.added", output_index: 0, item: { ...item, content: [] } },
      { type: "response.output_text.delta", ...place, delta: text },
      { type: "response.output_item.done", output_index: 0, item: { ...item, content } },
      end === "stop"
        ? { type: "response.completed", response: { ...response, status: "completed", usage } }
        : {
            type: "response.incomplete",
            response: { ...response, incomplete_details: { reason }, usage },
          },
    ];
  },
  google: (text, end) => {
    const finishReason = { stop: "STOP", length: "MAX_TOKENS", refused: "SAFETY" }[end];
    const content = { role: "model", parts: [{ text }] };
    const usageMetadata = {
      promptTokenCount: 120,
      cachedContentTokenCount: 100,
      candidatesTokenCount: 34,
      totalTokenCount: 154,
    };
    return [
      { candidates: [{ content, index: 0 }] },
      { candidates: [{ content: { role: "model", parts: [] }, finishReason }], usageMetadata },
    ];
  },
};

function chat(text: string, end: End): unknown[] {
  const finish = { stop: "stop", length: "length", refused: "content_filter" }[end];
  const head = { id: "c1", object: "chat.completion.chunk", created: 1, model: "m" };
  const choice = (delta: unknown, reason: string | null) => ({
    ...head,
    choices: [{ index: 0, delta, finish_reason: reason }],
  });
  return [
    choice({ role: "assistant", content: text }, null),
    { ...choice({ content: "" }, finish), usage: chatUsage },
    "[DONE]",
  ];
}

const models = [
  "anthropic/claude-sonnet-4-5",
  "openai/gpt-5",
  "google/gemini-2.5-flash",
  "mistral/mistral-large-2512",
  "deepseek/deepseek-chat",
  "openrouter/anthropic/claude-sonnet-4.5",
  "compatible/llama",
];

let wire: Wire;
beforeEach(async () => {
  wire = await openWire();
});
afterEach(() => wire.close());

/** Back-offs pass at once; the limits of time never come. */
const clock: Clock = {
  ...systemClock,
  sleep: (ms, signal) => (ms > 60_000 ? systemClock.sleep(2 ** 31 - 1, signal) : Promise.resolve()),
};

const request: ModelRequest = {
  system: "Be terse",
  messages: [
    { role: "user", text: "hello" },
    { role: "assistant", parts: [{ type: "text", text: "Yes?" }] },
    { role: "user", text: "how are you" },
  ],
  tools: [{ name: "look", description: "Looks", inputSchema: { type: "object" } }],
  turn: 0,
};

async function ask(
  ids: { model: string; fallbackModel?: string },
  how: { attempts?: number; signal?: AbortSignal; onEvent?: (event: ModelEvent) => void } = {},
): Promise<ModelEvent[]> {
  const config = { apiKey: key, baseUrl: wire.url };
  const opened = await openModels({
    config: {
      models: {
        ...{ anthropic: config, openai: config, google: config, mistral: config },
        ...{ deepseek: config, openrouter: config, compatible: config },
      },
      scriptedModel: undefined,
    },
    ...{ clock, log: openLog("silent"), random: () => 0 },
    limits: { modelAttempts: how.attempts ?? 3 },
  });
  const events: ModelEvent[] = [];
  const signal = how.signal ?? AbortSignal.timeout(20_000);
  for await (const event of opened.open(ids, {}).reply(request, signal)) {
    events.push(event);
    how.onEvent?.(event);
  }
  return events;
}

/** The events of an answer up to its first text. */
function begun(events: unknown[]): { type?: string }[] {
  const end = events.findIndex((event) => JSON.stringify(event).includes('"Ha"'));
  return events.slice(0, end + 1) as { type?: string }[];
}

const replyIn = (events: ModelEvent[]) => {
  const last = events.at(-1);
  return last?.type === "reply" ? last.reply : undefined;
};
const failureIn = (events: ModelEvent[]) => {
  const last = events.at(-1);
  return last?.type === "failure" ? last.failure : undefined;
};

describe.each(models)("%s", (model) => {
  const provider = model.split("/")[0] ?? "";
  const dialect = dialects[provider] ?? chat;
  const answer = (text: string, end: End = "stop") => answerEvents(dialect(text, end));

  it("says what it said, how it ended, and what it used of which kind", async () => {
    wire.answer(answer("Fine"));
    const reply = replyIn(await ask({ model }));
    expect(reply).toMatchObject({ model, attempt: 1, finishReason: "stop" });
    expect(reply?.parts).toMatchObject([{ type: "text", text: "Fine" }]);
    expect(reply?.usage).toMatchObject({ input_tokens: 120, output_tokens: 34 });
    expect(reply?.usage.cache_read_tokens).toBe(100);
    expect(reply?.usage.cache_write_tokens).toBe(0);
  });

  it("has its end at the limit of length told apart from a refusal", async () => {
    wire.answer(answer("And so", "length"), answer("I will", "refused"));
    expect(replyIn(await ask({ model }))?.finishReason).toBe("length");
    // Mistral has no word for it: a model of its own refuses in its text.
    if (provider === "mistral") return;
    expect(replyIn(await ask({ model }))?.finishReason).toBe("refused");
  });

  it("is asked again after a server error and a 429, with the same request", async () => {
    const slow = answerJson(429, { error: { message: "Slow down" } }, { "retry-after": "1" });
    wire.answer(answerJson(500, { error: { message: "Oops" } }), slow, answer("Fine"));
    const events = await ask({ model });
    expect(events.map(({ type }) => type)).toEqual(["reset", "reset", "delta", "reply"]);
    expect(replyIn(events)?.attempt).toBe(3);
    expect(new Set(wire.requests.map(({ path, body }) => path + body)).size).toBe(1);
  });

  it("is asked again when the line is cut in mid-answer, and the text before is void", async () => {
    wire.answer(answerEvents(begun(dialect("Ha", "stop")), { cut: true }), answer("Whole"));
    const events = await ask({ model });
    expect(replyIn(events)).toMatchObject({ attempt: 2, parts: [{ text: "Whole" }] });
    expect(events.some(({ type }) => type === "reset")).toBe(true);
  });

  it("is not asked again when it refuses the key, which is named and not shown", async () => {
    wire.answer(answerJson(401, { error: { message: `Incorrect API key provided: ${key}` } }));
    const failure = failureIn(await ask({ model }));
    expect(failure?.message).toContain(`${provider} refused the key of the gateway`);
    expect(JSON.stringify(failure)).not.toContain(key);
    expect(wire.requests).toHaveLength(1);
  });

  it.each([
    ["of OpenAI's form", { error: { message: "tools.0: is not understood" } }],
    ["of Mistral's form", { message: "tools.0: is not understood", type: "invalid", code: "1" }],
    ["of a validator", { detail: [{ loc: ["body"], msg: "tools.0: is not understood" }] }],
    ["of a proxy in between", { error: "tools.0: is not understood" }],
  ])("is not asked again after an error %s, and its words are told", async (_form, body) => {
    wire.answer(answerJson(400, body));
    const failure = failureIn(await ask({ model }));
    expect(failure).toMatchObject({ reason: "model_error" });
    expect(failure?.message).toContain("tools.0: is not understood");
    expect(wire.requests).toHaveLength(1);
  });

  it("is replaced by the fallback when it stays down, and replaces one", async () => {
    const down = answerJson(503, { error: { message: "Down" } });
    const other = provider === "compatible" ? "deepseek/deepseek-chat" : "compatible/llama";
    wire.answer(down, answerEvents(chat("Instead", "stop")));
    const first = await ask({ model, fallbackModel: other }, { attempts: 1 });
    expect(replyIn(first)).toMatchObject({ model: other, parts: [{ text: "Instead" }] });
    wire.answer(down, answer("Here"));
    const second = await ask({ model: other, fallbackModel: model }, { attempts: 1 });
    expect(replyIn(second)).toMatchObject({ model, attempt: 2, parts: [{ text: "Here" }] });
  });

  it("is hung up on when the run is stopped in mid-answer", async () => {
    const abort = new AbortController();
    const hungUp = new Promise<void>((resolve) => {
      wire.answer((response) => {
        response.on("close", () => resolve());
        response.writeHead(200, { "content-type": "text/event-stream" });
        for (const event of begun(dialect("Ha", "stop"))) {
          const { type } = event;
          response.write(`${type ? `event: ${type}\n` : ""}data: ${JSON.stringify(event)}\n\n`);
        }
      });
    });
    const onEvent = ({ type }: ModelEvent) => {
      if (type === "delta") abort.abort();
    };
    const events = await ask({ model }, { signal: abort.signal, onEvent });
    expect(events.map(({ type }) => type)).toEqual(["delta"]);
    await hungUp;
  });

  it("is told what to keep of the prompt only where that has to be said", async () => {
    wire.answer(answer("Fine"));
    await ask({ model });
    const body = wire.requests[0]?.body ?? "";
    const marks = body.match(/"cache_?control"/gi) ?? [];
    if (!model.includes("claude")) return expect(marks).toEqual([]);
    // Anthropic keeps nothing by itself, also behind OpenRouter: the system, the last message and the one before.
    expect(marks).toHaveLength(3);
    const sent = JSON.parse(body);
    const last = JSON.stringify(sent.messages.at(-1));
    const system = JSON.stringify(sent.system ?? sent.messages[0]);
    for (const place of [last, system])
      expect(place).toContain('"cache_control":{"type":"ephemeral"}');
    expect(last).toContain("how are you");
    expect(system).toContain("Be terse");
  });
});
