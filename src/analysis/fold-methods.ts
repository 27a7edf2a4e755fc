import { foldCall } from "./fold-calls.ts";
import { fillFormat, fillPercent } from "./fold-format.ts";
import { exactText, hole, joined, most, unknown, type Value } from "./value.ts";

/** Methods after which a text says the same: encoders, trimmers, borrowers. */
const same = new Set(
  "decode encode toString to_string to_owned as_str as_bytes into clone unwrap expect strip lstrip rstrip trim trim_start trim_end valueOf normalize String read read_text read_bytes readlines text".split(
    " ",
  ),
);

/**
 * What a method of a text, a list, a number or the content of a file gives; undefined when it is not one that is known
 * here. The names mean the same in the four languages wherever two of them have one.
 */
export function foldMethod(of: Value, name: string, args: readonly Value[]): Value[] | undefined {
  if (of.is === "text") return one(ofText(of, name, args));
  if (of.is === "list") return ofList(of.items, name, args);
  if (same.has(name)) return [of];
  return undefined;
}

function one(value: Value | undefined): Value[] | undefined {
  return value === undefined ? undefined : [value];
}

function text(value: string): Value {
  return value.length > most.text ? unknown : { is: "text", text: value };
}

function ofText(
  of: Extract<Value, { is: "text" }>,
  name: string,
  args: readonly Value[],
): Value | undefined {
  const [first, second] = args;
  const source = of.text;
  if (name === "toString" && exactText(first) !== undefined) return undefined;
  if (same.has(name)) return of;
  switch (name) {
    case "lower":
    case "toLowerCase":
    case "to_lowercase":
    case "casefold":
      return text(source.toLowerCase());
    case "upper":
    case "toUpperCase":
    case "to_uppercase":
      return text(source.toUpperCase());
    case "swapcase":
      return text(swapCase(source));
    case "concat":
      return joined([of, ...args]);
    case "format":
      return text(fillFormat(source, args));
    case "%":
      return text(fillPercent(source, args));
    case "join":
      return first?.is === "list" ? between(first.items, source) : undefined;
    case "replace":
    case "replaceAll":
    case "removeprefix":
    case "removesuffix":
      return replaced(source, name, first, second);
    case "split": {
      const by = first === undefined ? " " : exactText(first);
      if (by === undefined) return unknown;
      const items = source.split(by).slice(0, most.items);
      return { is: "list", items: items.map((item) => [text(item)]) };
    }
    case "reverse":
      return text([...source].reverse().join(""));
    case "slice":
    case "substring":
    case "substr":
      return first?.is === "number" && (second === undefined || second.is === "number")
        ? text(source[name](first.number, second?.is === "number" ? second.number : undefined))
        : unknown;
    case "charAt":
      return first?.is === "number" ? text(source.charAt(first.number)) : unknown;
    case "charCodeAt":
    case "codePointAt":
      return { is: "number", number: source.charCodeAt(first?.is === "number" ? first.number : 0) };
    default:
      return undefined;
  }
}

function ofList(items: Value[][], name: string, args: readonly Value[]): Value[] | undefined {
  const [first] = args;
  if (name === "join" || name === "concat") {
    if (name === "concat") return [joined([{ is: "list", items }, ...args])];
    const by = first === undefined ? "," : exactText(first);
    return by === undefined ? undefined : [between(items, by)];
  }
  if (name === "reverse") return [{ is: "list", items: [...items].reverse() }];
  if (name === "map" && first?.is === "path") {
    const mapped = items.map(([item = unknown]) => [foldCall(first.path, [item])?.[0] ?? unknown]);
    return [{ is: "list", items: mapped }];
  }
  if (name === "pop" || name === "shift" || name === "at") return items.flat();
  if (/^(iter|into_iter|collect|to_vec|as_slice|copy|concat|slice|values|decode)$/.test(name)) {
    return name === "decode" ? foldCall("bytes", [{ is: "list", items }]) : [{ is: "list", items }];
  }
  return undefined;
}

function between(items: Value[][], by: string): Value {
  const parts: Value[] = [];
  for (const [item = unknown] of items) {
    if (parts.length > 0) parts.push(text(by));
    parts.push(item.is === "number" ? text(String(item.number)) : item);
  }
  return parts.length === 0 ? text("") : joined([...parts, text("")]);
}

function replaced(source: string, name: string, first?: Value, second?: Value): Value {
  const from = exactText(first);
  if (from === undefined) return unknown;
  if (name === "removeprefix")
    return text(source.startsWith(from) ? source.slice(from.length) : source);
  if (name === "removesuffix")
    return text(source.endsWith(from) ? source.slice(0, -from.length) : source);
  const to = second?.is === "text" ? second.text : hole;
  return text(source.replaceAll(from, () => to));
}

function swapCase(source: string): string {
  return source.replace(/\p{L}/gu, (letter) =>
    letter === letter.toLowerCase() ? letter.toUpperCase() : letter.toLowerCase(),
  );
}
