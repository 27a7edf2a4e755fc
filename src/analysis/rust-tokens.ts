import type { SgNode } from "@ast-grep/napi";
import type { Lower } from "./lower.ts";
import type { Expr } from "./tree.ts";

/**
 * What stands between the parentheses of a macro. A macro sees tokens, not expressions, so texts, paths and what looks
 * like a call are picked out of them; `,` parts them.
 */
export function tokens(tree: SgNode, lower: Lower): Expr[] {
  const found: Expr[] = [];
  let current: Expr | undefined;
  let joint: string | undefined;
  const flush = () => {
    if (current !== undefined) found.push(current);
    current = undefined;
    joint = undefined;
  };
  for (const node of tree.children()) {
    const kind = node.kind();
    if (kind === "identifier" || kind === "primitive_type" || kind === "self" || kind === "crate") {
      if (current !== undefined && joint !== undefined) {
        current = { is: "member", of: current, name: node.text(), at: node };
      } else {
        flush();
        current = { is: "name", name: node.text(), at: node };
      }
      joint = undefined;
    } else if (kind === "::" || kind === ".") {
      joint = kind;
    } else if (kind === "token_tree") {
      const args = inside(node, lower);
      if (current === undefined) found.push({ is: "list", items: args, at: node });
      else current = { is: "call", callee: current, args, named: [], made: false, at: node };
    } else if (node.isNamed()) {
      flush();
      current = lower(node);
    } else if (kind === "!" && current?.is === "name") {
      current = { is: "path", path: `${current.name}!`, at: node };
    } else if (kind !== "?") {
      flush();
    }
  }
  flush();
  return found;
}

/** One level down, through the shared bound on depth. */
function inside(node: SgNode, lower: Lower): Expr[] {
  const expr = lower(node);
  return expr.is === "other" ? expr.parts : [expr];
}
