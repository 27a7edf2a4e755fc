import { posix } from "node:path";
import type { ReadCommand, SimpleCommand } from "./analysis.ts";
import { endsOf, type FileKind, kindByInterpreter } from "./file-kind.ts";
import type { Grammar } from "./languages.ts";
import { type ProjectRun, projectRuns } from "./project-runs.ts";
import { shown } from "./sight.ts";
import type { Written } from "./written.ts";

/** Code of another language within a command, or why nobody can read it. */
export type ShellPayload =
  | { grammar: Grammar; code: string; line: number }
  | { opaque: string; pattern: string; line: number };

/** The payloads of a command, each in its grammar. */
export function payloadsOf(read: ReadCommand): ShellPayload[] {
  return read.payloads.flatMap(({ language, code, line, offset }): ShellPayload[] => {
    if (language !== "other") return [{ grammar: language, code, line }];
    const program = programAround(read, offset, code)?.program ?? "";
    // What awk and sed may start is said by the reader of the shell; the rest of what they do stays in the sandbox.
    if (/^(g|m|n)?awk$|^sed$|^jq$/.test(program)) {
      return code.includes("/inet")
        ? [{ opaque: "awk can open connections", pattern: shown(code), line }]
        : [];
    }
    return [{ opaque: `Code for ${program} is not looked through`, pattern: shown(code), line }];
  });
}

export interface ShellStart {
  /** Where the file may be. */
  paths: string[];
  kind: FileKind | undefined;
  expected: boolean;
  /** Where Python looks for modules, when not beside the script. */
  root?: string;
  /** Lines before it. */
  line: number;
  offset: number;
  /** What is to be run of a file, or below a directory, that belongs to a project. */
  project?: ProjectRun;
}

/** Where a path of a command may lie, by the directories that it goes to before. */
export function basesOf(read: ReadCommand): (path: string, offset: number) => string[] {
  const moves = directories(read);
  return (path, offset) => [
    ...new Set(
      ["/tmp", ...moves.filter((move) => move.offset <= offset).map((move) => move.path)].map(
        (base) => posix.resolve(base, path),
      ),
    ),
  ];
}

/** The files that a command makes. */
export function writtenBy(text: string, read: ReadCommand): Written[] {
  const at = basesOf(read);
  return read.writes.map(({ path, body, ...rest }) => ({
    ...rest,
    ...{ text, offset: path.offset, dynamic: path.dynamic },
    paths: at(path.text, path.offset),
    body:
      body?.map((part) =>
        "text" in part ? part : { files: at(part.file.text, part.file.offset) },
      ) ?? null,
  }));
}

/** The files that a command tells interpreters to run, wherever they may stand. */
export function startsOf(text: string, read: ReadCommand): ShellStart[] {
  const found: ShellStart[] = [];
  const lineOf = (offset: number) => text.slice(0, offset).split("\n").length - 1;
  const at = basesOf(read);
  for (const { path, offset, module, any } of read.scripts) {
    const command = programAround(read, offset, path);
    const line = lineOf(offset);
    if (any === true) {
      // What find and xargs start stands after them, with the same word.
      const inner = read.commands.findLast(({ words }) => words.some((w) => w.offset === offset));
      const run = anyFile(path, inner?.program ?? "");
      found.push({
        ...{ paths: at(".", offset), kind: undefined, expected: false, root: "/tmp" },
        ...{ line, offset, project: run },
      });
      continue;
    }
    if (module === true) {
      const base = path.replaceAll(".", "/");
      const paths = [`${base}.py`, `${base}/__main__.py`, `${base}/__init__.py`].flatMap((each) =>
        at(each, offset),
      );
      found.push({ paths, kind: "python", expected: false, root: "/tmp", line, offset });
      continue;
    }
    const program = command?.program ?? "";
    const [first] = command?.words ?? [];
    const direct = first?.offset === offset && first.text === path;
    const kind = direct ? undefined : kindByInterpreter(program);
    const paths = at(path, offset);
    if (program === "go" && !path.endsWith(".go")) {
      found.push({
        paths: paths.map((each) => `${each}/main.go`),
        kind: "go",
        expected: false,
        line,
        offset,
      });
    } else {
      // Whoever names one directory too many gets one answer: the others are not missed.
      found.push({
        paths,
        kind,
        expected: paths.length === 1 && mayAppear(read, path),
        line,
        offset,
      });
    }
  }
  for (const command of read.commands) {
    const { offset } = command;
    found.push(...shadowed(command, read, at, lineOf(offset)));
    const line = lineOf(offset);
    found.push(...projectStarts(command, at, line));
    for (const { path, run } of projectRuns(command)) {
      const paths = at(path, offset);
      found.push({
        ...{ paths, kind: undefined, expected: false, root: "/tmp", line, offset, project: run },
      });
    }
  }
  return found;
}

