import { here } from "./hosts.ts";
import { hostsOf } from "./judge-hosts.ts";
import { judgeStart } from "./judge-start.ts";
import { hiddenMember, type Judging } from "./judging.ts";
import type { Scope } from "./scope.ts";
import type { Expr } from "./tree.ts";
import { lineOf } from "./tree.ts";
import { exactText, type Value } from "./value.ts";
import { timers } from "./words-javascript.ts";

export type Call = Extract<Expr, { is: "call" }>;

/** Restores whatever a text was made from; a text that is known or was just decoded is a program in disguise. */
const restores =
  /^(?:_?c?pickle|dill|cloudpickle|joblib|jsonpickle|yaml)\.(?:loads?|decode|unsafe_load|Unpickler)$/i;

/** One call: does it load, run, start or reach anything? Every function that it may be a call of is asked. */
export function judgeCall(call: Call, scope: Scope, judging: Judging): void {
  const { values } = judging;
  // `x.constructor(text)` makes a function when x is one.
  if (!call.made && call.args.length > 0 && calledName(call, scope, judging) === "constructor") {
    judgeCode(call, scope, judging, "Function");
  }
  for (const value of values(call.callee, scope)) {
    if (value.is === "path") judgePath(value.path, call, scope, judging);
  }
  judgeWrite(call, scope, judging);
  for (const arg of call.args) judgeHandedOn(call, arg, scope, judging);
  for (const { value } of call.named) judgeHandedOn(call, value, scope, judging);
}

/** `Path("x").write_text(t)`, `open("x", "w").write(t)`, `fs.writeFileSync("x", t)`: it may be run afterwards. */
function judgeWrite(call: Call, scope: Scope, judging: Judging): void {
  const { values, words, sight } = judging;
  const { callee } = call;
  const name = callee.is === "member" || callee.is === "name" ? callee.name : "";
  if (!/^(write(_?text|_?bytes|File|FileSync|TextFile|lines)?|appendFile(Sync)?)$/.test(name))
    return;
  const isFunction = values(callee, scope).some(
    (value) => value.is === "path" && words.writes.has(value.path),
  );
  const [file, content] = isFunction
    ? call.args
    : [callee.is === "member" ? callee.of : null, call.args[0]];
  if (file == null || content === undefined) return;
  // What is made of what was read, as an edit is, is read as it lies there before.
  const texts = values(content, scope).flatMap((value) => exactText(value) ?? []);
  for (const value of values(file, scope)) {
    const path = value.is === "file" ? value.path : isFunction ? exactText(value) : undefined;
    if (path === undefined || sight.writes.length >= 100) continue;
    for (const text of texts) sight.writes.push({ path, text });
  }
}

function calledName({ callee }: Call, scope: Scope, { values }: Judging): string | undefined {
  if (callee.is === "member") return callee.name;
  return callee.is === "index" ? exactText(values(callee.key, scope)[0]) : undefined;
}

function judgePath(path: string, call: Call, scope: Scope, judging: Judging): void {
  const { words, found } = judging;
  const hidden = words.hides(path);
  if (hidden !== undefined) found("opaque", call.at, hidden);
  if (words.imports.has(path)) judgeImport(call, scope, judging);
  if (words.getters.has(path)) judgeGetter(call, scope, judging);
  if (words.evaluates.has(path)) judgeCode(call, scope, judging, path);
  if (/^sys\.path\.(append|insert|extend)$/.test(path)) judgePathOf(call, scope, judging);
  if (words.runs.has(path)) judgeRun(call, scope, judging);
  const start = words.starts.get(path);
  if (start !== undefined) judgeStart(start, call, scope, judging);
  if (restores.test(path)) judgeRestored(call, scope, judging);
  const network = words.network(path);
  if (network === undefined) return;
  const hosts = hostsOf(path, call, scope, judging);
  // On what a network call gave back, everything is called; only what names a host says something new.
  if (
    "module" in network &&
    hosts.length === 0 &&
    (path.includes("()") || makes(path, call, judging))
  )
    return;
  const name = "module" in network ? network.module : network.call;
  const reason = `${name} reaches the network`;
  if (hosts.length === 0) found("call", call.at, reason);
  for (const host of hosts) if (host !== here) found("call", call.at, reason, host);
}

/** Python loads modules out of archives, which are not looked through. */
function judgePathOf(call: Call, scope: Scope, { values, found }: Judging): void {
  const texts = call.args.flatMap((arg) => values(arg, scope)).map(exactText);
  if (texts.some((text) => /\.(zip|egg|whl|pyz)$/.test(text ?? ""))) {
    found("opaque", call.at, "Loads modules from an archive, which is not looked through");
  }
}

