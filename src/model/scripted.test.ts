import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { tempDir } from "../../test/support/temp-dir.ts";
import { systemClock } from "../base/clock.ts";
import { readConfig } from "../base/config.ts";
import { openLog } from "../base/log.ts";
import { type ModelEvent, type Models, openModels, parseScript, type Script } from "./model.ts";

const script: Script = {
  turns: [
    {
      text: "I shall write a rather long sentence about snow ❄️ and ice 🧊, then look.",
      calls: [
        { tool: "look", arguments: { at: "x" } },
        { tool: "look", arguments: "not an object" },
      ],
      usage: { output_tokens: 12 },
    },
    { failWith: { reason: "model_error", message: "The script fails here" } },
    { text: "Late", delayMs: 86_400_000 },
  ],
};

function open(options: { script?: Script; path?: string }): Promise<Models> {
  const config = readConfig({}, options.path ? { scriptedModel: options.path } : {});
  const given = options.script ? { script: options.script } : {};
  return openModels({ config, clock: systemClock, log: openLog("silent"), ...given });
}

async function play(
  models: Models,
  turn: number,
  model = "scripted/any",
  signal = AbortSignal.timeout(5000),
): Promise<ModelEvent[]> {
  const events: ModelEvent[] = [];
  const request = { system: "", messages: [], tools: [], turn };
  for await (const event of models.open({ model }, {}).reply(request, signal)) events.push(event);
  return events;
}

describe("a scripted model", () => {
  it("plays the turn of the request's number in several pieces, the same each time", async () => {
    const models = await open({ script });
    const events = await play(models, 0);
    const deltas = events.filter((event) => event.type === "delta");
    expect(deltas.length).toBeGreaterThan(2);
    expect(deltas.every(({ text }) => text.isWellFormed())).toBe(true);
    expect(deltas.map(({ text }) => text).join("")).toBe(script.turns[0]?.text);
    expect(events.at(-1)).toEqual({
      type: "reply",
      reply: {
        parts: [{ type: "text", text: script.turns[0]?.text }],
        calls: [
          { toolCallId: "call_0_0", tool: "look", arguments: { at: "x" } },
          { toolCallId: "call_0_1", tool: "look", arguments: "not an object" },
        ],
        finishReason: "calls",
        usage: {
          input_tokens: 0,
          output_tokens: 12,
          cache_read_tokens: 0,
          cache_write_tokens: 0,
        },
        model: "scripted/any",
        costUsd: 0,
        attempt: 1,
      },
    });
    expect(await play(await open({ script }), 0)).toEqual(events);
  });

  it("fails where the script says so", async () => {
    expect(await play(await open({ script }), 1)).toEqual([
      {
        type: "failure",
        failure: { reason: "model_error", message: "The script fails here" },
        billed: "no",
      },
    ]);
  });

  it("says that the script is over after its last turn", async () => {
    const events = await play(await open({ script }), 3);
    expect(events.at(-1)).toMatchObject({
      reply: { parts: [{ text: "The script is over" }], finishReason: "stop", calls: [] },
    });
  });

  it("ends at once when it is aborted while it waits", async () => {
    const abort = new AbortController();
    const playing = play(await open({ script }), 2, "scripted/any", abort.signal);
    abort.abort();
    expect(await playing).toEqual([]);
  });
});

describe("a script file", () => {
  async function fileWith(content: string): Promise<string> {
    const path = join(await tempDir("script"), "script.json");
    await writeFile(path, content);
    return path;
  }

  it("is played by every scripted/… when it holds one script", async () => {
    const models = await open({ path: await fileWith(JSON.stringify(script)) });
    expect(models.resolve("scripted/whatever", [])).toMatchObject({ type: "ready" });
    expect((await play(models, 3)).at(-1)).toMatchObject({ type: "reply" });
  });

  it("with several scripts plays the one that is named, and lists them for a wrong name", async () => {
    const scripts = { one: { turns: [{ text: "1" }] }, two: { turns: [{ text: "2" }] } };
    const models = await open({ path: await fileWith(JSON.stringify({ scripts })) });
    const events = await play(models, 0, "scripted/two");
    expect(events.at(-1)).toMatchObject({ reply: { parts: [{ text: "2" }] } });
    for (const name of ["three", "constructor"]) {
      expect(models.resolve(`scripted/${name}`, [])).toMatchObject({
        type: "unknown",
        message: expect.stringContaining("one, two"),
      });
    }
  });

  it.each([
    ["{", /script\.json.*JSON/],
    ['{"turns":[{"txt":"a"}]}', /script\.json, at turns\.0: .*txt/],
    ['{"turns":[{"calls":[{"tool":"a"}]}]}', /at turns\.0\.calls\.0\.arguments/],
    ['{"scripts":{"a":{"turns":1}}}', /at scripts\.a\.turns/],
  ])("that is %s is refused with its name and the field", async (content, message) => {
    await expect(open({ path: await fileWith(content) })).rejects.toThrow(message);
  });

  it("that is not there is refused by name", async () => {
    await expect(open({ path: "/nowhere/script.json" })).rejects.toThrow("/nowhere/script.json");
  });

  it("is the same as a value given by a program", () => {
    expect(() => parseScript({ turns: [{ delayMs: -1 }] }, "a test")).toThrow("turns.0.delayMs");
  });
});
