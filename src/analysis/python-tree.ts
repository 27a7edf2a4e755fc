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
import type { Entry, Expr, Named, Slot } from "./tree.ts";
import { unescapeText } from "./unescape.ts";

/** Python, as the neutral tree. */
export const pythonRules: Rules = {
  comment: nothing,
  type: nothing,
  identifier: (node, lower) =>
    node.text() === "__name__" ? { is: "text", text: "__main__", at: node } : named(node, lower),
  integer: counted,
  string: (node, lower) => text(node, lower),
  concatenated_string: (node, lower) => ({
    is: "join",
    parts: lower.all(node.namedChildren().filter((child) => child.kind() === "string")),
    at: node,
  }),
  // A text that stands alone is documentation.
  expression_statement: (node, lower) => {
    const parts = node.namedChildren().filter((child) => !isText(child));
    return { is: "other", parts: lower.all(parts), at: node };
  },
  parenthesized_expression: onlyPart,
  await: onlyPart,
  attribute: (node, lower) => ({
    is: "member",
    of: lower(node.field("object")),
    name: node.field("attribute")?.text() ?? "",
    at: node,
  }),
  subscript: (node, lower) => ({
    is: "index",
    of: lower(node.field("value")),
    key: lower(node.field("subscript")),
    at: node,
  }),
  slice: (node, lower) => {
    const reversed = node.text().replaceAll(" ", "") === "::-1";
    return reversed
      ? { is: "text", text: "::-1", at: node }
      : { is: "other", parts: lower.all(node.namedChildren()), at: node };
  },
  call: (node, lower) => call(node, lower),
  binary_operator: (node, lower) => {
    const operator = node.field("operator")?.text();
    if (operator === "+") return { is: "join", parts: lower.all(operands(node, "+")), at: node };
    const parts = [lower(node.field("left")), lower(node.field("right"))];
    const [left, right] = parts;
    if (operator !== "%" || left === undefined || right === undefined) {
      return { is: "other", parts, at: node };
    }
    const callee: Expr = { is: "member", of: left, name: "%", at: node };
    return { is: "call", callee, args: [right], named: [], made: false, at: node };
  },
  conditional_expression: (node, lower) => {
    const [first, condition, last] = lower.all(node.namedChildren());
    if (first === undefined || condition === undefined || last === undefined) {
      return { is: "other", parts: [], at: node };
    }
    const value: Expr = { is: "either", options: [first, last], at: node };
    return { is: "with", value, beside: [condition], at: node };
  },
  boolean_operator: (node, lower) => ({
    is: "either",
    options: lower.all(node.namedChildren()),
    at: node,
  }),
  list: (node, lower) => ({ is: "list", items: lower.all(node.namedChildren()), at: node }),
  tuple: (node, lower) => ({ is: "list", items: lower.all(node.namedChildren()), at: node }),
  expression_list: (node, lower) => ({
    is: "list",
    items: lower.all(node.namedChildren()),
    at: node,
  }),
  set: (node, lower) => ({ is: "list", items: lower.all(node.namedChildren()), at: node }),
  dictionary: (node, lower) => ({
    is: "map",
    entries: node.namedChildren().flatMap((pair): Entry[] => {
      if (pair.kind() === "comment") return [];
      if (pair.kind() !== "pair") return [{ key: lower(null), value: lower(pair) }];
      return [{ key: lower(pair.field("key")), value: lower(pair.field("value")) }];
    }),
    at: node,
  }),
  assignment: (node, lower) => {
    const right = node.field("right");
    return bound(node, node.field("left"), right === null ? null : lower(right), lower);
  },
  named_expression: (node, lower) => {
    const value = lower(node.field("value"));
    const binds = bound(node, node.field("name"), value, lower);
    return { is: "with", value, beside: [binds], at: node };
  },
  augmented_assignment: (node, lower) => {
    const left = node.field("left");
    const value = lower(node.field("right"));
    if (left?.kind() !== "identifier" || node.field("operator")?.text() !== "+=") {
      return bound(node, left, null, lower, [value]);
    }
    const name = left.text();
    return { is: "bind", name, value, how: "append", hoisted: true, at: node };
  },
  for_statement: (node, lower) => loop(node, lower),
  for_in_clause: (node, lower) => loop(node, lower),
  as_pattern: (node, lower) => {
    const value = lower(node.namedChildren()[0] ?? null);
    const binds = bound(node, node.field("alias"), value, lower);
    return { is: "other", parts: binds.is === "other" ? binds.parts : [binds], at: node };
  },
  import_statement: (node) => {
    const parts = node.fieldChildren("name").flatMap((each): Expr[] => {
      const module = (each.field("name") ?? each).text().replaceAll(" ", "");
      const alias = each.kind() === "aliased_import" ? each.field("alias")?.text() : undefined;
      const top = module.split(".")[0] ?? module;
      return [
        { is: "import", module, names: [], at: each },
        bind(each, alias ?? top, {
          is: "path",
          path: alias === undefined ? top : module,
          at: each,
        }),
      ];
    });
    return { is: "other", parts, at: node };
  },
  import_from_statement: (node) => importFrom(node),
  future_import_statement: nothing,
  function_definition: (node, lower) => {
    const scope = scopeOf(node, lower);
    const name = node.field("name")?.text() ?? "";
    return bind(node, name, scope);
  },
  lambda: (node, lower) => scopeOf(node, lower),
  decorated_definition: (node, lower) => {
    // Whoever decorates a function may call it with anything.
    const parts = lower.all(node.namedChildren());
    for (const part of parts) {
      if (part.is === "bind" && part.value?.is === "scope") delete part.value.slots;
    }
    return { is: "other", parts, at: node };
  },
  decorator: (node, lower) => {
    const callee = lower(node.namedChildren()[0] ?? null);
    const given: Expr = { is: "other", parts: [], at: node };
    return { is: "call", callee, args: [given], named: [], made: false, at: node };
  },
  class_definition: (node, lower) => {
    const body = lower.all(node.namedChildren().slice(1));
    const scope: Expr = { is: "scope", of: "class", parameters: [], body, at: node };
    return bind(node, node.field("name")?.text() ?? "", scope);
  },
  list_comprehension: (node, lower) => comprehension(node, lower),
  set_comprehension: (node, lower) => comprehension(node, lower),
  generator_expression: (node, lower) => comprehension(node, lower),
  global_statement: nothing,
  nonlocal_statement: nothing,
  delete_statement: nothing,
};

