/** Where the parser is more lenient than bash, or reads something else: these places are read again, or are opaque. */
import type {
  ArithmeticFor,
  Command,
  For,
  HereDoc,
  ParameterExpansionPart,
  Select,
  Statement,
  Word,
} from "unbash";
import type { Frame, Reader } from "./shell-reading.ts";

/**
 * The parser cuts `${x/PATTERN/TEXT}` at the first slash, also when that stands in a substitution of the pattern. The
 * same text as a default value has no slashes that mean anything. False: it can be walked as it is.
 */
export function readReplacement(
  node: ParameterExpansionPart,
  frame: Frame,
  reader: Reader,
): boolean {
  const { operation, text, pos } = node;
  if (operation?.type !== "Replace" || !/\$\(|`|[<>]\(|\$\{/.test(text)) return false;
  const start = operation.operatorEnd;
  const operand = text.slice(start - pos, -1);
  const inner = { ...frame, depth: frame.depth + 1 };
  const before = "a=${x:-";
  const offsetOf = (at: number) => frame.offsetOf(start + Math.max(0, at - before.length));
  reader.readText(`${before}${operand}}`, { ...inner, offsetOf });
  if (!operand.includes("'")) return true;
  // Within double quotes single quotes hide nothing.
  const place = frame.offsetOf(pos);
  const open = operand.replaceAll("'", "");
  reader.readText(`a="\${x:-${open}}"`, { ...inner, offsetOf: () => place });
  return true;
}

/** Why bash does not take a node that the parser takes; undefined: it does. */
export function whyRefused(
  node: Command | Statement | HereDoc | For | Select | ArithmeticFor,
  source: string,
): string | undefined {
  if (node.type === "Statement") {
    const { command, background } = node;
    const links = command.type === "AndOr" ? command.commands : [command];
    const isEmpty = links.some((link) => link.type === "Pipeline" && link.commands.length === 0);
    return isEmpty && (background || links.length > 1) ? "time and ! have no command" : undefined;
  }
  if (node.type === "ArithmeticFor") {
    const isPlain = /^for\s*\(\(/.test(source.slice(node.pos, node.pos + 80));
    return isPlain ? undefined : "for has one parenthesis";
  }
  if (node.type === "For" || node.type === "Select") {
    const isName = /^[A-Za-z_]\w*$/.test(node.name.text);
    return isName ? undefined : `${node.name.text} is no name of a variable`;
  }
  if (node.type === "HereDoc") {
    const delimiter = node.delimiter?.text ?? "";
    const isOpen = /^[^'"]*(["'])(?!.*\1)/.test(delimiter);
    const isOdd = isOpen || /[\n`]|\$\(/.test(delimiter);
    return isOdd ? "the here-document has no plain end" : undefined;
  }
  const parts = [...node.prefix, ...(node.name ? [node.name] : []), ...node.suffix];
  let end = node.pos;
  for (const part of parts) {
    if (part.pos > end && /[^\s\\]/.test(source.slice(end, part.pos))) {
      return "something stands between two words";
    }
    end = Math.max(end, part.end);
    if (isRefused(part, source)) return "a word has unknown syntax";
    if (part.type === "Redirect" || part.type === "HereString") {
      const { target } = part;
      // `> 2>x`: the number belongs to the second redirect.
      const isNumber =
        /^\d+$/.test(target?.text ?? "") && /[<>]/.test(source[target?.end ?? 0] ?? "");
      if (target === undefined || isNumber) return "a redirect leads nowhere";
    }
  }
  const redirect = node.suffix.findIndex(
    (part) => part.type !== "Word" && part.type !== "Assignment",
  );
  const isLate = node.suffix.some(
    (part, at) =>
      redirect !== -1 && at > redirect && part.type === "Assignment" && part.value.type !== "Word",
  );
  if (isLate) return "an array is given after a redirect";
  return /[ \t]*\(/y.test(source.slice(end, end + 9))
    ? "a parenthesis has no meaning here"
    : undefined;
}

/** Extended patterns are off unless a script turns them on; `$[` is arithmetic of old. */
function isRefused(part: Command["suffix"][number] | Word, source: string): boolean {
  if (part.type !== "Word" && part.type !== "Assignment") return false;
  if (part.text.includes("$[") && !part.text.startsWith("'")) return true;
  if (part.type === "Assignment") return false;
  const { parts } = part;
  return parts?.some(({ type }) => type === "ExtendedGlob") === true && !source.includes("extglob");
}

/** Whether two statements of a list have more than one sign between them, which bash does not take. */
export function hasTwoSeparators(statements: readonly Statement[], source: string): boolean {
  return statements.some((statement, index) => {
    const next = statements[index + 1];
    if (next === undefined) {
      const after = source.slice(statement.end, statement.end + 40);
      return /^[ \t]*[;&][ \t]+[;&](?![;&])/.test(after);
    }
    const between = source.slice(statement.end, next.pos);
    const newline = between.indexOf("\n");
    if (newline === -1) return !/^\s*[;&]?\s*$/.test(between);
    // Comments and here-documents may stand in between, but the last line has the next statement.
    const last = between.slice(between.lastIndexOf("\n") + 1);
    const first = between.slice(0, newline).replace(/#.*/, "");
    return /[;&]\s*[;&]/.test(first) || /^\s*[;&]/.test(last);
  });
}