/** Files that a program may be given which are only known when it runs: by the end of their name, or by its language. */
function anyFile(fixed: string, program: string): ProjectRun {
  const name = posix.basename(fixed);
  const kind = kindByInterpreter(program);
  const isWhole = fixed.includes("/") && name.includes(".");
  const end = posix.extname(name);
  const escaped = (text: string) => text.replace(/[^\w]/g, "\\$&");
  const grammar = typeof kind === "string" ? kind : "shell";
  const names = isWhole
    ? new RegExp(`^${escaped(name)}$`)
    : end !== ""
      ? new RegExp(`${escaped(end)}$`)
      : endsOf[grammar];
  return { by: "any", names, kind };
}

/** A file of the command's own that has the name of a program: by PATH it may be meant. */
function shadowed(
  { program, offset }: SimpleCommand,
  read: ReadCommand,
  at: (path: string, offset: number) => string[],
  line: number,
): ShellStart[] {
  if (program === null || program.includes("/")) return [];
  return read.writes
    .filter(({ path, below }) => !below && posix.basename(path.text) === program)
    .map(({ path }) => {
      const paths = at(path.text, path.offset);
      return { paths, kind: undefined, expected: false, line, offset };
    });
}

/** A file that is missing now may be there when it is its turn, if something else runs before. */
function mayAppear(read: ReadCommand, path: string): boolean {
  return (
    read.commands.length > 1 ||
    read.redirects.some((word) => word.text.endsWith(posix.basename(path)))
  );
}

/** In a payload every word stands where the payload does, so its text has to be the same as well. */
function programAround(read: ReadCommand, offset: number, path: string): SimpleCommand | undefined {
  return (
    read.commands.find((command) =>
      command.words.some((word) => word.offset === offset && word.text === path),
    ) ??
    read.commands.find((command) => command.words.some((word) => word.offset === offset)) ??
    read.commands.filter((command) => command.offset <= offset).at(-1)
  );
}

function directories(read: ReadCommand): { path: string; offset: number }[] {
  let path = "/tmp";
  return read.commands.flatMap((command) => {
    const [, target] = command.words;
    if (command.program !== "cd" && command.program !== "pushd") return [];
    if (target === undefined || target.dynamic || target.text.startsWith("-")) return [];
    path = posix.resolve(path, target.text);
    return [{ path, offset: command.offset }];
  });
}

/** Programs that find what they run by themselves. */
function projectStarts(
  command: SimpleCommand,
  at: (path: string, offset: number) => string[],
  line: number,
): ShellStart[] {
  const { offset } = command;
  const words = command.words.map((word) => word.text);
  const [, verb = ""] = words.filter((word) => !word.startsWith("-"));
  const paths = (names: string[]) => names.flatMap((name) => at(name, command.offset));
  if (command.program === "cargo" && /^(run|r|build|b|test|t|bench|install)$/.test(verb)) {
    const manifest = words[words.indexOf("--manifest-path") + 1];
    const home = words.includes("--manifest-path") ? posix.dirname(manifest ?? "") : ".";
    const names = ["build.rs", "src/main.rs", "src/lib.rs"].map((name) => posix.join(home, name));
    return [{ paths: paths(names), kind: "rust", expected: false, line, offset }];
  }
  if (command.program === "rustc") {
    const sources = words.slice(1).filter((word) => word.endsWith(".rs"));
    return [{ paths: paths(sources), kind: "rust", expected: false, line, offset }];
  }
  if (command.program === "go" && /^(build|test|run|install)$/.test(verb)) {
    const sources = words.slice(2).filter((word) => word.endsWith(".go"));
    const names = sources.length > 0 ? sources : ["main.go"];
    return [{ paths: paths(names), kind: "go", expected: false, line, offset }];
  }
  const isTest = /^(pytest|py\.test)$/.test(command.program ?? "") || words.includes("pytest");
  if (!isTest) return [];
  const tests = words
    .slice(1)
    .filter((word) => /\.py(::|$)/.test(word))
    .map((word) => word.split("::")[0] ?? word);
  return [
    {
      paths: paths([...tests, "conftest.py"]),
      kind: "python",
      expected: false,
      root: "/tmp",
      line,
      offset,
    },
  ];
}
