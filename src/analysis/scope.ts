import { bindParameters, noteUse, openUses } from "./parameters.ts";
import { type Expr, partsOf } from "./tree.ts";
import type { Value } from "./value.ts";

/** One place where a name gets a value. Which one counts when the name is read is not asked: any of them may. */
export interface Binding {
  /** Null: a value that nobody knows, as of a parameter. */
  value: Expr | null;
  scope: Scope;
  how: "set" | "append";
}

export interface Scope {
  parent: Scope | null;
  /** Of a function or a file, not of a block: what is hoisted stops here. */
  hoists: boolean;
  bindings: Map<string, Binding[]>;
  /** How many calls gave its parameters their values, each binding of a parameter standing for one of them. */
  sites?: number;
  /** What was worked out already; an expression belongs to one scope. */
  known: Map<Expr, Value[]>;
}

/** All names of one file. */
export interface Names {
  root: Scope;
  scopes: Map<Expr, Scope>;
  /** What was ever put under a member of that name, in any object: `this.x = …`, `{x: …}`, the bindings of a class. */
  members: Map<string, Binding[]>;
  /** Modules of which every name is taken. */
  stars: string[];
}

export function openScope(parent: Scope | null, hoists: boolean): Scope {
  return { parent, hoists, bindings: new Map(), known: new Map() };
}

/**
 * Finds every binding of a tree before anything is judged: functions are called before they are written down. In a text
 * that no other one loads (`isWhole`) its own calls say what the parameters of its functions are.
 */
export function namesOf(tree: Expr, isWhole = false): Names {
  const root = openScope(null, true);
  const names: Names = { root, scopes: new Map(), members: new Map(), stars: [] };
  const seen = new Set<Expr>();
  const uses = openUses();
  const calls: (() => void)[] = [];
  const functions: (() => void)[] = [];
  const changes: { name: string; scope: Scope; binding: Binding }[] = [];
  const put = (map: Map<string, Binding[]>, name: string, binding: Binding) => {
    const list = map.get(name);
    if (list === undefined) map.set(name, [binding]);
    else list.push(binding);
  };
  const visit = (expr: Expr, scope: Scope, inClass: boolean): void => {
    if (seen.has(expr)) return;
    seen.add(expr);
    if (expr.is !== "call") noteUse(expr, scope, uses);
    else calls.push(() => noteUse(expr, scope, uses));
    let inside = scope;
    let holdsMembers = inClass && expr.is === "other";
    if (expr.is === "scope") {
      inside = openScope(scope, expr.of !== "block");
      names.scopes.set(expr, inside);
      for (const name of expr.parameters) {
        put(inside.bindings, name, { value: null, scope: inside, how: "set" });
      }
      holdsMembers = expr.of === "class";
    } else if (expr.is === "bind") {
      const home = expr.hoisted ? hoister(scope) : scope;
      const binding: Binding = { value: expr.value, scope, how: expr.how };
      put(inClass ? names.members : home.bindings, expr.name, binding);
      if (inClass) put(home.bindings, expr.name, binding);
      const { name, value } = expr;
      if (value?.is === "scope" && value.of === "function" && value.slots !== undefined) {
        const { slots } = value;
        functions.push(() => {
          const own = names.scopes.get(value);
          if (own) uses.functions.push({ name, slots, inside: own, isMember: inClass });
        });
      }
    } else if (expr.is === "set") {
      changes.push(...changesOf(expr, scope));
      const name = memberName(expr.target);
      if (name !== undefined) put(names.members, name, { value: expr.value, scope, how: "set" });
    } else if (expr.is === "call") {
      changes.push(...changesOf(expr, scope));
    } else if (expr.is === "map") {
      for (const { key, value } of expr.entries) {
        if (key.is === "text") put(names.members, key.text, { value, scope, how: "set" });
      }
    } else if (expr.is === "import" && expr.names.includes("*")) {
      names.stars.push(expr.module);
    }
    for (const part of partsOf(expr)) visit(part, inside, holdsMembers);
  };
  visit(tree, root, false);
  if (isWhole) {
    for (const note of [...calls, ...functions]) note();
    bindParameters(uses);
  }
  for (const { name, scope, binding } of changes) {
    let home: Scope | null = scope;
    while (home !== null && !home.bindings.has(name)) home = home.parent;
    if (home !== null) put(home.bindings, name, binding);
  }
  return names;
}

const additions = new Set(["append", "push", "extend", "push_str", "add"]);
const changers = new Set("insert unshift splice sort reverse update setdefault remove".split(" "));

/** A list that is added to is worth more afterwards; one that is changed otherwise is unknown. */
function changesOf(expr: Expr, scope: Scope): { name: string; scope: Scope; binding: Binding }[] {
  const target = expr.is === "call" ? expr.callee : expr.is === "set" ? expr.target : undefined;
  if (target?.is !== "member" && target?.is !== "index") return [];
  if (target.of.is !== "name") return [];
  const { name } = target.of;
  if (expr.is === "set") {
    const isElement = target.is === "index" && target.key.is !== "text";
    return isElement ? [{ name, scope, binding: { value: null, scope, how: "set" } }] : [];
  }
  if (expr.is !== "call" || target.is !== "member") return [];
  const [first] = expr.args;
  if (changers.has(target.name) && first !== undefined) {
    return [{ name, scope, binding: { value: null, scope, how: "set" } }];
  }
  if (!additions.has(target.name) || first === undefined) return [];
  const whole = target.name === "extend" || target.name === "push_str";
  const value: Expr = whole ? first : { is: "list", items: expr.args, at: expr.at };
  return [{ name, scope, binding: { value, scope, how: "append" } }];
}

function hoister(scope: Scope): Scope {
  let at = scope;
  while (!at.hoists && at.parent !== null) at = at.parent;
  return at;
}

function memberName(target: Expr): string | undefined {
  if (target.is === "member") return target.name;
  return target.is === "index" && target.key.is === "text" ? target.key.text : undefined;
}
