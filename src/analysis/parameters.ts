import type { Binding, Scope } from "./scope.ts";
import type { Expr, Slot } from "./tree.ts";

type Call = Extract<Expr, { is: "call" }>;

/** A function of the file, where its parameters are names. */
interface Own {
  name: string;
  slots: readonly Slot[];
  inside: Scope;
  isMember: boolean;
}

/** What a walk over a tree says of its functions and of who calls them. */
export interface Uses {
  functions: Own[];
  calls: { name: string; isMember: boolean; call: Call; scope: Scope }[];
  /** How often a name, or a member of that name, is spoken of, called or not. */
  named: Map<string, number>;
  members: Map<string, number>;
  /** Texts that may be code, or names to look something up by. */
  texts: Set<string>;
}

export function openUses(): Uses {
  return { functions: [], calls: [], named: new Map(), members: new Map(), texts: new Set() };
}

/** Notes what one expression says of functions. */
export function noteUse(expr: Expr, scope: Scope, uses: Uses): void {
  const count = (map: Map<string, number>, name: string) => map.set(name, (map.get(name) ?? 0) + 1);
  if (expr.is === "name") count(uses.named, expr.name);
  else if (expr.is === "member") count(uses.members, expr.name);
  else if (expr.is === "text") uses.texts.add(expr.text);
  else if (expr.is === "call") {
    const { callee } = expr;
    if (callee.is !== "name" && callee.is !== "member") return;
    if (callee.is === "member" && isModule(callee.of, scope)) {
      // It calls a function of that module, whatever functions of that name there are here.
      uses.members.set(callee.name, (uses.members.get(callee.name) ?? 0) - 1);
      return;
    }
    uses.calls.push({ name: callee.name, isMember: callee.is === "member", call: expr, scope });
  }
}

/**
 * Gives the parameters of each function what its calls give them, when nobody can call it unseen: its name is only ever
 * called, never handed on. Everything else stays unknown.
 */
export function bindParameters(uses: Uses): void {
  const texts = [...uses.texts];
  for (const own of uses.functions) {
    const { name, isMember, slots, inside } = own;
    const calls = uses.calls.filter((each) => each.name === name && each.isMember === isMember);
    const spoken = (isMember ? uses.members : uses.named).get(name) ?? 0;
    const isSpelt = texts.some((text) => text === name || text.includes(`${name}(`));
    if (calls.length === 0 || calls.length !== spoken || isSpelt) continue;
    inside.sites = calls.length;
    for (const [position, slot] of slots.entries()) {
      if (slot.name === null) continue;
      const given = calls.map(({ call, scope }) => givenTo(slot, position, call, scope));
      const others = inside.bindings.get(slot.name)?.filter(({ value }) => value !== null) ?? [];
      inside.bindings.set(slot.name, [...given, ...others]);
    }
  }
}

function givenTo(slot: Slot, position: number, call: Call, scope: Scope): Binding {
  const bind = (value: Expr | null): Binding => ({ value, scope, how: "set" });
  const spread = call.args.findIndex((arg) => arg.is === "element");
  const isCertain = (spread < 0 || spread > position) && call.named.every((n) => n.name !== "**");
  if (!isCertain) return bind(null);
  if (slot.rest) {
    if (spread >= 0) return bind(null);
    return bind({ is: "list", items: call.args.slice(position), at: call.at });
  }
  const named = call.named.find((each) => each.name === slot.name)?.value;
  return bind(named ?? call.args[position] ?? slot.fallback);
}

/** Whether a name is that of something that was imported. */
function isModule(of: Expr, from: Scope): boolean {
  if (of.is !== "name") return false;
  for (let scope: Scope | null = from; scope !== null; scope = scope.parent) {
    const bindings = scope.bindings.get(of.name);
    if (bindings !== undefined) return bindings.every(({ value }) => value?.is === "path");
  }
  return false;
}
