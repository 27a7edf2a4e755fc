import {
  type Assignment,
  type Command,
  forEachChild,
  type ParsedScript,
  type Statement,
  type SyntaxNode,
} from "unbash";

/** Variables whose value is certain from a place in the text on: set once, before, whatever happens. */
export type Constants = ReadonlyMap<string, { value: string; from: number }>;

/** These set variables in ways that cannot be followed: with one of them in a text nothing in it is certain. */
const setters = new Set(
  "eval source . read printf mapfile readarray getopts unset let declare typeset local builtin command trap wait alias enable".split(
    " ",
  ),
);

/** The shell changes these by itself. */
const moving =
  /^(_|RANDOM|SRANDOM|SECONDS|LINENO|EPOCH\w*|BASH\w*|E?UID|PPID|FUNCNAME|DIRSTACK|GROUPS|HIST\w*|COMP_\w*|PWD|OLDPWD|OPT\w+|REPLY|PIPESTATUS|IFS|PATH|\d+)$/;

const none: Constants = new Map();

/**
 * The constants of a script. Wrong is worse than none: a variable counts when exactly one place of the script sets it,
 * a plain statement of its own that always runs, and nothing in the script could set it behind our back.
 */
export function constantsOf(
  script: ParsedScript,
  staticText: (assignment: Assignment, soFar: Constants) => string | undefined,
): Constants {
  const sure = script.commands.flatMap(sureAssignments);
  if (sure.length === 0) return none;
  const counts = countAssignments(script);
  if (counts === undefined) return none;
  const constants = new Map<string, { value: string; from: number }>();
  for (const assignment of sure) {
    const { name, append, index } = assignment;
    if (append || index || moving.test(name) || counts.get(name) !== 1) continue;
    const value = staticText(assignment, constants);
    if (value !== undefined) constants.set(name, { value, from: assignment.end });
  }
  return constants;
}

/** The assignments of a statement that run whenever the statement is reached: `a=1`, `a=1 b=2`, `a=1 && b=2 && …`. */
function sureAssignments({ command, background }: Statement): Assignment[] {
  if (background) return [];
  const chain = command.type === "AndOr" ? command.commands : [command];
  const operators = command.type === "AndOr" ? command.operators : [];
  const found: Assignment[] = [];
  for (const [index, link] of chain.entries()) {
    if (index > 0 && operators[index - 1] !== "&&") break;
    if (link.type !== "Command") break;
    const own = assignmentsOnly(link);
    if (own === undefined) break;
    found.push(...own);
  }
  return found;
}

function assignmentsOnly(command: Command): Assignment[] | undefined {
  const isExport = command.name?.value === "export" || command.name?.value === "readonly";
  if (command.name !== undefined && !isExport) return undefined;
  const parts = isExport ? command.suffix : command.prefix;
  const assignments = parts.filter((part) => part.type === "Assignment");
  return assignments.length === parts.length ? assignments : undefined;
}

/** How often each variable is set anywhere; undefined when that cannot be said. */
function countAssignments(script: ParsedScript): Map<string, number> | undefined {
  const counts = new Map<string, number>();
  let certain = true;
  const set = (name: string, times = 1) => counts.set(name, (counts.get(name) ?? 0) + times);
  const visit = (node: SyntaxNode): void => {
    if (!certain) return;
    if (node.type === "Assignment") set(node.name);
    else if (node.type === "For" || node.type === "Select") set(node.name.value, 2);
    else if (node.type === "Coproc" || node.type === "FileDescriptorVariable") certain = false;
    else if (node.type === "Command") {
      if (node.name !== undefined && setters.has(node.name.value)) certain = false;
    } else if (node.type === "ParameterExpansion") {
      if (node.operation?.type === "Default" && node.operation.operator.endsWith("=")) {
        set(node.parameter, 2);
      }
    } else if (node.type === "ArithmeticBinary") {
      if (/^([-+*/%&|^]|<<|>>)?=$/.test(node.operator)) certain = false;
    } else if (node.type === "ArithmeticUnary") {
      if (node.operator === "++" || node.operator === "--") certain = false;
    }
    forEachChild(node, visit);
  };
  visit(script);
  return certain ? counts : undefined;
}
