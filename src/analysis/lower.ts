import type { SgNode } from "@ast-grep/napi";
import { limits } from "../base/limits.ts";
import type { Expr } from "./tree.ts";

/** Makes the neutral tree of one node; what is missing becomes nothing. */
export interface Lower {
  (node: SgNode | null): Expr;
  all: (nodes: readonly SgNode[]) => Expr[];
}

export type Rule = (node: SgNode, lower: Lower) => Expr;

/** A node without a rule of its own is the sum of its parts. */
export type Rules = Readonly<Record<string, Rule>>;

/**
 * The neutral tree of a syntax tree by the rules of its language. What is nested deeper than the limit is said to be
 * hidden: the stack of the gateway must not end in somebody's parentheses.
 */
export function lowerTree(root: SgNode, rules: Rules): Expr {
  let depth = 0;
  let nodes = 0;
  const one = (node: SgNode | null): Expr => {
    if (node === null) return { is: "other", parts: [], at: root };
    nodes += 1;
    if (depth >= limits.analysisNesting || nodes > limits.analysisNodes) {
      const reason = depth >= limits.analysisNesting ? "is nested too deeply" : "is too long";
      return { is: "hidden", reason: `This code ${reason} to be read`, parts: [], at: node };
    }
    depth += 1;
    try {
      const kind = node.kind();
      const rule = Object.hasOwn(rules, kind) ? rules[kind] : undefined;
      if (rule !== undefined) return rule(node, lower);
      const parts = lower.all(node.namedChildren());
      if (kind !== "ERROR") return { is: "other", parts, at: node };
      return { is: "hidden", reason: "This cannot be read as code", parts, at: node };
    } finally {
      depth -= 1;
    }
  };
  const lower: Lower = Object.assign(one, { all: (nodes: readonly SgNode[]) => nodes.map(one) });
  return one(root);
}

/** Nothing at all: comments, types, documentation. */
export const nothing: Rule = (node) => ({ is: "other", parts: [], at: node });

/** A node that stands for its only part: parentheses, `await`, a reference. */
export const onlyPart: Rule = (node, lower) => {
  const parts = node.namedChildren().filter((child) => child.kind() !== "comment");
  return parts.length === 1
    ? lower(parts[0] ?? null)
    : { is: "other", parts: lower.all(parts), at: node };
};

export const named: Rule = (node) => ({ is: "name", name: node.text(), at: node });

/** A number that fits; everything else counts as a number that nobody knows. */
export const counted: Rule = (node) => {
  const number = Number(node.text().replaceAll("_", "").replace(/n$/, ""));
  return Number.isFinite(number)
    ? { is: "number", number, at: node }
    : { is: "other", parts: [], at: node };
};

/**
 * Operands of a left-leaning chain of one operator, in order. A text that is put together from a thousand pieces leans
 * a thousand levels deep; here it is walked, not descended.
 */
export function operands(node: SgNode, operator: string): SgNode[] {
  const found: SgNode[] = [];
  let at: SgNode | null = node;
  const kind = node.kind();
  while (at !== null && at.kind() === kind && at.field("operator")?.text() === operator) {
    const right: SgNode | null = at.field("right");
    if (right !== null) found.push(right);
    at = at.field("left");
  }
  if (at !== null) found.push(at);
  return found.reverse();
}

/** The names that a pattern binds, each to its part of the value. */
export function destructure(
  pattern: SgNode | null,
  value: Expr | null,
  take: (pattern: SgNode, value: Expr | null) => Expr[] | undefined,
): Expr[] {
  if (pattern === null) return [];
  const own = take(pattern, value);
  if (own !== undefined) return own;
  return pattern.namedChildren().flatMap((child, position) => {
    const at = pattern;
    const part: Expr | null =
      value === null
        ? null
        : value.is === "list" && value.items[position] !== undefined
          ? (value.items[position] ?? null)
          : { is: "index", of: value, key: { is: "number", number: position, at }, at };
    return destructure(child, part, take);
  });
}
