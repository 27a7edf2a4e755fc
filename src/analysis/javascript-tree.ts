import type { SgNode } from "@ast-grep/napi";
import { bindPattern, declared, importBinds } from "./javascript-names.ts";
import { counted, type Lower, named, nothing, onlyPart, operands, type Rules } from "./lower.ts";
import type { Entry, Expr, Slot } from "./tree.ts";
import { unescapeText } from "./unescape.ts";

/** JavaScript and TypeScript, as the neutral tree. */
export const javascriptRules: Rules = {
  comment: nothing,
  type_annotation: nothing,
  type_arguments: nothing,
  type_parameters: nothing,
  interface_declaration: nothing,
  type_alias_declaration: nothing,
  identifier: named,
  this: named,
  number: counted,
  string: (node) => ({ is: "text", text: literal(node), at: node }),
  template_string: (node, lower) => template(node, lower),
  expression_statement: (node, lower) => {
    // "use strict" and its kin; a text that stands alone does nothing.
    const parts = node.namedChildren().filter((child) => child.kind() !== "string");
    return { is: "other", parts: lower.all(parts), at: node };
  },
  parenthesized_expression: onlyPart,
  await_expression: onlyPart,
  non_null_expression: onlyPart,
  as_expression: (node, lower) => lower(node.namedChildren()[0] ?? null),
  satisfies_expression: (node, lower) => lower(node.namedChildren()[0] ?? null),
  type_assertion: (node, lower) => lower(node.namedChildren().at(-1) ?? null),
  member_expression: (node, lower) => ({
    is: "member",
    of: lower(node.field("object")),
    name: node.field("property")?.text() ?? "",
    at: node,
  }),
  subscript_expression: (node, lower) => ({
    is: "index",
    of: lower(node.field("object")),
    key: lower(node.field("index")),
    at: node,
  }),
  call_expression: (node, lower) => call(node, lower, "function"),
  new_expression: (node, lower) => call(node, lower, "constructor"),
  import: (node) => ({ is: "path", path: "import", at: node }),
  meta_property: (node) => ({ is: "path", path: node.text().replace(/\s/g, ""), at: node }),
  sequence_expression: (node, lower) => {
    const parts = lower.all(node.namedChildren());
    const last = parts.pop() ?? lower(null);
    return { is: "with", value: last, beside: parts, at: node };
  },
  binary_expression: (node, lower) => {
    const operator = node.field("operator")?.text();
    if (operator === "+") return { is: "join", parts: lower.all(operands(node, "+")), at: node };
    const parts = [lower(node.field("left")), lower(node.field("right"))];
    if (operator === "||" || operator === "&&" || operator === "??") {
      return { is: "either", options: parts, at: node };
    }
    return { is: "other", parts, at: node };
  },
  ternary_expression: (node, lower) => {
    const options = [lower(node.field("consequence")), lower(node.field("alternative"))];
    const value: Expr = { is: "either", options, at: node };
    return { is: "with", value, beside: [lower(node.field("condition"))], at: node };
  },
  array: (node, lower) => ({
    is: "list",
    items: node.namedChildren().flatMap((child): Expr[] => {
      if (child.kind() === "comment") return [];
      return spread(child, lower) ?? [lower(child)];
    }),
    at: node,
  }),
  object: (node, lower) => ({
    is: "map",
    entries: node.namedChildren().flatMap((child) => entry(child, lower)),
    at: node,
  }),
  variable_declarator: (node, lower) => declared(node, lower),
  assignment_expression: (node, lower) => {
    const value = lower(node.field("right"));
    const binds = bindPattern(node.field("left"), value, lower, true);
    return { is: "with", value, beside: binds, at: node };
  },
  augmented_assignment_expression: (node, lower) => {
    const left = node.field("left");
    const value = lower(node.field("right"));
    const operator = node.field("operator")?.text();
    if (left?.kind() === "identifier" && operator === "+=") {
      return { is: "bind", name: left.text(), value, how: "append", hoisted: true, at: node };
    }
    const binds = bindPattern(
      left,
      /^(\?\?|\|\||&&)=$/.test(operator ?? "") ? value : null,
      lower,
      true,
    );
    return { is: "other", parts: [value, ...binds], at: node };
  },
  for_in_statement: (node, lower) => {
    const of = lower(node.field("right"));
    const value: Expr = { is: "element", of, at: node };
    const binds = bindPattern(node.field("left"), value, lower, false);
    const body = [...binds, value, lower(node.field("body"))];
    return { is: "scope", of: "block", parameters: [], body, at: node };
  },
  statement_block: (node, lower) => block(node, lower),
  for_statement: (node, lower) => block(node, lower),
  catch_clause: (node, lower) => {
    const parameters = names(node.field("parameter"));
    return { is: "scope", of: "block", parameters, body: [lower(node.field("body"))], at: node };
  },
  function_declaration: (node, lower) => bindFunction(node, lower),
  generator_function_declaration: (node, lower) => bindFunction(node, lower),
  function_expression: (node, lower) => scopeOf(node, lower),
  generator_function: (node, lower) => scopeOf(node, lower),
  arrow_function: (node, lower) => scopeOf(node, lower),
  class_declaration: (node, lower) => {
    const name = node.field("name")?.text() ?? "";
    const value = classBody(node, lower);
    return { is: "bind", name, value, how: "set", hoisted: false, at: node };
  },
  class: (node, lower) => classBody(node, lower),
  method_definition: (node, lower) => bindFunction(node, lower),
  public_field_definition: (node, lower) => field(node, lower),
  field_definition: (node, lower) => field(node, lower),
  import_statement: (node) => importBinds(node, literal),
  export_statement: (node, lower) => {
    const source = node.field("source");
    if (source === null) return { is: "other", parts: lower.all(node.namedChildren()), at: node };
    return { is: "import", module: literal(source), names: [], at: node };
  },
};

