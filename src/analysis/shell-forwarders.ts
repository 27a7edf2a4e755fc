import { type Command, forEachChild, type ParsedScript, type SyntaxNode } from "unbash";

const given = /^(\$@|"\$@"|\$\*)$/;
const starters = /^(time|exec|command|env|nice|nohup|timeout|eval)$/;

/**
 * The functions of a text that run the words that they are given: `run() { echo "+ $*"; "$@"; }`. For each the number of
 * words that it takes off first with `shift`. One that does something else with its words is not among them.
 */
export function forwardersOf(script: ParsedScript): Map<string, number> {
  const found = new Map<string, number>();
  const twice = new Set<string>();
  const visit = (node: SyntaxNode): void => {
    if (node.type === "Function") {
      const name = node.name.value;
      if (found.has(name)) twice.add(name);
      const shifts = shiftsIn(node.body);
      if (shifts !== undefined) found.set(name, shifts);
    }
    forEachChild(node, visit);
  };
  visit(script);
  for (const name of twice) found.delete(name);
  return found;
}

/** Undefined when its words are not run, or when they are set anew. */
function shiftsIn(body: SyntaxNode): number | undefined {
  let [runs, shifts, certain] = [false, 0, true];
  const visit = (node: SyntaxNode, isInLoop: boolean): void => {
    const inLoop = isInLoop || /^(While|For|ArithmeticFor|Select)$/.test(node.type);
    if (node.type === "Command") {
      const name = node.name?.value;
      if (name === "set") certain = false;
      if (name === "shift") {
        const [by] = node.args;
        const count = by === undefined ? 1 : Number(by.type === "Word" ? by.value : "");
        if (!Number.isInteger(count) || inLoop || runs) certain = false;
        else shifts += count;
      }
      runs ||= isGiven(node);
    }
    forEachChild(node, (child) => visit(child, inLoop));
  };
  visit(body, false);
  return runs && certain ? shifts : undefined;
}

function isGiven({ name, args }: Command): boolean {
  if (name === undefined) return false;
  if (given.test(name.text)) return true;
  return starters.test(name.value) && args.some((arg) => given.test(arg.text));
}
