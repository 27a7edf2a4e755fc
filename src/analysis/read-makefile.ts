/** What a Makefile lets make run. */
export interface Recipes {
  commands: { text: string; line: number }[];
  includes: string[];
  /** Where nobody can say what it runs. */
  opaque: { text: string; line: number }[];
}

interface Rule {
  targets: string[];
  needs: string[];
  lines: { text: string; line: number }[];
}

/** What stands for a value that make works out. */
const worked = "$AIRLOCK_MADE";
const mostDepth = 16;
const mostText = 64 * 1024;
const mostSteps = 5_000;

/**
 * The recipes that make would run for these targets, or for the first one, and what it runs while it reads. Both branches
 * of a condition count. `settings` are variables that the command gives.
 */
export function readMakefile(
  text: string,
  targets: readonly string[],
  settings: ReadonlyMap<string, string>,
): Recipes {
  const variables = new Map<string, string>([
    ...([
      ["CC", "cc"],
      ["CXX", "g++"],
      ["RM", "rm -f"],
      ["MAKE", "make"],
      ["AR", "ar"],
    ] as const),
    ...([
      ["CURDIR", "."],
      ["SHELL", "/bin/sh"],
    ] as const),
  ]);
  const found: Recipes = { commands: [], includes: [], opaque: [] };
  const rules: Rule[] = [];
  const every: { text: string; line: number }[] = [];
  let rule: Rule | undefined;
  for (const { text: line, line: number } of logicalLines(text)) {
    every.push({ text: line, line: number });
    if (line.startsWith("\t")) {
      rule?.lines.push({ text: line.slice(1), line: number });
      continue;
    }
    const plain = line.replace(/(^|\s)#.*$/, "").trim();
    if (
      plain === "" ||
      /^(ifn?def|ifn?eq|else|endif|export\s*$|unexport|vpath|\.PHONY)/.test(plain)
    )
      continue;
    const include = /^[-s]?include\s+(.+)$/.exec(plain);
    if (include !== null) found.includes.push(...(include[1] ?? "").split(/\s+/));
    else if (/^(define|load)\b/.test(plain)) found.opaque.push({ text: plain, line: number });
    else {
      const set = /^(?:export\s+|override\s+)*([\w.-]+)\s*(:{0,3}=|\?=|\+=|!=)\s*(.*)$/.exec(plain);
      if (set !== null) {
        const [, name = "", how = "", value = ""] = set;
        if (how === "!=") found.commands.push({ text: value, line: number });
        const before = variables.get(name);
        if (how === "+=") variables.set(name, `${before ?? ""} ${value}`);
        else if (how !== "?=" || before === undefined) {
          variables.set(name, how === "!=" ? worked : value);
        }
        if (name === "SHELL" && !/^(\/\S*\/)?(ba|da)?sh$/.test(value)) {
          found.opaque.push({ text: plain, line: number });
        }
        continue;
      }
      rule = ruleOf(plain, number);
      if (rule !== undefined) rules.push(rule);
    }
  }
  for (const [name, value] of settings) variables.set(name, value);
  const left = { steps: mostSteps };
  const expand = (source: string) => expanded(source, variables, 0, left);
  for (const { text: line, line: number } of every) {
    for (const shell of shellCalls(line))
      found.commands.push({ text: expand(shell), line: number });
    if (/\$[({](call|eval|guile)\b/.test(line))
      found.opaque.push({ text: line.trim(), line: number });
  }
  for (const { lines } of wantedRules(rules, targets, expand)) {
    for (const { text: recipe, line } of lines) {
      const command = expand(recipe.replace(/^[@+\-\s]+/, ""));
      if (command.trim() !== "") found.commands.push({ text: command, line });
    }
  }
  return found;
}

function logicalLines(text: string): { text: string; line: number }[] {
  const found: { text: string; line: number }[] = [];
  let [held, start] = ["", 1];
  for (const [index, line] of text.split("\n").entries()) {
    if (held === "") start = index + 1;
    if (line.endsWith("\\")) {
      // A recipe keeps its line ends, and the shell takes them away.
      held +=
        held.startsWith("\t") || line.startsWith("\t") ? `${line}\n` : `${line.slice(0, -1)} `;
      continue;
    }
    found.push({ text: held + line, line: start });
    held = "";
  }
  if (held !== "") found.push({ text: held, line: start });
  return found;
}

function ruleOf(line: string, number: number): Rule | undefined {
  const parts = /^([^:]+?)\s*:{1,2}\s*([^;]*)(?:;(.*))?$/.exec(line);
  if (parts === null) return undefined;
  const [, targets = "", needs = "", recipe] = parts;
  const lines = recipe === undefined ? [] : [{ text: recipe, line: number }];
  return { targets: targets.split(/\s+/), needs: needs.split(/[\s|]+/).filter(Boolean), lines };
}

/** The rules that can be reached; one whose name is a pattern, or is worked out, may be any. */
function wantedRules(
  rules: readonly Rule[],
  targets: readonly string[],
  expand: (source: string) => string,
): Rule[] {
  const named = rules.map((rule) => ({
    rule,
    targets: rule.targets.flatMap((each) => expand(each).split(/\s+/)),
  }));
  const first = named.find(({ targets: [name = ""] }) => !/^\.|%/.test(name))?.targets[0];
  const queue = targets.length > 0 ? [...targets] : first === undefined ? [] : [first];
  const isOpen = (name: string) => /[%$*?]/.test(name);
  const seen = new Set<string>();
  const found = new Set<Rule>(
    named.filter((each) => each.targets.some(isOpen)).map(({ rule }) => rule),
  );
  for (const { needs } of found) queue.push(...needs);
  for (let name = queue.shift(); name !== undefined; name = queue.shift()) {
    if (seen.has(name)) continue;
    seen.add(name);
    for (const { rule, targets: own } of named) {
      if (!own.includes(name) && !isOpen(name)) continue;
      found.add(rule);
      queue.push(...rule.needs.flatMap((need) => expand(need).split(/\s+/)));
    }
  }
  return [...found];
}

/** `$(NAME)` is its value, `$$x` is the shell's `$x`, and whatever make works out is a variable of the shell. */
function expanded(
  source: string,
  variables: ReadonlyMap<string, string>,
  depth: number,
  left: { steps: number },
): string {
  left.steps -= 1;
  if (left.steps < 0) return worked;
  if (depth > mostDepth || source.length > mostText) return worked;
  let text = "";
  for (let at = 0; at < source.length; at += 1) {
    const character = source[at] ?? "";
    const next = source[at + 1] ?? "";
    if (character !== "$") text += character;
    else if (next === "$") {
      text += "$";
      at += 1;
    } else if (next === "(" || next === "{") {
      const end = closing(source, at + 1);
      const inner = source.slice(at + 2, end);
      text += /^[\w.-]+$/.test(inner)
        ? expanded(variables.get(inner) ?? "", variables, depth + 1, left)
        : worked;
      at = end;
    } else {
      text += worked;
      at += 1;
    }
    if (text.length > mostText) return worked;
  }
  return text;
}

/** The commands of `$(shell …)`. */
function shellCalls(line: string): string[] {
  return [...line.matchAll(/\$[({]shell\s/g)].map(({ index, 0: start }) =>
    line.slice(index + start.length, closing(line, index + 1)),
  );
}

/** Where the bracket that opens at a place is closed, or the end. */
function closing(source: string, open: number): number {
  const [start, end] = source[open] === "(" ? ["(", ")"] : ["{", "}"];
  let depth = 0;
  for (let at = open; at < source.length; at += 1) {
    if (source[at] === start) depth += 1;
    else if (source[at] === end) depth -= 1;
    if (depth === 0) return at;
  }
  return source.length;
}