/** A session, a client, an agent: made, and connected to nothing yet. */
function makes(path: string, call: Call, { words }: Judging): boolean {
  if (words.language === "go") return call.made;
  const last = path.split(/::|\./).at(-1) ?? "";
  return (
    /^\p{Lu}/u.test(last) || (words.language === "rust" && /^(new|builder|default)$/.test(last))
  );
}

function judgeImport(call: Call, scope: Scope, judging: Judging): void {
  const [first] = call.args;
  if (first === undefined) return;
  for (const value of judging.values(first, scope)) {
    const name = exactText(value);
    if (name !== undefined) judging.loads(name, [], call.at);
    else judging.found("opaque", call.at, "Loads a module whose name is only known when it runs");
  }
}

function judgeGetter(call: Call, scope: Scope, judging: Judging): void {
  const [of, key] = call.args;
  if (of === undefined || key === undefined) return;
  const powerful = judging
    .values(of, scope)
    .find(
      (value) =>
        value.is === "path" &&
        (judging.words.isPowerful(value.path) || judging.words.network(value.path) !== undefined),
    );
  for (const value of judging.values(key, scope)) {
    const name = exactText(value);
    if (name !== undefined && judging.words.hiddenMembers.has(name)) {
      judging.found("opaque", call.at, hiddenMember(name));
    }
    if (name === undefined && powerful?.is === "path") {
      const reason = `Takes a member of ${powerful.path} by a name that is only known when it runs`;
      judging.found("opaque", call.at, reason);
    }
  }
}

function judgeCode(call: Call, scope: Scope, judging: Judging, path: string): void {
  const code = path === "Function" ? call.args.at(-1) : call.args[0];
  if (code === undefined) return;
  for (const value of judging.values(code, scope)) {
    const text = exactText(value);
    if (text !== undefined) judging.nested(text, code.at);
    // A function that stands there is read like all others.
    else if (code.is === "scope") continue;
    else if (value.is === "file") follow(value.path, call, judging);
    else if (!timers.has(path) || value.is === "text") {
      judging.found("opaque", call.at, "Runs code that is only known when it runs");
    }
  }
}

function judgeRun(call: Call, scope: Scope, judging: Judging): void {
  for (const arg of call.args.slice(0, 2)) {
    for (const value of judging.values(arg, scope)) {
      const text = value.is === "file" ? value.path : exactText(value);
      const data = /^data:[^,]*?(;base64)?,([\s\S]*)$/.exec(text ?? "");
      if (data !== null) {
        const code = data[2] ?? "";
        judging.nested(
          data[1] === undefined ? decoded(code) : Buffer.from(code, "base64").toString(),
          call.at,
        );
      } else if (text !== undefined && /[\s(;]/.test(text)) judging.nested(text, call.at);
      else if (text !== undefined) {
        if (/[./]/.test(text)) follow(text, call, judging);
      } else if (value.is === "path" && /^(import\.meta\.url|__filename)$/.test(value.path)) {
        // It starts itself.
      } else if (arg === call.args[0]) {
        judging.found("opaque", call.at, "Runs a file whose name is only known when it runs");
      }
    }
  }
}

function decoded(text: string): string {
  return text.replace(/%([\da-f]{2})/gi, (_, hex) => String.fromCharCode(Number.parseInt(hex, 16)));
}

function follow(path: string, call: Call, judging: Judging): void {
  judging.sight.follows.push({ by: "file", path, line: lineOf(call.at) });
}

function judgeRestored(call: Call, scope: Scope, judging: Judging): void {
  const [first] = call.args;
  if (first === undefined) return;
  const disguised = (value: Value) => value.is === "text" || value.is === "list";
  const values = judging.values(first, scope);
  // What was packed here just before holds nothing that was not here.
  const isFile = values.some(
    (value) =>
      value.is === "file" || (value.is === "path" && /^pickle\.dumps\(\)$/.test(value.path)),
  );
  if (values.some(disguised) || (first.is === "call" && !isFile)) {
    judging.found("opaque", call.at, "What it unpacks may be code, which is not looked through");
  }
}

/** `map(exec, texts)`: who gets the function calls it with what nobody sees here. */
function judgeHandedOn(call: Call, arg: Expr, scope: Scope, judging: Judging): void {
  if (arg.is !== "name" && arg.is !== "member" && arg.is !== "index") return;
  const { words, values } = judging;
  const passes = values(call.callee, scope).some(
    (value) =>
      value.is === "path" && (words.passes.has(value.path) || words.getters.has(value.path)),
  );
  if (passes) return;
  for (const value of values(arg, scope)) {
    if (value.is !== "path") continue;
    const { path } = value;
    if (timers.has(path)) continue;
    if (
      words.imports.has(path) ||
      words.evaluates.has(path) ||
      words.starts.has(path) ||
      words.getters.has(path)
    ) {
      judging.found(
        "opaque",
        call.at,
        `Hands ${path} on, so that nobody sees what it is called with`,
      );
    }
  }
}
