import { limits } from "../base/limits.ts";
import { worthOfCall } from "./evaluate-call.ts";
import { bound, elementOf, memberOf } from "./evaluate-member.ts";
import { type Evaluation, type Evaluator, pathValue } from "./evaluation.ts";
import { type Names, openScope, type Scope } from "./scope.ts";
import type { Entry, Expr } from "./tree.ts";
import { choices, distinct, exactText, joined, most, unknown, type Value } from "./value.ts";
import type { Words } from "./words.ts";

/** Nothing is run and no order is assumed: a name is worth whatever any of its bindings gives it. */
export function openEvaluator(names: Names, words: Words): Evaluator {
  let steps = 0;
  let depth = 0;
  const values = (expr: Expr, scope: Scope): Value[] => {
    const known = scope.known.get(expr);
    if (known !== undefined) return known;
    steps += 1;
    if (steps > limits.analysisSteps || depth >= limits.analysisNesting) return [unknown];
    // A value that depends on itself is unknown.
    scope.known.set(expr, [unknown]);
    depth += 1;
    const worked = workOut(expr, scope, { names, words, values });
    // Nothing known is not nothing: an empty list may have been filled where nobody looked.
    const found = worked.length === 0 ? [unknown] : distinct(worked);
    depth -= 1;
    scope.known.set(expr, found);
    return found;
  };
  return Object.assign(values, { exhausted: () => steps > limits.analysisSteps });
}

function workOut(expr: Expr, scope: Scope, evaluation: Evaluation): Value[] {
  const { values, words } = evaluation;
  switch (expr.is) {
    case "text":
      return [{ is: "text", text: expr.text }];
    case "number":
      return [{ is: "number", number: expr.number }];
    case "path":
      return [pathValue(words.canonical(expr.path))];
    case "name":
      return lookUp(expr.name, scope, evaluation);
    case "member":
      return values(expr.of, scope).flatMap((of) => memberOf(of, expr.name, evaluation));
    case "index":
      return choices([values(expr.of, scope), values(expr.key, scope)]).flatMap(([of, key]) =>
        of === undefined || key === undefined ? [] : elementOf(of, key, evaluation),
      );
    case "call":
      return worthOfCall(expr, scope, evaluation);
    case "join":
      return choices(expr.parts.map((part) => values(part, scope))).map(joined);
    case "list": {
      const items = expr.items.slice(0, most.items).map((item) => values(item, scope));
      return [{ is: "list", items }];
    }
    case "map":
      return [{ is: "map", entries: entriesOf(expr.entries, scope, values) }];
    case "either":
      return expr.options.flatMap((option) => values(option, scope));
    case "with":
      return values(expr.value, scope);
    case "element":
      return values(expr.of, scope).flatMap(anyOf);
    case "each":
      return [eachOf(expr, scope, values)];
    case "scope":
      return worthOfScope(expr, evaluation);
    case "bind":
      return expr.value === null ? [unknown] : values(expr.value, scope);
    default:
      return [unknown];
  }
}

function lookUp(name: string, from: Scope, evaluation: Evaluation): Value[] {
  const { names, words } = evaluation;
  const global = pathValue(words.canonical(name));
  for (let scope: Scope | null = from; scope !== null; scope = scope.parent) {
    const bindings = scope.bindings.get(name);
    if (bindings === undefined) continue;
    const found = bound(bindings, evaluation);
    // A file may give a built-in's name to something of its own, and take it back.
    return scope.parent === null && words.hiding.has(name) ? [...found, global] : found;
  }
  const starred = names.stars.map((module) => words.canonical(words.member(module, name)));
  // A path from the directory of a file is one that is looked for beside it.
  if (name === "__dirname" && words.language === "javascript") return [{ is: "text", text: "." }];
  const known: Value[] = words.isGlobal(name) ? [global] : [{ is: "local" }];
  return [...known, ...starred.filter((path) => words.isWatched(path)).map(pathValue)];
}

function entriesOf(
  entries: readonly Entry[],
  scope: Scope,
  values: Evaluation["values"],
): Map<string, Value[]> {
  const map = new Map<string, Value[]>();
  for (const { key, value } of entries) {
    for (const each of values(key, scope)) {
      const name = exactText(each);
      if (name !== undefined) map.set(name, [...(map.get(name) ?? []), ...values(value, scope)]);
    }
  }
  return map;
}

/** What `item` is worth for each element, the name of the loop standing for one after the other. */
function eachOf(
  expr: Extract<Expr, { is: "each" }>,
  scope: Scope,
  values: Evaluation["values"],
): Value {
  const [of] = values(expr.of, scope);
  const items = of === undefined ? undefined : itemsOf(of);
  if (items === undefined || items.length > most.items) return unknown;
  return {
    is: "list",
    items: items.map((item) => {
      const inside = openScope(scope, false);
      const value: Expr = { is: "name", name: expr.name, at: expr.at };
      inside.bindings.set(expr.name, [{ value, scope: inside, how: "set" }]);
      inside.known.set(value, item);
      return values(expr.item, inside);
    }),
  };
}

function itemsOf(of: Value): Value[][] | undefined {
  if (of.is === "list") return of.items;
  return of.is === "text" ? [...of.text].map((text): Value[] => [{ is: "text", text }]) : undefined;
}

/** A block is worth its last part, as a comprehension is its list. */
function worthOfScope(
  expr: Extract<Expr, { is: "scope" }>,
  { names, values }: Evaluation,
): Value[] {
  const inside = names.scopes.get(expr);
  const last = expr.body.at(-1);
  if (expr.of !== "block" || inside === undefined || last === undefined) return [{ is: "local" }];
  return last.is === "each" ? values(last, inside) : [unknown];
}

/** Any element of what a loop goes through. */
function anyOf(of: Value): Value[] {
  if (of.is === "list") return of.items.flat();
  if (of.is === "map") return [...of.entries.keys()].map((text): Value => ({ is: "text", text }));
  return [unknown];
}
