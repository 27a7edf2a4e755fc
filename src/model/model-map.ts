import { readFileSync } from "node:fs";
import { z } from "zod";
import { ConfigError } from "../base/config.ts";
import { ModelId } from "../contract/submission.ts";
import type { Resolved } from "./model.ts";

/** An operator's rules: the models that agents ask for, and those that they get. */
export interface ModelMap {
  /** The model that is given in place of this one, and the rule that said so; undefined: this one. */
  of(asked: string): { model: string; rule: string } | undefined;
}

const rulesMax = 1_000;

const Rules = z
  .record(
    z
      .string()
      .max(200)
      .regex(
        /^([^*\s/]*\*|[^*\s/]+\/[^*\s]*\*?)$/,
        "expected provider/model, what such ids start with and *, or *",
      ),
    ModelId,
  )
  .refine((rules) => Object.keys(rules).length <= rulesMax, `expected at most ${rulesMax} rules`);

/**
 * Reads the map of models: a JSON object whose members say `"anthropic/claude-sonnet-4-5": "openai/gpt-5"`,
 * `"openrouter/*": "…"` or `"*": "…"`; the most specific one counts, once. Throws a `ConfigError` that names the file and the
 * rule. A model that has no key is refused when it is asked for, as one is that no rule gave.
 */
export function readModelMap(
  path: string | undefined,
  resolve: (modelId: string) => Resolved,
): ModelMap {
  if (path === undefined) return { of: () => undefined };
  const refuse = (why: string) => new ConfigError(`Cannot use AIRLOCK_MODEL_MAP=${path}: ${why}`);
  let value: unknown;
  try {
    value = JSON.parse(readFileSync(path, "utf8"));
  } catch (error) {
    throw refuse(error instanceof Error ? error.message : String(error));
  }
  const parsed = Rules.safeParse(value);
  if (!parsed.success) {
    const issue = parsed.error.issues[0];
    const message = issue?.code === "invalid_key" ? issue.issues[0]?.message : issue?.message;
    throw refuse(`${JSON.stringify(issue?.path.join(".") || "the whole")}: ${message}`);
  }
  for (const [rule, model] of Object.entries(parsed.data)) {
    const resolved = resolve(model);
    if (resolved.type === "unknown") throw refuse(`${JSON.stringify(rule)}: ${resolved.message}`);
  }
  return openModelMap(parsed.data);
}

/** The map of rules that are known to be good. */
export function openModelMap(rules: Readonly<Record<string, string>>): ModelMap {
  const prefixes = Object.entries(rules)
    .filter(([rule]) => rule.endsWith("*"))
    .sort(([a], [b]) => b.length - a.length);
  return {
    of(asked) {
      const exact = Object.hasOwn(rules, asked) ? rules[asked] : undefined;
      if (exact !== undefined) return { model: exact, rule: asked };
      const found = prefixes.find(([rule]) => asked.startsWith(rule.slice(0, -1)));
      return found && { model: found[1], rule: found[0] };
    },
  };
}
