import { posix } from "node:path";
import { limits } from "../base/limits.ts";
import type { Finding } from "../contract/finding.ts";
import type { Look, ReadCommand } from "./analysis.ts";
import { compiledReason, type FileKind, kindByName, kindByShebang } from "./file-kind.ts";
import { pointedTo } from "./hosts.ts";
import type { Grammar } from "./languages.ts";
import { candidates, goModule, packageStarts } from "./modules.ts";
import { languageOf, type ReadCode } from "./read-code.ts";
import { readCommand } from "./read-command.ts";
import { shellFindings } from "./shell-sight.ts";
import { payloadsOf, startsOf } from "./shell-starts.ts";
import { type Follow, type Seen, type Sight, settled } from "./sight.ts";

/** A file that would run, and why it is looked at. */
export interface Start {
  path: string;
  /** What the one who starts it takes it for; undefined: its first line or its name say so. */
  kind: FileKind | undefined;
  /** Its name was given by whoever starts it; that it is missing means something. */
  named: boolean;
  root: string;
  depth: number;
  from: { file: string | null; line: number };
}

/** Goes through everything that one call would run, file by file, each once. */
export interface LookThrough {
  /** A shell text, of a file or of the call itself. */
  shell: (
    text: string,
    read: ReadCommand,
    file: string | null,
    line: number,
    depth: number,
  ) => void;
  start: (start: Start) => void;
  /** The findings, once nothing is left to be read. */
  finish: () => Promise<Finding[]>;
}

const cwd = "/tmp";