function isText(node: SgNode): boolean {
  const kind = node.kind();
  return kind === "string" || kind === "concatenated_string" || kind === "comment";
}

function text(node: SgNode, lower: Lower): Expr {
  const children = node.namedChildren();
  const start = children[0]?.kind() === "string_start" ? (children[0]?.text() ?? "") : "";
  const raw = /r/i.test(start);
  const parts = children.flatMap((child): Expr[] => {
    const kind = child.kind();
    if (kind === "interpolation")
      return [lower(child.field("expression") ?? child.namedChildren()[0] ?? null)];
    if (kind !== "string_content") return [];
    const source = child.text();
    const plain = /f/i.test(start) ? source.replaceAll("{{", "{").replaceAll("}}", "}") : source;
    return [{ is: "text", text: raw ? plain : unescapeText(plain), at: node }];
  });
  const [only] = parts;
  if (parts.length === 1 && only?.is === "text") return only;
  if (parts.length === 0) return { is: "text", text: "", at: node };
  return { is: "join", parts, at: node };
}

function call(node: SgNode, lower: Lower): Expr {
  const list = node.field("arguments");
  const args: Expr[] = [];
  const names: Named[] = [];
  const given =
    list?.kind() === "argument_list" ? list.namedChildren() : list === null ? [] : [list];
  for (const each of given) {
    const kind = each.kind();
    if (kind === "comment") continue;
    if (kind === "keyword_argument") {
      names.push({ name: each.field("name")?.text() ?? "", value: lower(each.field("value")) });
    } else if (kind === "dictionary_splat") {
      names.push({ name: "**", value: lower(each.namedChildren()[0] ?? null) });
    } else if (kind === "list_splat") {
      const of = lower(each.namedChildren()[0] ?? null);
      if (of.is === "list") args.push(...of.items);
      else args.push({ is: "element", of, at: each });
    } else {
      args.push(lower(each));
    }
  }
  const callee = lower(node.field("function"));
  return { is: "call", callee, args, named: names, made: false, at: node };
}