function literal(node: SgNode): string {
  const source = node.text();
  return unescapeText(source.slice(1, -1));
}

function template(node: SgNode, lower: Lower): Expr {
  const parts = node.namedChildren().map((child): Expr => {
    if (child.kind() === "template_substitution") return lower(child.namedChildren()[0] ?? null);
    return { is: "text", text: unescapeText(child.text()), at: node };
  });
  const [only] = parts;
  if (parts.length === 0) return { is: "text", text: "", at: node };
  return parts.length === 1 && only?.is === "text" ? only : { is: "join", parts, at: node };
}

function call(node: SgNode, lower: Lower, field: "function" | "constructor"): Expr {
  const list = node.field("arguments");
  const given = list?.kind() === "arguments" ? list.namedChildren() : list === null ? [] : [list];
  const args = given
    .filter((each) => each.kind() !== "comment")
    .flatMap((each) => spread(each, lower) ?? [lower(each)]);
  const callee = lower(node.field(field));
  return { is: "call", callee, args, named: [], made: field === "constructor", at: node };
}

/** `...list` is its items when they stand there, else any of them. */
function spread(node: SgNode, lower: Lower): Expr[] | undefined {
  if (node.kind() !== "spread_element") return undefined;
  const of = lower(node.namedChildren()[0] ?? null);
  return of.is === "list" ? of.items : [{ is: "element", of, at: node }];
}

function entry(node: SgNode, lower: Lower): Entry[] {
  const kind = node.kind();
  const text = (name: string): Expr => ({ is: "text", text: name, at: node });
  if (kind === "comment") return [];
  if (kind === "shorthand_property_identifier") {
    return [{ key: text(node.text()), value: { is: "name", name: node.text(), at: node } }];
  }
  if (kind === "method_definition") {
    return [{ key: text(node.field("name")?.text() ?? ""), value: scopeOf(node, lower) }];
  }
  const key = node.field("key");
  if (kind !== "pair" || key === null) return [{ key: lower(null), value: lower(node) }];
  const value = lower(node.field("value"));
  if (key.kind() === "computed_property_name") {
    return [{ key: lower(key.namedChildren()[0] ?? null), value }];
  }
  const name = key.kind() === "string" ? literal(key) : key.text();
  return [{ key: text(name), value }];
}

function block(node: SgNode, lower: Lower): Expr {
  const body = lower.all(node.namedChildren());
  return { is: "scope", of: "block", parameters: [], body, at: node };
}

function bindFunction(node: SgNode, lower: Lower): Expr {
  const name = node.field("name")?.text() ?? "";
  return { is: "bind", name, value: scopeOf(node, lower), how: "set", hoisted: false, at: node };
}

function classBody(node: SgNode, lower: Lower): Expr {
  const body = lower.all(
    node.namedChildren().filter((child) => child.kind() !== "type_identifier"),
  );
  return { is: "scope", of: "class", parameters: [], body, at: node };
}

function field(node: SgNode, lower: Lower): Expr {
  const name = (node.field("name") ?? node.field("property"))?.text() ?? "";
  const value = node.field("value");
  const given = value === null ? null : lower(value);
  return { is: "bind", name, value: given, how: "set", hoisted: false, at: node };
}

function scopeOf(node: SgNode, lower: Lower): Expr {
  const list = node.field("parameters") ?? node.field("parameter");
  const defaults = list === null ? [] : lower.all(defaultsOf(list));
  const body = [...defaults, lower(node.field("body"))];
  const slots = slotsOf(list, lower);
  return { is: "scope", of: "function", parameters: names(list), slots, body, at: node };
}

/** The parameters by their places. */
function slotsOf(list: SgNode | null, lower: Lower): Slot[] {
  if (list === null) return [];
  if (list.kind() === "identifier") return [{ name: list.text(), rest: false, fallback: null }];
  return list
    .namedChildren()
    .filter((each) => each.kind() !== "comment")
    .map((each): Slot => {
      const typed = each.field("pattern") ?? each;
      const isRest = typed.kind() === "rest_pattern";
      const given = isRest ? (typed.namedChildren()[0] ?? typed) : typed;
      const left = given.kind() === "assignment_pattern" ? given.field("left") : given;
      const value = given.field("right") ?? each.field("value");
      const name = left?.kind() === "identifier" ? left.text() : null;
      return { name, rest: isRest, fallback: value === null ? null : lower(value) };
    });
}

function defaultsOf(list: SgNode): SgNode[] {
  return list.namedChildren().flatMap((each) => {
    const value =
      each.field("value") ?? (each.kind() === "assignment_pattern" ? each.field("right") : null);
    return value === null ? [] : [value];
  });
}

/** The names that a parameter list or a pattern binds; types do not count. */
function names(node: SgNode | null): string[] {
  if (node === null) return [];
  const kind = node.kind();
  if (kind === "identifier" || kind === "shorthand_property_identifier_pattern")
    return [node.text()];
  if (kind === "type_annotation" || kind === "property_identifier") return [];
  if (kind === "assignment_pattern") return names(node.field("left"));
  if (kind === "required_parameter" || kind === "optional_parameter")
    return names(node.field("pattern"));
  return node.namedChildren().flatMap((child) => names(child));
}