export function openLookThrough(look: Look, readCode: ReadCode): LookThrough {
  const findings: Finding[] = [];
  const queue: Start[] = [];
  const seen = new Set<string>();
  let [reads, files, bytes, full] = [0, 0, 0, false];

  const add = (file: string | null, all: readonly Seen[]) => {
    for (const each of all) findings.push({ ...each, file });
  };
  const opaque = (at: Start["from"], pattern: string, reason: string) => {
    add(at.file, [{ kind: "opaque", line: at.line, pattern, host: null, reason }]);
  };
  const isEnabled = (grammar: Grammar) =>
    look.remoteAccess?.enabled_languages?.includes(languageOf[grammar]) ?? true;

  const start = (next: Start) => {
    const key = `${next.path}\0${typeof next.kind === "string" ? next.kind : ""}`;
    if (seen.has(key)) return;
    seen.add(key);
    if (next.depth > limits.analysisDepth)
      opaque(next.from, next.path, "Files load files too deeply");
    else queue.push(next);
  };

  const shell: LookThrough["shell"] = (text, read, file, line, depth) => {
    add(file, shellFindings(text, read, look, line));
    for (const payload of payloadsOf(read)) {
      const at = line + payload.line - 1;
      if ("opaque" in payload) opaque({ file, line: at }, payload.pattern, payload.opaque);
      else if (isEnabled(payload.grammar)) {
        sight(readCode(payload.grammar, payload.code, at), payload.grammar, file, cwd, depth);
      }
    }
    for (const each of startsOf(text, read)) {
      const from = { file, line: line + each.line };
      for (const path of each.paths) {
        const { kind, named } = each;
        start({
          path,
          kind,
          named,
          root: each.root ?? posix.dirname(path),
          depth: depth + 1,
          from,
        });
      }
    }
  };

  /** What code says, and the code that it leads to. */
  const sight = (
    found: Sight,
    grammar: Grammar,
    file: string | null,
    root: string,
    depth: number,
  ) => {
    add(file, found.findings);
    for (const { text, line } of found.commands) {
      if (depth > limits.analysisDepth) opaque({ file, line }, text, "Files load files too deeply");
      else shell(text, readCommand(text), file, line, depth + 1);
    }
    const language = languageOf[grammar];
    const origin = { from: file ?? `${cwd}/command`, root, language };
    for (const follow of found.follows) {
      const next = { kind: followed(follow, grammar), named: false, root, depth: depth + 1 };
      for (const path of candidates(follow, origin))
        start({ ...next, path, from: { file, line: follow.line } });
    }
  };

  const read = async (path: string): Promise<Uint8Array | undefined> => {
    reads += 1;
    if (reads <= limits.analysisReads) return await look.read(path);
    tooMuch(path);
    return undefined;
  };

  const tooMuch = (path: string) => {
    if (!full)
      opaque({ file: null, line: 1 }, path, "There are more files than are looked through");
    full = true;
  };

  const lookAt = async (next: Start): Promise<void> => {
    const content = await read(next.path);
    if (content === undefined) {
      if (next.named && typeof next.kind !== "object") missing(next);
      return;
    }
    files += 1;
    bytes += content.length;
    if (files > limits.analysisFiles || bytes > limits.analysisTotalBytes)
      return tooMuch(next.path);
    const whole = { file: next.path, line: 1 };
    const compiled = compiledReason(content);
    if (compiled !== undefined)
      return opaque(whole, next.path, `${compiled}, which is not looked through`);
    if (content.length > limits.analysisFileBytes) {
      return opaque(whole, next.path, "It is longer than what is looked through");
    }
    lookInto(next, new TextDecoder().decode(content));
  };

  const lookInto = (next: Start, text: string) => {
    const { path, root, depth } = next;
    if (path.endsWith("/package.json")) {
      for (const each of packageStarts(text, path)) start({ ...next, path: each, named: false });
      return;
    }
    if (path.endsWith("/go.mod")) return;
    const kind = kindOf(next, text);
    if (kind === "shell") return shell(text, readCommand(text), path, 1, depth);
    if (typeof kind === "object") return opaque({ file: path, line: 1 }, path, kind.opaque);
    if (!isEnabled(kind)) return;
    const found = readCode(kind, text);
    sight(found, kind, path, root, depth);
    if (languageOf[kind] === "go") goFiles(next, found);
  };

  /** The other files of a package of Go, and the packages of its own module. */
  const goFiles = (next: Start, found: Sight) => {
    pending.push(async () => {
      const near = posix.dirname(next.path);
      await goPackage(near, next);
      const [home, module] = await goHome(near);
      if (module === undefined) return;
      for (const follow of found.follows) {
        if (follow.by !== "module" || !`${follow.module}/`.startsWith(`${module}/`)) continue;
        const directory = posix.join(home, follow.module.slice(module.length));
        await goPackage(directory, { ...next, from: { file: next.path, line: follow.line } });
      }
    });
  };
  const pending: (() => Promise<void>)[] = [];
  const packages = new Set<string>();

  const goPackage = async (directory: string, next: Start) => {
    if (packages.has(directory)) return;
    packages.add(directory);
    const names = await look.list?.(directory);
    const own = posix.dirname(next.path) === directory;
    if (names === undefined && !own) {
      opaque(next.from, directory, "The files of this package are not known");
    }
    for (const name of names ?? []) {
      if (!name.endsWith(".go") || name.endsWith("_test.go")) continue;
      start({ ...next, path: posix.join(directory, name), kind: "go", named: false });
    }
  };

  const goHome = async (near: string): Promise<[string, string | undefined]> => {
    let at = near;
    for (let up = 0; up < 8 && at !== "/"; up += 1, at = posix.dirname(at)) {
      const content = await read(`${at}/go.mod`);
      if (content !== undefined) return [at, goModule(new TextDecoder().decode(content))];
    }
    return [near, undefined];
  };

  const missing = ({ path, from }: Start) => {
    opaque(from, path, "It is not there yet, so nobody can say what it will do");
  };

  return {
    shell,
    start,
    async finish() {
      for (;;) {
        const next = queue.shift();
        if (next !== undefined && !full) await lookAt(next);
        const more = pending.shift();
        if (more !== undefined && !full) await more();
        if (full || (next === undefined && more === undefined)) break;
      }
      return allSettled(findings);
    },
  };
}

/** A file that code names keeps the grammar of its name, where that says one of the same language. */
function followed(follow: Follow, grammar: Grammar): FileKind | undefined {
  if (follow.by === "file") return languageOf[grammar] === "javascript" ? undefined : grammar;
  return languageOf[grammar] === "javascript" ? undefined : grammar;
}

function kindOf(next: Start, text: string): FileKind {
  const byName = kindByName(next.path);
  if (next.kind !== undefined) {
    const refined = next.kind === "javascript" && (byName === "typescript" || byName === "tsx");
    return refined ? byName : next.kind;
  }
  return kindByShebang(text) ?? byName ?? "shell";
}

function allSettled(findings: readonly Finding[]): Finding[] {
  const byFile = new Map<string | null, Finding[]>();
  for (const each of findings) byFile.set(each.file, [...(byFile.get(each.file) ?? []), each]);
  return [...byFile.values()].flatMap((each) => settled(each)).slice(0, limits.analysisFindings);
}

/** URLs and addresses among the arguments of a program that is started without a shell. */
export function argumentFindings(args: readonly string[]): Seen[] {
  return args.flatMap((arg) =>
    pointedTo(arg).map(({ kind, host }) => ({
      kind,
      line: 1,
      pattern: arg.slice(0, limits.analysisPatternChars),
      host,
      reason: kind === "url" ? "A URL" : "An address",
    })),
  );
}
