import type { SgNode } from "@ast-grep/napi";
import {
  counted,
  destructure,
  type Lower,
  named,
  nothing,
  onlyPart,
  operands,
  type Rules,
} from "./lower.ts";
import { tokens } from "./rust-tokens.ts";
import type { Expr, Named, ScopeKind } from "./tree.ts";
import { unescapeText } from "./unescape.ts";

/** Rust, as the neutral tree. */
export const rustRules: Rules = {
  line_comment: nothing,
  block_comment: nothing,
  lifetime: nothing,
  attribute_item: nothing,
  inner_attribute_item: nothing,
  field_identifier: nothing,
  type_parameters: nothing,
  type_arguments: nothing,
  identifier: named,
  type_identifier: named,
  self: named,
  crate: named,
  super: named,
  integer_literal: counted,
  string_literal: (node) => {
    const source = node
      .text()
      .replace(/^[bc]?"/, "")
      .replace(/"$/, "");
    return { is: "text", text: unescapeText(source.replace(/\\\n\s*/g, "")), at: node };
  },
  raw_string_literal: (node) => {
    const source = /^b?r(#*)"([\s\S]*)"\1$/.exec(node.text());
    return { is: "text", text: source?.[2] ?? "", at: node };
  },
  parenthesized_expression: onlyPart,
  await_expression: onlyPart,
  try_expression: onlyPart,
  generic_type: (node, lower) => lower(node.field("type")),
  generic_function: (node, lower) => lower(node.field("function")),
  reference_expression: (node, lower) => lower(node.field("value")),
  type_cast_expression: (node, lower) => lower(node.field("value")),
  scoped_identifier: (node, lower) => scoped(node, lower),
  scoped_type_identifier: (node, lower) => scoped(node, lower),
  field_expression: (node, lower) => ({
    is: "member",
    of: lower(node.field("value")),
    name: node.field("field")?.text() ?? "",
    at: node,
  }),
  index_expression: (node, lower) => {
    const [of = null, key = null] = node.namedChildren();
    return { is: "index", of: lower(of), key: lower(key), at: node };
  },
  call_expression: (node, lower) => {
    const list = node.field("arguments")?.namedChildren() ?? [];
    const args = lower.all(list.filter((each) => !String(each.kind()).endsWith("comment")));
    return {
      is: "call",
      callee: lower(node.field("function")),
      args,
      named: [],
      made: false,
      at: node,
    };
  },
  binary_expression: (node, lower) => {
    if (node.field("operator")?.text() === "+") {
      return { is: "join", parts: lower.all(operands(node, "+")), at: node };
    }
    return {
      is: "other",
      parts: [lower(node.field("left")), lower(node.field("right"))],
      at: node,
    };
  },
  array_expression: (node, lower) => ({
    is: "list",
    items: lower.all(node.namedChildren()),
    at: node,
  }),
  tuple_expression: (node, lower) => ({
    is: "list",
    items: lower.all(node.namedChildren()),
    at: node,
  }),
  struct_expression: (node, lower) => {
    const fields = (node.field("body")?.namedChildren() ?? []).map((each): Named => {
      const value = each.field("value") ?? each.namedChildren().at(-1) ?? null;
      return { name: each.field("field")?.text() ?? each.text(), value: lower(value) };
    });
    const callee = lower(node.field("name"));
    return { is: "call", callee, args: [], named: fields, made: true, at: node };
  },
  macro_invocation: (node, lower) => {
    const tree = node.namedChildren().find((child) => child.kind() === "token_tree");
    const name = node.field("macro")?.text() ?? "";
    const callee: Expr = { is: "path", path: `${name}!`, at: node };
    const args = tree === undefined ? [] : tokens(tree, lower);
    if (name === "vec") return { is: "list", items: args, at: node };
    return { is: "call", callee, args, named: [], made: false, at: node };
  },
  token_tree: (node, lower) => ({ is: "other", parts: tokens(node, lower), at: node }),
  let_declaration: (node, lower) => {
    const value = node.field("value");
    return assigned(node, node.field("pattern"), value === null ? null : lower(value), lower);
  },
  const_item: (node, lower) =>
    assigned(node, node.field("name"), lower(node.field("value")), lower),
  static_item: (node, lower) =>
    assigned(node, node.field("name"), lower(node.field("value")), lower),
  assignment_expression: (node, lower) =>
    assigned(node, node.field("left"), lower(node.field("right")), lower),
  compound_assignment_expr: (node, lower) => {
    const left = node.field("left");
    const value = lower(node.field("right"));
    if (left?.kind() !== "identifier")
      return { is: "other", parts: [lower(left), value], at: node };
    return { is: "bind", name: left.text(), value, how: "append", hoisted: false, at: node };
  },
  for_expression: (node, lower) => {
    const of = lower(node.field("value"));
    const value: Expr = { is: "element", of, at: node };
    const binds = assigned(node, node.field("pattern"), value, lower);
    return { is: "other", parts: [binds, lower(node.field("body"))], at: node };
  },
  use_declaration: (node) => ({ is: "other", parts: used(node.field("argument"), ""), at: node }),
  extern_crate_declaration: (node) => {
    const name = node.field("name")?.text() ?? "";
    const alias = node.field("alias")?.text() ?? name;
    return { is: "other", parts: imported(node, name, alias), at: node };
  },
  mod_item: (node, lower) => {
    const body = node.field("body");
    if (body !== null) return scope(node, [], lower.all(body.namedChildren()), "function");
    const before = node.prev();
    const path =
      before?.kind() === "attribute_item" ? /path\s*=\s*"([^"]*)"/.exec(before.text()) : null;
    const module = `mod ${path?.[1] ?? node.field("name")?.text() ?? ""}`;
    return { is: "import", module, names: [], at: node };
  },
  foreign_mod_item: (node) => ({
    is: "hidden",
    reason: "It calls functions of another language, which are not looked through",
    parts: [],
    at: node,
  }),
  block: (node, lower) => scope(node, [], lower.all(node.namedChildren()), "block"),
  function_item: (node, lower) => functionScope(node, lower),
  closure_expression: (node, lower) => functionScope(node, lower),
  function_signature_item: nothing,
};

function scoped(node: SgNode, lower: Lower): Expr {
  const path = node.field("path");
  const name = node.field("name")?.text() ?? "";
  if (path === null) return { is: "path", path: name, at: node };
  return { is: "member", of: lower(path), name, at: node };
}

function bind(at: SgNode, name: string, value: Expr | null): Expr {
  return { is: "bind", name, value, how: "set", hoisted: false, at };
}

function assigned(node: SgNode, left: SgNode | null, value: Expr | null, lower: Lower): Expr {
  const binds = destructure(left, value, (target, part) => {
    const kind = target.kind();
    if (kind === "identifier") return [bind(target, target.text(), part)];
    if (kind === "mut_pattern" || /_pattern$/.test(String(kind))) return undefined;
    const of = lower(target);
    return part === null ? [of] : [{ is: "set", target: of, value: part, at: target }];
  });
  const whole = value !== null && binds.length !== 1 ? [value] : [];
  return { is: "other", parts: [...whole, ...binds], at: node };
}

function imported(at: SgNode, path: string, name: string): Expr[] {
  return [{ is: "import", module: path, names: [], at }, bind(at, name, { is: "path", path, at })];
}

/** `use a::{self, b as c, d::*}`: each leaf by its whole path. */
function used(node: SgNode | null, before: string): Expr[] {
  if (node === null) return [];
  const under = (text: string) => (before === "" ? text : `${before}::${text}`).replaceAll(" ", "");
  const last = (path: string) => path.split("::").at(-1) ?? path;
  switch (node.kind()) {
    case "scoped_use_list": {
      const path = node.field("path");
      const prefix = path === null ? before : under(path.text());
      return used(node.field("list"), prefix);
    }
    case "use_list":
      return node.namedChildren().flatMap((child) => used(child, before));
    case "use_as_clause":
      return imported(
        node,
        under(node.field("path")?.text() ?? ""),
        node.field("alias")?.text() ?? "",
      );
    case "use_wildcard": {
      const module = under(node.namedChildren()[0]?.text() ?? "");
      return [{ is: "import", module, names: ["*"], at: node }];
    }
    case "self":
      return imported(node, before, last(before));
    default:
      return imported(node, under(node.text()), last(node.text()));
  }
}

function functionScope(node: SgNode, lower: Lower): Expr {
  const parameters = (node.field("parameters")?.namedChildren() ?? []).flatMap((each) => {
    const pattern = each.field("pattern") ?? each;
    return pattern.kind() === "identifier" ? [pattern.text()] : [];
  });
  const inside = scope(node, parameters, [lower(node.field("body"))], "function");
  const name = node.field("name");
  return name === null ? inside : bind(node, name.text(), inside);
}

function scope(at: SgNode, parameters: string[], body: Expr[], of: ScopeKind): Expr {
  return { is: "scope", of, parameters, body, at };
}
