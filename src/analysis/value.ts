/** What an expression may be worth, as far as that can be known without running it. */
export type Value =
  /** A text; where it holds `hole`, something unknown stands. */
  | { is: "text"; text: string }
  | { is: "number"; number: number }
  /** Something of known origin: `requests.get`, `net/http.Client()`; `()` marks what a call of it gives. */
  | { is: "path"; path: string }
  | { is: "list"; items: Value[][] }
  | { is: "map"; entries: Map<string, Value[]> }
  /** The content of a file. */
  | { is: "file"; path: string }
  /** A function or class of this file. */
  | { is: "local" }
  | { is: "unknown" };

/** Stands in a text for the part that is only known when it runs. */
export const hole = "\ufffc";

export const unknown: Value = { is: "unknown" };

/** How many values one expression may have, and how long a text may grow, before it counts as unknown. */
export const most = { values: 32, text: 128 * 1024, items: 4096 };

export function textOf(value: Value | undefined): string | undefined {
  return value?.is === "text" ? value.text : undefined;
}

/** A text that is known to its last character. */
export function exactText(value: Value | undefined): string | undefined {
  return value?.is === "text" && !value.text.includes(hole) ? value.text : undefined;
}

/** No more values than allowed, each once. */
export function distinct(values: Value[]): Value[] {
  if (values.length < 2) return values;
  const seen = new Set<string>();
  const found: Value[] = [];
  for (const value of values) {
    const key = keyOf(value);
    if (key !== undefined && seen.has(key)) continue;
    if (key !== undefined) seen.add(key);
    if (found.length >= most.values) return [...found, unknown];
    found.push(value);
  }
  return found;
}

function keyOf(value: Value): string | undefined {
  if (value.is === "text") return `t${value.text}`;
  if (value.is === "path" || value.is === "file") return `${value.is}${value.path}`;
  if (value.is === "number") return `n${value.number}`;
  return value.is === "unknown" || value.is === "local" ? value.is : undefined;
}

/** Every choice of one value from each set, as long as there are few. */
export function choices(sets: readonly Value[][]): Value[][] {
  let found: Value[][] = [[]];
  for (const set of sets) {
    const next = found.flatMap((chosen) => set.map((value) => [...chosen, value]));
    // What is left out may be anything: the last choice stands for it.
    const [first] = next;
    found =
      next.length > most.values
        ? [...next.slice(0, most.values - 1), (first ?? []).map(() => unknown)]
        : next;
  }
  return found;
}

/** Texts, numbers and unknown things one after the other; lists likewise. */
export function joined(values: readonly Value[]): Value {
  if (values.some((value) => value.is === "list")) {
    const items = values.flatMap((value) => (value.is === "list" ? value.items : [[unknown]]));
    return items.length > most.items ? unknown : { is: "list", items };
  }
  if (values.every((value) => value.is === "number")) {
    return { is: "number", number: values.reduce((sum, value) => sum + value.number, 0) };
  }
  let text = "";
  let known = false;
  for (const value of values) {
    if (value.is === "text") text += value.text;
    else if (value.is === "number") text += String(value.number);
    else if (!text.endsWith(hole)) text += hole;
    known ||= value.is === "text";
    if (text.length > most.text) return unknown;
  }
  return known ? { is: "text", text } : unknown;
}
