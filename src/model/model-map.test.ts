import { writeFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { tempDir } from "../../test/support/temp-dir.ts";
import { ConfigError } from "../base/config.ts";
import type { Resolved } from "./model.ts";
import { openModelMap, readModelMap } from "./model-map.ts";

const anything = (): Resolved => ({ type: "ready", provider: "openai", model: "x" });

describe("the map of models", () => {
  const map = openModelMap({
    "*": "scripted/rest",
    "anthropic/*": "openai/gpt-5",
    "anthropic/claude-opus*": "openai/gpt-5-pro",
    "anthropic/claude-opus-4-1": "scripted/exact",
  });

  it.each([
    ["anthropic/claude-opus-4-1", "scripted/exact", "anthropic/claude-opus-4-1"],
    ["anthropic/claude-opus-4", "openai/gpt-5-pro", "anthropic/claude-opus*"],
    ["anthropic/claude-sonnet-4-5", "openai/gpt-5", "anthropic/*"],
    ["mistral/mistral-large", "scripted/rest", "*"],
    ["openrouter/anthropic/claude-opus-4-1", "scripted/rest", "*"],
  ])("gives for %s what the most specific rule says", (asked, model, rule) => {
    expect(map.of(asked)).toEqual({ model, rule });
  });

  it("gives the model itself when no rule speaks of it", () => {
    expect(openModelMap({ "openai/*": "scripted/x" }).of("mistral/x")).toBeUndefined();
    expect(openModelMap({}).of("constructor")).toBeUndefined();
    expect(readModelMap(undefined, anything).of("mistral/x")).toBeUndefined();
  });

  it("takes the longest rule that fits, in whatever order they are written", () => {
    const part = fc.stringMatching(/^[ab/]{0,5}$/);
    const rules = fc.uniqueArray(part, { minLength: 1, maxLength: 8 });
    fc.assert(
      fc.property(rules, part, (prefixes, asked) => {
        const given = Object.fromEntries(prefixes.map((one) => [`${one}*`, `m/${one}`]));
        const fitting = prefixes.filter((one) => asked.startsWith(one));
        const longest = fitting.sort((a, b) => b.length - a.length)[0];
        const expected =
          longest === undefined ? undefined : { model: `m/${longest}`, rule: `${longest}*` };
        expect(openModelMap(given).of(asked)).toEqual(expected);
      }),
    );
  });
});

describe("the file of the map", () => {
  it.each<[string, string, RegExp]>([
    ["no JSON", "{", /JSON/],
    ["a list", "[]", /expected record/i],
    ["a rule with a * in the middle", '{"a*b": "openai/x"}', /expected provider\/model/],
    ["a rule that is only a provider", '{"anthropic": "openai/x"}', /expected provider\/model/],
    ["a model that is none", '{"*": "a b"}', /expected provider\/model/],
    ["a model that is a number", '{"*": 5}', /"\*"/],
  ])("stops the start when it is %s", async (_, text, message) => {
    const path = join(await tempDir("map"), "models.json");
    writeFileSync(path, text);
    expect(() => readModelMap(path, anything)).toThrow(ConfigError);
    expect(() => readModelMap(path, anything)).toThrow(message);
    expect(() => readModelMap(path, anything)).toThrow(`AIRLOCK_MODEL_MAP=${path}`);
  });

  it("stops the start when it is not there, or names a model of no provider", async () => {
    expect(() => readModelMap("/nowhere/models.json", anything)).toThrow(/ENOENT/);
    const path = join(await tempDir("map"), "models.json");
    writeFileSync(path, '{"*": "llama/3"}');
    const unknown = (): Resolved => ({ type: "unknown", message: "Model is of no provider" });
    expect(() => readModelMap(path, unknown)).toThrow(/"\*": Model is of no provider/);
    // A key may come later, or with a run.
    const noKey = (): Resolved => ({
      ...{ type: "no_credential", provider: "openai", variable: "V", message: "no key" },
    });
    expect(readModelMap(path, noKey).of("x/y")).toEqual({ model: "llama/3", rule: "*" });
  });
});
