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
import type { Entry, Expr, Named, ScopeKind } from "./tree.ts";
import { unescapeText } from "./unescape.ts";

/** Go, as the neutral tree. */
export const goRules: Rules = {
  comment: nothing,
  package_clause: nothing,
  identifier: named,
  package_identifier: named,
  type_identifier: named,
  field_identifier: nothing,
  int_literal: counted,
  interpreted_string_literal: (node) => ({
    is: "text",
    text: unescapeText(node.text().slice(1, -1)),
    at: node,
  }),
  raw_string_literal: (node) => ({ is: "text", text: node.text().slice(1, -1), at: node }),
  parenthesized_expression: onlyPart,
  type_conversion_expression: (node, lower) => lower(node.field("operand")),
  type_assertion_expression: (node, lower) => lower(node.field("operand")),
  unary_expression: (node, lower) => lower(node.field("operand")),
  literal_element: onlyPart,
  selector_expression: (node, lower) => ({
    is: "member",
    of: lower(node.field("operand")),
    name: node.field("field")?.text() ?? "",
    at: node,
  }),
  qualified_type: (node, lower) => ({
    is: "member",
    of: lower(node.field("package") ?? node.namedChildren()[0] ?? null),
    name: node.field("name")?.text() ?? "",
    at: node,
  }),
  index_expression: (node, lower) => ({
    is: "index",
    of: lower(node.field("operand")),
    key: lower(node.field("index")),
    at: node,
  }),
  call_expression: (node, lower) => {
    const list = node.field("arguments")?.namedChildren() ?? [];
    const args = list
      .filter((each) => each.kind() !== "comment")
      .flatMap((each) => argument(each, lower));
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
  composite_literal: (node, lower) => composite(node, lower),
  literal_value: (node, lower) => ({ is: "list", items: lower.all(elements(node)), at: node }),
  import_spec: (node) => {
    const module = unescapeText((node.field("path")?.text() ?? "").slice(1, -1));
    const alias = node.field("name");
    const names = alias?.kind() === "dot" ? ["*"] : [];
    const parts: Expr[] = [{ is: "import", module, names, at: node }];
    const name = alias === null ? packageName(module) : alias.text();
    if (name !== "_" && name !== ".") {
      parts.push(bind(node, name, { is: "path", path: module, at: node }));
    }
    return { is: "other", parts, at: node };
  },
  const_spec: (node, lower) => specified(node, lower),
  var_spec: (node, lower) => specified(node, lower),
  short_var_declaration: (node, lower) => assigned(node, lower),
  assignment_statement: (node, lower) => assigned(node, lower),
  range_clause: (node, lower) => {
    const of = lower(node.field("right"));
    const left = node.field("left")?.namedChildren() ?? [];
    const value: Expr = { is: "element", of, at: node };
    const binds = left.flatMap((each, position) =>
      bound(each, position === 1 ? value : null, lower),
    );
    return { is: "other", parts: [of, ...binds], at: node };
  },
  block: (node, lower) => scope(node, [], lower.all(node.namedChildren()), "block"),
  function_declaration: (node, lower) =>
    bind(node, node.field("name")?.text() ?? "", functionScope(node, lower)),
  method_declaration: (node, lower) => functionScope(node, lower),
  func_literal: (node, lower) => functionScope(node, lower),
  keyed_element: (node, lower) => lower(node.field("value") ?? node.namedChildren()[1] ?? null),
};

/** The name by which a package is used: the last part of its path that is not a version. */
function packageName(module: string): string {
  const parts = module.split("/");
  const last = /^v\d+$/.test(parts.at(-1) ?? "") ? parts.at(-2) : parts.at(-1);
  return (last ?? "").replace(/\.v\d+$/, "").replace(/^go-/, "");
}

function argument(node: SgNode, lower: Lower): Expr[] {
  if (node.kind() !== "variadic_argument") return [lower(node)];
  const of = lower(node.namedChildren()[0] ?? null);
  return of.is === "list" ? of.items : [{ is: "element", of, at: node }];
}

function elements(node: SgNode): SgNode[] {
  return node.namedChildren().filter((child) => child.kind() !== "comment");
}

/** A slice is a list, a map is a map, and a struct of a package is made by that package. */
function composite(node: SgNode, lower: Lower): Expr {
  const type = node.field("type");
  const inside = elements(node.field("body") ?? node);
  const keyed = inside.filter((each) => each.kind() === "keyed_element");
  const kind = type?.kind() ?? "";
  const key = (each: SgNode) => each.field("key") ?? each.namedChildren()[0] ?? null;
  const value = (each: SgNode) => lower(each.field("value") ?? each.namedChildren()[1] ?? null);
  if (kind === "qualified_type" || kind === "type_identifier") {
    const fields = keyed.map(
      (each): Named => ({ name: key(each)?.text() ?? "", value: value(each) }),
    );
    const args = inside
      .filter((each) => each.kind() !== "keyed_element")
      .map((each) => lower(each));
    return { is: "call", callee: lower(type), args, named: fields, made: true, at: node };
  }
  if (keyed.length === 0) return { is: "list", items: lower.all(inside), at: node };
  const entries = keyed.map((each): Entry => ({ key: lower(key(each)), value: value(each) }));
  return { is: "map", entries, at: node };
}

function bind(at: SgNode, name: string, value: Expr | null): Expr {
  return { is: "bind", name, value, how: "set", hoisted: false, at };
}

function bound(target: SgNode, value: Expr | null, lower: Lower): Expr[] {
  return destructure(target, value, (each, part) => {
    const kind = each.kind();
    if (kind === "identifier") return [bind(each, each.text(), part)];
    const of = lower(each);
    return part === null ? [of] : [{ is: "set", target: of, value: part, at: each }];
  });
}

/** `a, b := x, y` pairs them; `a, err := f()` gives the call to the first. */
function assigned(node: SgNode, lower: Lower): Expr {
  const left = node.field("left")?.namedChildren() ?? [];
  const right = lower.all(node.field("right")?.namedChildren() ?? []);
  const [name] = left;
  if (node.field("operator")?.text() === "+=" && name?.kind() === "identifier") {
    const value = right[0] ?? null;
    return { is: "bind", name: name.text(), value, how: "append", hoisted: false, at: node };
  }
  const binds = left.flatMap((target, position) => bound(target, right[position] ?? null, lower));
  return { is: "other", parts: [...right, ...binds], at: node };
}

function specified(node: SgNode, lower: Lower): Expr {
  const list = node.field("value");
  const values = list === null ? [] : lower.all(list.namedChildren());
  const type = node.field("type");
  const parts = node.fieldChildren("name").map((name, position): Expr => {
    const value = values[position] ?? null;
    return bind(name, name.text(), value ?? instance(type, lower));
  });
  return { is: "other", parts: [...values, ...parts], at: node };
}

/** A value of a type of a package, that the package did not make. */
function instance(type: SgNode | null, lower: Lower): Expr | null {
  const bare = type?.kind() === "pointer_type" ? (type.namedChildren()[0] ?? null) : type;
  if (bare?.kind() !== "qualified_type") return null;
  return { is: "call", callee: lower(bare), args: [], named: [], made: true, at: bare };
}

function functionScope(node: SgNode, lower: Lower): Expr {
  const parameters: string[] = [];
  const typed: Expr[] = [];
  for (const each of node.field("parameters")?.namedChildren() ?? []) {
    const value = instance(each.field("type"), lower);
    for (const name of each.fieldChildren("name")) {
      if (value === null) parameters.push(name.text());
      else typed.push(bind(name, name.text(), value));
    }
  }
  return scope(node, parameters, [...typed, lower(node.field("body"))], "function");
}

function scope(at: SgNode, parameters: string[], body: Expr[], of: ScopeKind): Expr {
  return { is: "scope", of, parameters, body, at };
}
