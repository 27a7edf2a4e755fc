/**
 * The neutral tree: what is left of a program of any language when only names, texts, calls and bindings count. Each
 * language has one file that makes it; everything behind works on it alone.
 */
import type { SgNode } from "@ast-grep/napi";

/** Where it stands; asked for its line and text only when something is found there, because asking is slow. */
export type At = SgNode;

export type Expr =
  | { is: "text"; text: string; at: At }
  | { is: "number"; number: number; at: At }
  | { is: "name"; name: string; at: At }
  /** Something of known origin: a module, or what lies in it. */
  | { is: "path"; path: string; at: At }
  | { is: "member"; of: Expr; name: string; at: At }
  | { is: "index"; of: Expr; key: Expr; at: At }
  | { is: "call"; callee: Expr; args: Expr[]; named: Named[]; made: boolean; at: At }
  /** Texts one after the other: `+`, f-strings, templates, texts side by side. */
  | { is: "join"; parts: Expr[]; at: At }
  | { is: "list"; items: Expr[]; at: At }
  | { is: "map"; entries: Entry[]; at: At }
  /** One of them, nobody knows which. */
  | { is: "either"; options: Expr[]; at: At }
  /** Worth what `value` is; the rest happens on the way. */
  | { is: "with"; value: Expr; beside: Expr[]; at: At }
  /** Any element of a list, as a loop takes them. */
  | { is: "element"; of: Expr; at: At }
  /** The list of what `item` gives for each element that `name` stands for. */
  | { is: "each"; item: Expr; name: string; of: Expr; at: At }
  | { is: "import"; module: string; names: string[]; at: At }
  | {
      is: "bind";
      name: string;
      value: Expr | null;
      how: "set" | "append";
      hoisted: boolean;
      at: At;
    }
  | { is: "set"; target: Expr; value: Expr; at: At }
  /** A function, a class, a block: names that are bound inside are not seen outside. */
  | {
      is: "scope";
      of: ScopeKind;
      parameters: string[];
      /** The parameters by their places, where that is known; what a call gives them may be followed. */
      slots?: Slot[];
      body: Expr[];
      at: At;
    }
  | { is: "other"; parts: Expr[]; at: At }
  /** Code that hides by what it is: broken syntax, nesting without end, foreign functions. */
  | { is: "hidden"; reason: string; parts: Expr[]; at: At };

export type ScopeKind = "function" | "class" | "block";

/** One place for an argument; without a name when it is taken apart at once. */
export interface Slot {
  name: string | null;
  /** It takes all that are left. */
  rest: boolean;
  fallback: Expr | null;
}

export interface Named {
  name: string;
  value: Expr;
}

export interface Entry {
  key: Expr;
  value: Expr;
}

/** What lies directly inside, in the order in which it stands. */
export function partsOf(expr: Expr): Expr[] {
  switch (expr.is) {
    case "text":
    case "number":
    case "name":
    case "path":
    case "import":
      return [];
    case "member":
    case "element":
      return [expr.of];
    case "index":
      return [expr.of, expr.key];
    case "each":
      return [expr.item, expr.of];
    case "call":
      return [expr.callee, ...expr.args, ...expr.named.map((each) => each.value)];
    case "join":
    case "other":
    case "hidden":
      return expr.parts;
    case "list":
      return expr.items;
    case "map":
      return expr.entries.flatMap((entry) => [entry.key, entry.value]);
    case "either":
      return expr.options;
    case "with":
      return [expr.value, ...expr.beside];
    case "bind":
      return expr.value === null ? [] : [expr.value];
    case "set":
      return [expr.target, expr.value];
    case "scope":
      return expr.body;
  }
}

/** The line of the file on which it starts, from 1. */
export function lineOf(at: At): number {
  return at.range().start.line + 1;
}
