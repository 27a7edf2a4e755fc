import { limits } from "../base/limits.ts";
import { openEvaluator } from "./evaluate.ts";
import type { Evaluator } from "./evaluation.ts";
import { pointedTo } from "./hosts.ts";
import { judgeCall } from "./judge-call.ts";
import { chainAround } from "./judge-start.ts";
import { hiddenMember, type Judging } from "./judging.ts";
import { namesOf, type Scope } from "./scope.ts";
import { emptySight, type Sight, shown } from "./sight.ts";
import { type At, type Expr, lineOf, partsOf } from "./tree.ts";
import { exactText, textOf, type Value } from "./value.ts";
import type { Words } from "./words.ts";

/** Reads code of the same language that stands in a text, from a line on; undefined when it goes too deep. */
export type ReadNested = (code: string, line: number) => Sight | undefined;

/** Everything that a tree says of the network, by the words of its language. */
export function judge(tree: Expr, words: Words, readNested: ReadNested, isWhole = false): Sight {
  const names = namesOf(tree, isWhole);
  const values = openEvaluator(names, words);
  const sight = emptySight();
  const parents = new Map<Expr, Expr>();
  const judging = openJudging(words, values, sight, parents, readNested);
  const seen = new Set<Expr>();

  const visit = (expr: Expr, scope: Scope, quiet: boolean): void => {
    if (seen.has(expr)) return;
    seen.add(expr);
    const inside = names.scopes.get(expr) ?? scope;
    const parent = parents.get(expr);
    // What is called was judged with its call, and what is given another name will be under that name.
    const known = parent?.is === "bind" || (parent?.is === "call" && parent.callee === expr);
    judgeOne(expr, scope, { quiet, known }, judging);
    for (const part of partsOf(expr)) {
      if (!parents.has(part)) parents.set(part, expr);
      visit(
        part,
        inside,
        isVersion(expr, part) || (isTemplate(part) && isFormat(expr, parent, scope, values)),
      );
    }
  };
  visit(tree, names.root, false);
  if (values.exhausted()) {
    judging.found(
      "opaque",
      tree.at,
      "It builds more than can be worked out",
      null,
      "the whole file",
    );
  }
  return sight;
}

function openJudging(
  words: Words,
  values: Evaluator,
  sight: Sight,
  parents: ReadonlyMap<Expr, Expr>,
  readNested: ReadNested,
): Judging {
  const judging: Judging = {
    words,
    values,
    sight,
    around: (call) => chainAround(call, parents),
    found(kind, at, reason, host = null, pattern = shown(at.text())) {
      if (sight.findings.length < limits.analysisFindings) {
        sight.findings.push({ kind, line: lineOf(at), pattern, host, reason });
      } else if (sight.findings.length === limits.analysisFindings) {
        const rest = "There is more to be found here than is written down";
        sight.findings.push({
          kind: "opaque",
          line: lineOf(at),
          pattern,
          host: null,
          reason: rest,
        });
      }
    },
    loads(module, names, at) {
      const paths = [module, ...names.map((name) => words.member(module, name))].map(
        words.canonical,
      );
      const hidden = paths.map((path) => words.hides(path)).find((reason) => reason !== undefined);
      if (hidden !== undefined) judging.found("opaque", at, hidden);
      // `from urllib import parse` loads one part of a package; the package itself says nothing.
      const asked = names.length === 0 || names.includes("*") ? paths.slice(0, 1) : paths.slice(1);
      const network = asked.map((path) => words.network(path)).find((each) => each !== undefined);
      if (network !== undefined && "module" in network) {
        judging.found("import", at, `${network.module} reaches the network`);
      }
      sight.follows.push({ by: "module", module, names, line: lineOf(at) });
    },
    nested(code, at) {
      const inside = readNested(code, lineOf(at));
      if (inside === undefined) judging.found("opaque", at, "Code within code goes too deep");
      else {
        sight.findings.push(...inside.findings);
        sight.follows.push(...inside.follows);
        sight.writes.push(...inside.writes);
        sight.commands.push(...inside.commands);
      }
    },
  };
  return judging;
}

