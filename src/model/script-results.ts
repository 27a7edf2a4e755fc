import type { Message } from "./model.ts";

/**
 * Puts what earlier calls returned into the arguments of a script: `{"$result": "1.0.captured_layers.0"}` stands for
 * that field of the result of turn 1's call 0, both counted from 0. One that is not there stays as it is written, which
 * the tool then refuses by name.
 */
export function withResults(value: unknown, messages: readonly Message[]): unknown {
  if (Array.isArray(value)) return value.map((one) => withResults(one, messages));
  if (typeof value !== "object" || value === null) return value;
  const { $result: wanted } = value as { $result?: unknown };
  if (typeof wanted === "string" && Object.keys(value).length === 1) {
    return resultAt(wanted, messages) ?? value;
  }
  return Object.fromEntries(
    Object.entries(value).map(([name, one]) => [name, withResults(one, messages)]),
  );
}

function resultAt(wanted: string, messages: readonly Message[]): unknown {
  const [turn, call, ...path] = wanted.split(".");
  let found: unknown;
  for (const message of messages) {
    if (message.role !== "tool") continue;
    for (const { toolCallId, result } of message.results) {
      if (toolCallId === `call_${turn}_${call}`) found = result;
    }
  }
  for (const name of path) {
    if (typeof found !== "object" || found === null || !Object.hasOwn(found, name))
      return undefined;
    found = (found as Record<string, unknown>)[name];
  }
  return found;
}
