import type { Evaluator } from "./evaluation.ts";
import type { Call } from "./judge-call.ts";
import type { Judging } from "./judging.ts";
import type { Scope } from "./scope.ts";
import { type Expr, lineOf } from "./tree.ts";
import { choices, hole, most, unknown, type Value } from "./value.ts";
import type { Starts } from "./words.ts";

/** Calls of one function of the file that are told apart; beyond them its parameters are worth what all give together. */
const mostSites = 256;

/** What stands in a shell command for a word that is only known when it runs. */
const variable = "$AIRLOCK_UNKNOWN";

/** Code starts a program: what it starts is read as the shell command that would do the same. */
export function judgeStart(how: Starts, call: Call, scope: Scope, judging: Judging): void {
  const { values, found, sight } = judging;
  const args =
    call.args.length > 0
      ? call.args
      : call.named
          .filter(({ name }) => name === "args" || name === "cmd")
          .map(({ value }) => value);
  if (args.length === 0) return;
  const added = builderArgs(how, call, scope, judging);
  for (const given of givenBySite(args.slice(0, 64), scope, values)) {
    const text = commandText(how, given, added);
    // A shell whose arguments are added elsewhere runs what nobody sees here.
    const open = how === "builder" && added.length === 0 && takesCode(given[0]);
    if (text !== undefined && !open) sight.commands.push({ text, line: lineOf(call.at) });
    else found("opaque", call.at, "Starts a program that is only known when it runs");
  }
}

/** What the arguments are worth together: parameters of a function come from the same call of it. */
function givenBySite(args: readonly Expr[], scope: Scope, values: Evaluator): Value[][] {
  let home: Scope | null = scope;
  while (home !== null && home.sites === undefined) home = home.parent;
  const sites = home?.sites ?? 0;
  if (sites < 2 || sites > mostSites) return choices(args.map((arg) => values(arg, scope)));
  const worth = (expr: Expr, site: number): Value[] => {
    if (expr.is === "name") {
      const bindings = home?.bindings.get(expr.name);
      const own = bindings?.length === sites ? bindings[site] : undefined;
      if (own !== undefined) return own.value === null ? [unknown] : values(own.value, own.scope);
    }
    if (expr.is !== "list") return values(expr, scope);
    const items = expr.items.flatMap((item): Value[][] => {
      const [list] = item.is === "element" ? worth(item.of, site) : [];
      return list?.is === "list" ? list.items : [worth(item, site)];
    });
    return [{ is: "list", items }];
  };
  const all = Array.from({ length: sites }, (_, site) => args.map((arg) => worth(arg, site)));
  return all.flatMap((sets) => choices(sets));
}

function takesCode(program: Value | undefined): boolean {
  const name = program?.is === "text" ? program.text.replace(/^.*\//, "") : "";
  return /^(ba|da|z|k|a)?sh$|^(python|node|perl|ruby|php|env|xargs|busybox)[\d.]*$/.test(name);
}

function commandText(how: Starts, given: Value[], added: Value[]): string | undefined {
  const [first = unknown, ...rest] = given;
  if (first.is === "path" && how === "shell") return undefined;
  switch (how) {
    case "shell":
      return first.is === "list" ? line(wordsOf([first])) : shellText(first);
    case "list":
      return first.is === "list" ? line(wordsOf([first])) : shellText(first);
    case "arguments":
      return line(wordsOf(given.filter((each) => each.is !== "map")));
    case "second":
      return line(wordsOf(rest));
    case "path":
      return line([first, ...wordsOf(rest).slice(1)]);
    case "mode":
      return line([rest[0] ?? unknown, ...wordsOf(rest.slice(1)).slice(1)]);
    case "node":
      return line([{ is: "text", text: "node" }, ...wordsOf(given)]);
    case "builder":
      return line([first, ...wordsOf(added)]);
  }
}

function wordsOf(values: readonly Value[]): Value[] {
  return values.flatMap((value) =>
    value.is === "list" ? value.items.map(([item = unknown]) => item) : [value],
  );
}

/** A whole command as a text; undefined when its first word is not known. */
function shellText(value: Value): string | undefined {
  if (value.is !== "text" || value.text.trimStart().startsWith(hole)) return undefined;
  return value.text.replaceAll(hole, `\${${variable.slice(1)}}`);
}

/** Words as one command, each quoted; undefined when the program is not known. */
function line(words: readonly Value[]): string | undefined {
  const [program, ...rest] = words;
  const first = program === undefined ? undefined : interpreter(program);
  if (first === undefined) return undefined;
  return [first, ...rest.slice(0, most.values * 16).map((word) => quoted(word))].join(" ");
}

function interpreter(value: Value): string | undefined {
  if (value.is === "path") {
    if (value.path === "sys.executable") return "python3";
    return /^process\.(execPath|argv0|argv)$/.test(value.path) ? "node" : undefined;
  }
  return value.is === "text" && !value.text.includes(hole) ? quoted(value) : undefined;
}

function quoted(value: Value): string {
  if (value.is === "number") return String(value.number);
  if (value.is === "path") return interpreter(value) ?? variable;
  if (value.is !== "text") return variable;
  const parts = value.text.split(hole).map((part) => `'${part.replaceAll("'", "'\\''")}'`);
  return parts.join(`"${variable}"`);
}

/** The arguments that methods add: `Command::new("sh").arg("-c").args([…])`. They stand around the call. */
function builderArgs(how: Starts, call: Call, scope: Scope, judging: Judging): Value[] {
  if (how !== "builder") return [];
  const added: Value[] = [];
  for (const around of judging.around(call)) {
    const { callee } = around;
    if (callee.is !== "member" || (callee.name !== "arg" && callee.name !== "args")) continue;
    for (const arg of around.args) added.push(judging.values(arg, scope)[0] ?? unknown);
  }
  return added;
}

/** The calls whose callee, link by link, starts from this call. */
export function chainAround(call: Call, parents: ReadonlyMap<Expr, Expr>): Call[] {
  const found: Call[] = [];
  let at: Expr | undefined = parents.get(call);
  let below: Expr = call;
  while (at !== undefined && found.length < most.values * 16) {
    if (at.is === "call" && at.callee === below) found.push(at);
    else if (!(at.is === "member" && at.of === below)) break;
    below = at;
    at = parents.get(at);
  }
  return found;
}
