import { memberOf } from "./evaluate-member.ts";
import { type Evaluation, pathValue } from "./evaluation.ts";
import { foldCall } from "./fold-calls.ts";
import { foldMethod } from "./fold-methods.ts";
import type { Scope } from "./scope.ts";
import type { Expr } from "./tree.ts";
import { choices, exactText, hole, most, unknown, type Value } from "./value.ts";

type Call = Extract<Expr, { is: "call" }>;

/** What a call gives: a text when the function is known and without an effect, else something of that function. */
export function worthOfCall(call: Call, scope: Scope, evaluation: Evaluation): Value[] {
  const { callee } = call;
  const { values, words } = evaluation;
  const args = choices(call.args.map((arg) => values(arg, scope)));
  if (callee.is === "member") {
    const ofValues = values(callee.of, scope).flatMap((of) => worthOfMethod(of, callee.name, args));
    if (ofValues.length > 0) return ofValues;
  }
  return values(callee, scope).flatMap((value) => {
    if (value.is !== "path") return [unknown];
    if (callee.is === "member" && words.bindsOnly(callee.name)) return values(callee.of, scope);
    return args.flatMap((given) => worthOfPath(value.path, given, call, scope, evaluation));
  });
}

function worthOfMethod(of: Value, name: string, args: readonly Value[][]): Value[] {
  if (of.is === "map") return listedMap(of.entries, name);
  const folds = of.is === "text" || of.is === "list" || of.is === "file" || of.is === "number";
  return folds ? args.flatMap((given) => foldMethod(of, name, given) ?? [unknown]) : [];
}

/** The pairs, or one half of them, that a loop over a map goes through. */
function listedMap(entries: ReadonlyMap<string, Value[]>, name: string): Value[] {
  const pairs = [...entries].slice(0, most.items);
  const items = pairs.flatMap(([key, values]): Value[][] => {
    const text: Value = { is: "text", text: key };
    if (name === "items" || name === "entries") return [[{ is: "list", items: [[text], values] }]];
    return name === "values" ? [values] : name === "keys" ? [[text]] : [];
  });
  return items.length === 0 ? [] : [{ is: "list", items }];
}

function worthOfPath(
  path: string,
  given: readonly Value[],
  call: Call,
  scope: Scope,
  evaluation: Evaluation,
): Value[] {
  const { words } = evaluation;
  const [first, second] = given;
  const name = exactText(first);
  if (words.imports.has(path)) {
    return name === undefined ? [unknown] : [pathValue(words.imported(path, name))];
  }
  // `eval("require")` is what it names.
  if (words.evaluates.has(path) && name !== undefined && /^[\w.$]+$/.test(name)) {
    return [pathValue(words.canonical(name === "this" ? "globalThis" : name))];
  }
  const listed = /^Object\.(entries|values|keys)$/.exec(path)?.[1];
  if (listed !== undefined && first?.is === "map") {
    const found = listedMap(first.entries, listed);
    if (found.length > 0) return found;
  }
  if (words.passes.has(path) && first !== undefined) return [first];
  if (words.reads.has(path) && name !== undefined) return [{ is: "file", path: name }];
  if (words.getters.has(path) && first !== undefined) {
    const member = exactText(second);
    return member === undefined ? [unknown] : memberOf(first, member, evaluation);
  }
  const folded = foldCall(path, given, (named) => namedValue(call, scope, named, evaluation));
  return folded ?? [pathValue(words.canonical(`${path}()`))];
}

/** A value that a format asks for by its name. */
function namedValue(call: Call, scope: Scope, name: string, { values }: Evaluation): Value {
  const given = call.named.find((each) => each.name === name)?.value;
  const value: Expr = given ?? { is: "name", name, at: call.at };
  const [first = unknown] = values(value, scope);
  return first.is === "path" ? { is: "text", text: hole } : first;
}