function judgeOne(
  expr: Expr,
  scope: Scope,
  { quiet, known }: { quiet: boolean; known: boolean },
  judging: Judging,
): void {
  const { values, words, found } = judging;
  switch (expr.is) {
    case "text":
      if (!quiet) judgeText(expr.text, expr.at, judging);
      return;
    case "join":
      judgeWorth(expr, scope, judging);
      return;
    case "bind":
      if (/^__reduce(_ex)?__$/.test(expr.name)) {
        found("opaque", expr.at, "What is unpacked calls what this names", null, expr.name);
      }
      // What a name comes to when something is added to it stands nowhere in one piece.
      if (expr.how === "append") {
        judgeWorth({ is: "name", name: expr.name, at: expr.at }, scope, judging);
      }
      return;
    case "import":
      judging.loads(expr.module, expr.names, expr.at);
      return;
    case "hidden":
      found("opaque", expr.at, expr.reason);
      return;
    case "name":
      if (!known) judgeReference(values(expr, scope), expr.at, judging);
      return;
    case "member":
      if (words.hiddenMembers.has(expr.name)) found("opaque", expr.at, hiddenMember(expr.name));
      if (!known) judgeReference(values(expr, scope), expr.at, judging);
      return;
    case "index":
      judgeIndex(expr, scope, judging);
      if (!known) judgeReference(values(expr, scope), expr.at, judging);
      return;
    case "call":
      judgeCall(expr, scope, judging);
      judgeWorth(expr, scope, judging);
      return;
    default:
      return;
  }
}

/** The texts that an expression comes to, however it builds them. */
function judgeWorth(expr: Expr, scope: Scope, judging: Judging): void {
  for (const value of judging.values(expr, scope)) {
    const text = textOf(value);
    if (text !== undefined) judgeText(text, expr.at, judging);
  }
}

function judgeText(text: string, at: At, { found }: Judging): void {
  for (const { kind, host } of pointedTo(text)) {
    found(kind, at, kind === "url" ? "A URL" : "An address", host);
  }
}

/** `fetch` without a call still reaches out once somebody calls it under another name. */
function judgeReference(values: Value[], at: At, { words, found }: Judging): void {
  for (const value of values) {
    if (value.is !== "path" || value.path.includes("()")) continue;
    const network = words.network(value.path);
    if (network !== undefined && "call" in network)
      found("call", at, `${network.call} reaches the network`);
    const hidden = words.hides(value.path);
    if (hidden !== undefined) found("opaque", at, hidden);
  }
}

function judgeIndex(expr: Extract<Expr, { is: "index" }>, scope: Scope, judging: Judging): void {
  const { values, words, found } = judging;
  const keys = values(expr.key, scope);
  const dynamic = keys.some((key) => exactText(key) === undefined && key.is !== "number");
  for (const of of values(expr.of, scope)) {
    if (dynamic && of.is === "path" && words.isPowerful(of.path)) {
      found(
        "opaque",
        expr.at,
        `Takes a member of ${of.path} by a name that is only known when it runs`,
      );
    }
  }
  for (const name of keys.map(exactText)) {
    if (name !== undefined && words.hiddenMembers.has(name))
      found("opaque", expr.at, hiddenMember(name));
  }
}

function isTemplate(part: Expr): boolean {
  return part.is === "text" && /[{%]/.test(part.text);
}

/** The text of a format says less than what it is filled with, and that was judged as a whole. */
function isFormat(expr: Expr, parent: Expr | undefined, scope: Scope, values: Evaluator): boolean {
  const call = expr.is === "member" && parent?.is === "call" ? parent : expr;
  return call.is === "call" && values(call, scope).some((value) => value.is === "text");
}

/** `version = "1.2.3.4"` is no address. */
function isVersion(expr: Expr, part: Expr): boolean {
  const versioned = (name: string) =>
    /version|release|revision|\bver\b|_ver$|build|\boid\b/i.test(name);
  if (expr.is === "bind") return versioned(expr.name);
  if (expr.is === "set") return expr.target.is === "member" && versioned(expr.target.name);
  if (expr.is === "map") {
    return expr.entries.some(
      ({ key, value }) => value === part && key.is === "text" && versioned(key.text),
    );
  }
  if (expr.is !== "call") return false;
  const callee = expr.callee.is === "name" || expr.callee.is === "member" ? expr.callee.name : "";
  return (
    versioned(callee) || expr.named.some(({ name, value }) => value === part && versioned(name))
  );
}
