import type { SgNode } from "@ast-grep/napi";
import { destructure, type Lower } from "./lower.ts";
import type { Expr } from "./tree.ts";

/** `const {get: g} = value`: each name gets its member, its element or the whole. */
export function bindPattern(
  pattern: SgNode | null,
  value: Expr | null,
  lower: Lower,
  hoisted: boolean,
): Expr[] {
  return destructure(pattern, value, (target, part) => {
    const kind = target.kind();
    if (kind === "identifier") return [bind(target, target.text(), part, hoisted)];
    if (kind === "member_expression" || kind === "subscript_expression") {
      const of = lower(target);
      return part === null ? [of] : [{ is: "set", target: of, value: part, at: target }];
    }
    if (kind === "assignment_pattern" || kind === "object_assignment_pattern") {
      const [left, right] = [target.field("left"), target.field("right")];
      if (left?.kind() === "shorthand_property_identifier_pattern") {
        return [bind(left, left.text(), member(left, part, left.text()), hoisted)];
      }
      const fallback = lower(right);
      const either: Expr | null =
        part === null ? null : { is: "either", options: [part, fallback], at: target };
      return bindPattern(left, either, lower, hoisted);
    }
    if (kind === "lexical_declaration" || kind === "variable_declaration") {
      return target
        .namedChildren()
        .flatMap((each) => bindPattern(each.field("name"), part, lower, hoisted));
    }
    if (kind === "rest_pattern")
      return bindPattern(target.namedChildren()[0] ?? null, part, lower, hoisted);
    return kind === "object_pattern" ? bindMembers(target, part, lower, hoisted) : undefined;
  });
}

function bindMembers(pattern: SgNode, value: Expr | null, lower: Lower, hoisted: boolean): Expr[] {
  return pattern.namedChildren().flatMap((each): Expr[] => {
    const kind = each.kind();
    if (kind === "shorthand_property_identifier_pattern") {
      return [bind(each, each.text(), member(each, value, each.text()), hoisted)];
    }
    if (kind !== "pair_pattern") return bindPattern(each, value, lower, hoisted);
    const key = each.field("key");
    if (key?.kind() === "computed_property_name") {
      const at = lower(key.namedChildren()[0] ?? null);
      const part: Expr | null =
        value === null ? null : { is: "index", of: value, key: at, at: each };
      return bindPattern(each.field("value"), part, lower, hoisted);
    }
    const name = (key?.text() ?? "").replace(/^['"]|['"]$/g, "");
    return bindPattern(each.field("value"), member(each, value, name), lower, hoisted);
  });
}

/** `var` belongs to the function, `let` and `const` to their block. */
export function declared(node: SgNode, lower: Lower): Expr {
  const value = node.field("value");
  const hoisted = node.parent()?.kind() === "variable_declaration";
  const given = value === null ? null : lower(value);
  // `var x;` binds nothing new: the global of that name stays what it is.
  if (given === null && hoisted) return { is: "other", parts: [], at: node };
  const binds = bindPattern(node.field("name"), given, lower, hoisted);
  const parts = given !== null && binds.length !== 1 ? [given, ...binds] : binds;
  return { is: "other", parts, at: node };
}

/** What an `import` statement binds, and the module that it loads. Types alone load nothing. */
export function importBinds(node: SgNode, literal: (node: SgNode) => string): Expr {
  const clause = node
    .namedChildren()
    .find((child) => /import_(require_)?clause$/.test(String(child.kind())));
  const source = node.field("source") ?? clause?.field("source") ?? null;
  const typeOnly = node.children().some((child) => child.kind() === "type");
  if (source === null || typeOnly) return { is: "other", parts: [], at: node };
  const module = literal(source);
  const parts: Expr[] = [{ is: "import", module, names: [], at: node }];
  const path = (at: SgNode, name?: string): Expr => ({
    is: "path",
    path: name === undefined ? module : `${module}.${name}`,
    at,
  });
  for (const each of clause?.namedChildren() ?? []) {
    if (each.kind() === "identifier") parts.push(bind(each, each.text(), path(each), false));
    if (each.kind() === "namespace_import") {
      const name = each.namedChildren()[0]?.text() ?? "";
      parts.push(bind(each, name, path(each), false));
    }
    if (each.kind() !== "named_imports") continue;
    for (const item of each.namedChildren()) {
      const name = item.field("name")?.text() ?? "";
      parts.push(bind(item, item.field("alias")?.text() ?? name, path(item, name), false));
    }
  }
  return { is: "other", parts, at: node };
}

function bind(at: SgNode, name: string, value: Expr | null, hoisted: boolean): Expr {
  return { is: "bind", name, value, how: "set", hoisted, at };
}

function member(at: SgNode, of: Expr | null, name: string): Expr | null {
  return of === null ? null : { is: "member", of, name, at };
}
