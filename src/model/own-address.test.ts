import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { answerEvents, openWire, type Wire } from "../../test/support/model-wire.ts";
import { systemClock } from "../base/clock.ts";
import { readConfig } from "../base/config.ts";
import { openLog } from "../base/log.ts";
import { guardedFetch, openUpstreams, type Upstreams } from "../egress/egress.ts";
import { type ModelEvent, openModels } from "./model.ts";

const gatewayKey = "sk-of-the-gateway-0123456789";
const runKey = "sk-of-the-run-0123456789abcd";
const log = openLog("silent");

/** A server that the operator has chosen, and one that a run brings. */
let chosen: Wire;
let brought: Wire;
let upstreams: Upstreams | undefined;
beforeEach(async () => {
  [chosen, brought] = await Promise.all([openWire(), openWire()]);
});
afterEach(async () => {
  upstreams?.close();
  await Promise.all([chosen.close(), brought.close()]);
});

const reply = answerEvents([
  { choices: [{ index: 0, delta: { role: "assistant", content: "hello" } }] },
  { choices: [{ index: 0, delta: {}, finish_reason: "stop" }] },
]);

/** What a run with these secrets gets for one question, when the operator lists these hosts as private. */
async function ask(
  keys: Record<string, string>,
  privateHosts: string[],
  resolver = async (_name: string) => ["127.0.0.1"],
): Promise<ModelEvent | undefined> {
  const own = openUpstreams({ privateHosts, resolver, clock: systemClock, log });
  upstreams = own;
  const env = { DEEPSEEK_API_KEY: gatewayKey, DEEPSEEK_BASE_URL: chosen.url };
  const models = await openModels({
    config: readConfig(env),
    limits: { modelBackoffFirstMs: 1, modelBackoffMaxMs: 1 },
    ...{ clock: systemClock, log, guardedFetch: () => guardedFetch(own) },
  });
  const request = {
    ...{ system: "Be terse", tools: [], turn: 0 },
    messages: [{ role: "user" as const, text: "hello" }],
  };
  let last: ModelEvent | undefined;
  const signal = AbortSignal.timeout(20_000);
  const model = models.open({ model: "deepseek/deepseek-chat" }, keys);
  for await (const event of model.reply(request, signal)) last = event;
  return last;
}

const port = (wire: Wire) => new URL(wire.url).port;

describe("an address of a provider that a run brings", () => {
  it("is asked in place of the operator's, with the run's key", async () => {
    brought.answer(reply);
    const host = `models.test:${port(brought)}`;
    const keys = { deepseek: runKey, "deepseek/base_url": `http://${host}/own` };
    expect(await ask(keys, [host])).toMatchObject({
      type: "reply",
      reply: { parts: [{ text: "hello" }] },
    });
    expect(brought.requests).toHaveLength(1);
    expect(brought.requests[0]).toMatchObject({
      path: "/own/chat/completions",
      headers: { authorization: `Bearer ${runKey}`, host },
    });
    expect(chosen.requests).toEqual([]);
  });

  it.each([
    ["https://127.0.0.1:PORT", []],
    ["http://127.0.0.1:PORT", []],
    ["https://[::ffff:127.0.0.1]:PORT", []],
    ["https://localhost:PORT", []],
    ["https://models.example:PORT", []],
    ["http://models.example:PORT", ["127.0.0.0/8"]],
    ["http://other.test:PORT", ["models.test"]],
  ])(
    "%s reaches nobody when the operator lists %j: no key and no prompt leaves (H09, H10)",
    async (address, listed) => {
      const url = address.replace("PORT", port(brought));
      const last = await ask({ deepseek: runKey, "deepseek/base_url": url }, listed);
      expect(last).toMatchObject({
        type: "failure",
        failure: {
          reason: "model_error",
          message: expect.stringContaining("could not be reached"),
        },
      });
      expect([...brought.requests, ...chosen.requests]).toEqual([]);
    },
  );

  it("that is refused for good is not tried again", async () => {
    let lookups = 0;
    const keys = { deepseek: runKey, "deepseek/base_url": "https://models.example" };
    await ask(keys, [], async () => {
      lookups++;
      return ["10.0.0.1"];
    });
    expect(lookups).toBe(1);
  });

  it("that redirects sends the key nowhere else (H08)", async () => {
    brought.answer((response) => {
      response.writeHead(307, { location: `${chosen.url}/chat/completions` }).end();
    });
    const host = `models.test:${port(brought)}`;
    const keys = { deepseek: runKey, "deepseek/base_url": `http://${host}` };
    expect(await ask(keys, [host])).toMatchObject({ type: "failure" });
    expect(brought.requests).toHaveLength(1);
    expect(chosen.requests).toEqual([]);
  });
});

describe("an address that the operator chose", () => {
  it("may be anywhere, also for a run that brings a key and whatever other secrets", async () => {
    chosen.answer(reply);
    const others = { run_token: "airlock_run_x", canary: "airlock_live_x", "env/X": "12345678" };
    expect(await ask({ deepseek: runKey, ...others }, [])).toMatchObject({ type: "reply" });
    expect(chosen.requests[0]?.headers.authorization).toBe(`Bearer ${runKey}`);
  });
});
