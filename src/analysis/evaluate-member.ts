import { type Evaluation, pathValue } from "./evaluation.ts";
import { foldMethod } from "./fold-methods.ts";
import type { Binding } from "./scope.ts";
import { choices, exactText, joined, unknown, type Value } from "./value.ts";

/** What a name or a member is worth that was given these values; what was added to it comes after. */
export function bound(bindings: readonly Binding[], { values }: Evaluation): Value[] {
  const sets = bindings.filter((each) => each.how === "set");
  const appends = bindings.filter((each) => each.how === "append");
  const worth = (each: Binding) =>
    each.value === null ? [unknown] : values(each.value, each.scope);
  const first = sets.flatMap(worth);
  if (appends.length === 0) return first;
  const added = appends.map(worth);
  const found = choices([first, ...added]).map(joined);
  // One of several is added each time a loop goes round: nobody knows what it comes to.
  return added.some((values) => values.length > 1) ? [...found, unknown] : found;
}

/** A member of a value by its name. */
export function memberOf(of: Value, name: string, evaluation: Evaluation): Value[] {
  const { words, names } = evaluation;
  if (of.is === "path" && of.path === "import.meta" && name === "dirname") {
    return [{ is: "text", text: "." }];
  }
  if (of.is === "path") return [pathValue(words.canonical(words.member(of.path, name)))];
  const stored = names.members.get(name);
  if (of.is === "map") {
    const found = [
      ...(of.entries.get(name) ?? []),
      ...(stored === undefined ? [] : bound(stored, evaluation)),
    ];
    return found.length === 0 ? [unknown] : found;
  }
  if (of.is !== "unknown" && of.is !== "local") return [unknown];
  // Only what has an origin is worth following through an object that is not known.
  const found =
    stored === undefined ? [] : bound(stored, evaluation).filter((value) => value.is !== "local");
  return found.length === 0 ? [unknown] : [...found, unknown];
}

/** `of[key]` */
export function elementOf(of: Value, key: Value, evaluation: Evaluation): Value[] {
  if (key.is === "text" && key.text === "::-1") return foldMethod(of, "reverse", []) ?? [unknown];
  const name = exactText(key);
  if (name !== undefined) return memberOf(of, name, evaluation);
  if (key.is !== "number") return of.is === "map" ? [...of.entries.values()].flat() : [unknown];
  if (of.is === "list") return of.items.at(key.number) ?? [unknown];
  if (of.is === "text") return [{ is: "text", text: of.text.at(key.number) ?? "" }];
  // Only the first argument of a process is the program itself.
  const isArgument = of.is === "path" && of.path === "process.argv" && key.number !== 0;
  return of.is === "path" && !isArgument ? [of] : [unknown];
}