function bind(at: SgNode, name: string, value: Expr | null): Expr {
  return { is: "bind", name, value, how: "set", hoisted: true, at };
}

/** Every name, attribute and element on the left gets its part of the value. */
function bound(
  node: SgNode,
  left: SgNode | null,
  value: Expr | null,
  lower: Lower,
  beside: Expr[] = [],
): Expr {
  const binds = destructure(left, value, (target, part) => {
    const kind = target.kind();
    if (kind === "identifier") return [bind(target, target.text(), part)];
    if (kind === "attribute" || kind === "subscript") {
      const of = lower(target);
      return part === null ? [of] : [{ is: "set", target: of, value: part, at: target }];
    }
    return undefined;
  });
  const inner = value !== null && binds.length !== 1 ? [value] : [];
  return { is: "other", parts: [...inner, ...binds, ...beside], at: node };
}

function loop(node: SgNode, lower: Lower): Expr {
  const of = lower(node.field("right"));
  const value: Expr = { is: "element", of, at: node };
  const binds = bound(node, node.field("left"), value, lower);
  const rest = lower.all([...node.fieldChildren("body"), ...node.fieldChildren("alternative")]);
  return { is: "other", parts: [binds, ...rest], at: node };
}

/** The body stands before the loops that bind its names. */
function comprehension(node: SgNode, lower: Lower): Expr {
  const item = node.field("body");
  const rest = node.namedChildren().filter((child) => child.id() !== item?.id());
  const loops = rest.filter((child) => child.kind() === "for_in_clause");
  const name = loops[0]?.field("left");
  const body: Expr[] = lower.all(rest);
  if (rest.length === 1 && name?.kind() === "identifier") {
    const of = lower(loops[0]?.field("right") ?? null);
    body.push({ is: "each", item: lower(item), name: name.text(), of, at: node });
  } else {
    body.push(lower(item));
  }
  return { is: "scope", of: "block", parameters: [], body, at: node };
}

function scopeOf(node: SgNode, lower: Lower): Expr {
  const parameters: string[] = [];
  const defaults: Expr[] = [];
  const slots: Slot[] = [];
  for (const each of node.field("parameters")?.namedChildren() ?? []) {
    const kind = String(each.kind());
    if (kind === "comment" || kind.endsWith("_separator")) continue;
    const typed = kind === "typed_parameter" ? each.namedChildren()[0] : undefined;
    const name = each.field("name") ?? typed ?? each.namedChildren()[0] ?? each;
    const isName = /^[\p{L}_][\p{L}\p{N}_]*$/u.test(name.text());
    if (isName) parameters.push(name.text());
    const value = each.field("value");
    const fallback = value === null ? null : lower(value);
    if (fallback !== null) defaults.push(fallback);
    const spread = String((typed ?? each).kind());
    const isKnown = isName && spread !== "dictionary_splat_pattern";
    const shown = spread === "list_splat_pattern" ? (typed ?? each).namedChildren()[0] : name;
    const slot = isKnown ? (shown?.text() ?? null) : null;
    slots.push({ name: slot, rest: spread === "list_splat_pattern", fallback });
  }
  // What a method is called on is no argument of the call.
  if (/^(self|cls)$/.test(slots[0]?.name ?? "")) slots.shift();
  const body = lower(node.field("body"));
  return { is: "scope", of: "function", parameters, slots, body: [...defaults, body], at: node };
}

function importFrom(node: SgNode): Expr {
  const module = (node.field("module_name")?.text() ?? "").replaceAll(" ", "");
  const binds: Expr[] = [];
  const names: string[] = [];
  for (const each of node.fieldChildren("name")) {
    const name = (each.field("name") ?? each).text();
    const alias = each.kind() === "aliased_import" ? each.field("alias")?.text() : undefined;
    names.push(name);
    const path = module.startsWith(".") ? `${module}:${name}` : `${module}.${name}`;
    binds.push(bind(each, alias ?? name, { is: "path", path, at: each }));
  }
  if (node.namedChildren().some((child) => child.kind() === "wildcard_import")) names.push("*");
  const parts: Expr[] = [{ is: "import", module, names, at: node }, ...binds];
  return { is: "other", parts, at: node };
}
