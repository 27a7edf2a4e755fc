import { limits } from "../base/limits.ts";
import { foldCall } from "./fold-calls.ts";
import { foldMethod } from "./fold-methods.ts";
import { type Binding, type Names, openScope, type Scope } from "./scope.ts";
import type { Expr } from "./tree.ts";
import { choices, distinct, exactText, hole, joined, most, unknown, type Value } from "./value.ts";
import type { Words } from "./words.ts";

/** Works out what expressions of one file may be worth. */
export interface Evaluator {
  (expr: Expr, scope: Scope): Value[];
  /** It gave up: the file builds more than anybody would wait for. */
  exhausted: () => boolean;
}

type Call = Extract<Expr, { is: "call" }>;

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
    const found = distinct(workOut(expr, scope));
    depth -= 1;
    scope.known.set(expr, found);
    return found;
  };

  const workOut = (expr: Expr, scope: Scope): Value[] => {
    switch (expr.is) {
      case "text":
        return [{ is: "text", text: expr.text }];
      case "number":
        return [{ is: "number", number: expr.number }];
      case "path":
        return [{ is: "path", path: words.canonical(expr.path) }];
      case "name":
        return lookUp(expr.name, scope);
      case "member":
        return values(expr.of, scope).flatMap((of) => memberOf(of, expr.name));
      case "index":
        return choices([values(expr.of, scope), values(expr.key, scope)]).flatMap(([of, key]) =>
          of === undefined || key === undefined ? [] : elementOf(of, key),
        );
      case "call":
        return called(expr, scope);
      case "join":
        return choices(expr.parts.map((part) => values(part, scope))).map(joined);
      case "list":
        return [
          { is: "list", items: expr.items.slice(0, most.items).map((item) => values(item, scope)) },
        ];
      case "map":
        return [{ is: "map", entries: entriesOf(expr.entries, scope) }];
      case "either":
        return expr.options.flatMap((option) => values(option, scope));
      case "with":
        return values(expr.value, scope);
      case "element":
        return values(expr.of, scope).flatMap((of) => anyOf(of));
      case "each":
        return [eachOf(expr, scope)];
      case "scope":
        return scopeValue(expr);
      case "bind":
        return expr.value === null ? [unknown] : values(expr.value, scope);
      default:
        return [unknown];
    }
  };

  const lookUp = (name: string, from: Scope): Value[] => {
    const global: Value[] = [{ is: "path", path: words.canonical(name) }];
    for (let scope: Scope | null = from; scope !== null; scope = scope.parent) {
      const bindings = scope.bindings.get(name);
      if (bindings === undefined) continue;
      const found = bound(bindings);
      // A file may give a built-in's name to something of its own, and take it back.
      return scope.parent === null && words.hiding.has(name) ? [...found, ...global] : found;
    }
    const starred = names.stars.map((module) => words.canonical(words.member(module, name)));
    return [...global, ...starred.filter((path) => words.isWatched(path)).map(pathValue)];
  };

  const bound = (bindings: Binding[]): Value[] => {
    const sets = bindings.filter((each) => each.how === "set");
    const appends = bindings.filter((each) => each.how === "append");
    const worth = (each: Binding) =>
      each.value === null ? [unknown] : values(each.value, each.scope);
    const first = sets.flatMap(worth);
    if (appends.length === 0) return first;
    return choices([first, ...appends.map(worth)]).map(joined);
  };

  const memberOf = (of: Value, name: string): Value[] => {
    if (of.is === "path") return [pathValue(words.canonical(words.member(of.path, name)))];
    if (of.is === "map") return of.entries.get(name) ?? [unknown];
    if (of.is === "unknown" || of.is === "local") {
      const stored = names.members.get(name);
      // Only what has an origin is worth following through an object that is not known.
      const found =
        stored === undefined ? [] : bound(stored).filter((value) => value.is !== "local");
      return found.length === 0 ? [unknown] : [...found, unknown];
    }
    return [unknown];
  };

  const elementOf = (of: Value, key: Value): Value[] => {
    if (key.is === "text" && key.text === "::-1") return foldMethod(of, "reverse", []) ?? [unknown];
    const name = exactText(key);
    if (name !== undefined) return memberOf(of, name);
    if (key.is !== "number") return of.is === "map" ? [...of.entries.values()].flat() : [unknown];
    if (of.is === "list") return of.items.at(key.number) ?? [unknown];
    if (of.is === "path") return [of];
    if (of.is === "text") return [{ is: "text", text: of.text.at(key.number) ?? "" }];
    return [unknown];
  };

  const entriesOf = (entries: Extract<Expr, { is: "map" }>["entries"], scope: Scope) => {
    const map = new Map<string, Value[]>();
    for (const { key, value } of entries) {
      for (const each of values(key, scope)) {
        const name = exactText(each);
        if (name !== undefined) map.set(name, [...(map.get(name) ?? []), ...values(value, scope)]);
      }
    }
    return map;
  };

  const eachOf = (expr: Extract<Expr, { is: "each" }>, scope: Scope): Value => {
    const [of] = values(expr.of, scope);
    const items =
      of?.is === "text"
        ? [...of.text].map((text): Value[] => [{ is: "text", text }])
        : of?.is === "list"
          ? of.items
          : undefined;
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
  };

  /** A block is worth its last part, as a comprehension is its list. */
  const scopeValue = (expr: Extract<Expr, { is: "scope" }>): Value[] => {
    const inside = names.scopes.get(expr);
    const last = expr.body.at(-1);
    if (expr.of !== "block" || inside === undefined || last === undefined) return [{ is: "local" }];
    return last.is === "each" ? values(last, inside) : [unknown];
  };

  const called = (expr: Call, scope: Scope): Value[] => {
    const args = () => choices(expr.args.map((arg) => values(arg, scope)));
    const found: Value[] = [];
    const { callee } = expr;
    if (callee.is === "member") {
      for (const of of values(callee.of, scope)) {
        if (of.is !== "text" && of.is !== "list" && of.is !== "file" && of.is !== "number")
          continue;
        for (const given of args())
          found.push(...(foldMethod(of, callee.name, given) ?? [unknown]));
      }
      if (found.length > 0) return found;
    }
    for (const value of values(callee, scope)) {
      if (value.is !== "path") found.push(unknown);
      else if (callee.is === "member" && words.bindsOnly(callee.name))
        found.push(...values(callee.of, scope));
      else for (const given of args()) found.push(...callPath(value.path, given, expr, scope));
    }
    return found;
  };

  const callPath = (path: string, given: Value[], expr: Call, scope: Scope): Value[] => {
    const [first, second] = given;
    const name = exactText(first);
    if (words.imports.has(path))
      return name === undefined ? [unknown] : [pathValue(words.imported(path, name))];
    if (words.passes.has(path) && first !== undefined) return [first];
    if (words.reads.has(path) && name !== undefined) return [{ is: "file", path: name }];
    if (words.getters.has(path) && first !== undefined) {
      const member = exactText(second);
      return member === undefined ? [unknown] : memberOf(first, member);
    }
    const folded = foldCall(path, given, (name) => namedValue(expr, scope, name));
    return folded ?? [pathValue(`${path}()`)];
  };

  const namedValue = (expr: Call, scope: Scope, name: string): Value => {
    const inline = expr.named.find((each) => each.name === name)?.value;
    const value: Expr = inline ?? { is: "name", name, at: expr.at };
    const [first] = values(value, scope);
    return first?.is === "path" ? { is: "text", text: hole } : (first ?? unknown);
  };

  return Object.assign(values, { exhausted: () => steps > limits.analysisSteps });
}

function pathValue(path: string): Value {
  return { is: "path", path };
}

/** Any element of what a loop goes through. */
function anyOf(of: Value): Value[] {
  if (of.is === "list") return of.items.flat();
  if (of.is === "map") return [...of.entries.keys()].map((text): Value => ({ is: "text", text }));
  return [unknown];
}
