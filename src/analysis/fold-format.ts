import { hole, type Value } from "./value.ts";

/** What stands in a text for a value; names are asked for by `named`. */
function shown(value: Value | undefined): string {
  if (value?.is === "text") return value.text;
  return value?.is === "number" ? String(value.number) : hole;
}

/** `{}`, `{0}`, `{name}` and their formats; without `named`, a name is unknown. */
export function fillFormat(
  source: string,
  args: readonly Value[],
  named: (name: string) => Value = () => ({ is: "unknown" }),
): string {
  let next = 0;
  return source.replace(/\{\{|\}\}|\{([^{}:!.[]*)[^{}]*\}/g, (whole, name: string | undefined) => {
    if (whole === "{{" || whole === "}}") return whole.slice(1);
    if (name === undefined || name === "") return shown(args[next++]);
    return /^\d+$/.test(name) ? shown(args[Number(name)]) : shown(named(name));
  });
}

/** `%s` and its kin, with one value or a list of them. */
export function fillPercent(source: string, args: readonly Value[]): string {
  const [first] = args;
  const given = first?.is === "list" ? first.items.map(([item]) => item) : args;
  const members = first?.is === "map" ? first.entries : undefined;
  let next = 0;
  return source.replace(
    /%(?:\(([^)]*)\))?[-+ #0]*[\d.*]*[a-zA-Z%]/g,
    (whole, name: string | undefined) => {
      if (whole.endsWith("%")) return "%";
      return name === undefined ? shown(given[next++]) : shown(members?.get(name)?.[0]);
    },
  );
}
