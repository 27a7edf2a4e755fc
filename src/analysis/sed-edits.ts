import type { Edit } from "./analysis.ts";

const special = /[.*[\]^$\\]/;

/**
 * What `sed -i` puts where, when it only replaces one text by another; a pattern counts as unknown, since what it finds is
 * only known by doing it. Undefined for whatever else sed may do.
 */
export function editOf(script: string): Edit | undefined {
  const delimiter = /^s([^\w\s\\])/.exec(script)?.[1];
  if (delimiter === undefined) return undefined;
  const parts = ["", "", ""];
  let part = 0;
  for (let at = 2; at < script.length; at += 1) {
    const character = script[at] ?? "";
    if (character === "\\" && script[at + 1] === delimiter) {
      parts[part] += delimiter;
      at += 1;
    } else if (character === delimiter && part < 2) part += 1;
    else parts[part] += character;
  }
  const [from = "", to = "", flags = ""] = parts;
  if (part < 2 || !/^[gI\d]*$/.test(flags)) return undefined;
  const replacement = to
    .replace(/\\([\s\S])/g, (_, escaped) =>
      escaped === "n" ? "\n" : escaped === "t" ? "\t" : escaped,
    )
    .replace(/\\$/, "");
  const literal = from.replace(/\\([./*[\]^$])/g, "$1");
  const isLiteral = !special.test(from.replace(/\\[./*[\]^$]/g, "")) && !/(^|[^\\])&/.test(to);
  return { from: isLiteral ? literal : null, to: replacement };
}
