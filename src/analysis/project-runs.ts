import { posix } from "node:path";
import type { SimpleCommand } from "./analysis.ts";
import type { FileKind } from "./file-kind.ts";

/** What a tool runs that its project says, and not its words. */
export type ProjectRun =
  /** Scripts of `package.json`, by name. */
  | { by: "scripts"; names: string[] }
  /** The recipes of a Makefile for these targets, or for its first; `settings` are variables given in the words. */
  | { by: "make"; targets: string[]; settings: ReadonlyMap<string, string> }
  /** The files below a directory that the tool takes for tests. */
  | { by: "tests"; names: RegExp }
  /** One of the files below a directory, of whatever language its program reads; which is only known when it runs. */
  | { by: "any"; names: RegExp; kind: FileKind | undefined };

/** The same text for the same run. */
export function keyOf(run: ProjectRun): string {
  if (run.by === "scripts") return JSON.stringify(run);
  if (run.by === "make") return JSON.stringify([run.targets, [...run.settings]]);
  const kind = run.by === "any" ? JSON.stringify(run.kind ?? null) : "";
  return `${run.by} ${run.names.source} ${kind}`;
}

/** A project's file, or the directory that is looked through. */
export interface ProjectStart {
  path: string;
  run: ProjectRun;
}

const python = /^(test_.*|.*_test|conftest)\.py$/;
const unit = /^test.*\.py$/;
const node = /(^|[._-])test\.[cm]?[jt]sx?$|^test[._-].*\.[cm]?[jt]s$/;
const spec = /\.(test|spec)\.[cm]?[jt]sx?$/;

/** What a command lets its project decide; paths are as written. */
export function projectRuns({ program, words }: SimpleCommand): ProjectStart[] {
  const texts = words.map((word) => word.text);
  const rest = texts.slice(1);
  switch (program) {
    case "npm":
    case "pnpm":
    case "yarn":
    case "bun":
      return scripts(program, rest);
    case "make":
    case "gmake":
      return makefiles(rest);
    case "pytest":
    case "py.test":
      return tests(rest, python, /^(-[kmnpcoWr]|--(ignore|rootdir|maxfail|durations))$/);
    case "jest":
    case "vitest":
      return tests([], spec, /^$/);
    case "mocha":
      return [{ path: "test", run: { by: "tests", names: /\.[cm]?[jt]s$/ } }];
    case "node":
      if (rest.includes("--run")) {
        const name = rest[rest.indexOf("--run") + 1] ?? "";
        return [{ path: "package.json", run: { by: "scripts", names: [name] } }];
      }
      return rest.includes("--test") ? tests(rest, node, /^$/) : [];
    case null:
      return [];
    default:
      return /^(python|pypy)[\d.]*$/.test(program) ? modules(rest) : [];
  }
}

function modules(rest: readonly string[]): ProjectStart[] {
  const at = rest.indexOf("-m");
  const [module, ...given] = at < 0 ? [] : rest.slice(at + 1);
  if (module === "pytest") return tests(given, python, /^(-[kmnpcoWr]|--(ignore|rootdir))$/);
  if (module !== "unittest") return [];
  const start = given.findIndex((word) => /^(-s|--start-directory)$/.test(word));
  const path = (start < 0 ? undefined : given[start + 1]) ?? ".";
  const named = given.filter((word) => /^[\w.]+$/.test(word) && word !== "discover");
  // Names of modules on their own say which ones; with `discover` they are values of options.
  if (named.length > 0 && !given.includes("discover")) {
    return named.flatMap((name) =>
      name.split(".").map((_, index, parts) => ({
        path: `${parts.slice(0, index + 1).join("/")}.py`,
        run: { by: "tests", names: unit } as const,
      })),
    );
  }
  return [{ path, run: { by: "tests", names: unit } }];
}

function tests(rest: readonly string[], names: RegExp, valued: RegExp): ProjectStart[] {
  const paths = rest.filter((word, at) => !/^-/.test(word) && !valued.test(rest[at - 1] ?? ""));
  const shown = paths.map((path) => path.split("::")[0] ?? path);
  const run: ProjectRun = { by: "tests", names };
  return (shown.length === 0 ? ["."] : shown).map((path) => ({ path, run }));
}

/** Verbs of the package programs that are no names of scripts. */
const verbs = new Set(
  "install i ci add remove uninstall update upgrade ls list link init config cache info view audit why exec dlx create outdated publish version pack set help global workspace workspaces prune dedupe fund login whoami ping docs explain query".split(
    " ",
  ),
);

function scripts(program: string, rest: readonly string[]): ProjectStart[] {
  const place = rest.findIndex((word) => /^(--prefix|-C|--cwd|--dir)$/.test(word));
  const directory = (place < 0 ? undefined : rest[place + 1]) ?? ".";
  const operands = rest.filter((word, at) => {
    const isValue = /^(--prefix|-C|--cwd|--dir|-w|--workspace|--filter|-F)$/.test(
      rest[at - 1] ?? "",
    );
    return !word.startsWith("-") && !isValue;
  });
  const [verb, name] = operands;
  const names: string[] = [];
  if (verb === "run" || verb === "run-script" || verb === "rum")
    names.push(...(name ? [name] : []));
  else if (verb === "t" || verb === "tst") names.push("test");
  else if (verb === "restart") names.push("restart", "stop", "start");
  else if (verb === "pack" || verb === "publish") {
    names.push("prepack", "prepare", "postpack", "prepublishOnly", "publish");
  } else if (verb === "version") names.push("version");
  else if (verb === "install" || verb === "ci" || verb === "i") names.push("install", "prepare");
  else if (verb === "test" || verb === "start" || verb === "stop") names.push(verb);
  else if (program !== "npm" && verb !== undefined && !verbs.has(verb)) names.push(verb);
  if (names.length === 0) return [];
  return [{ path: posix.join(directory, "package.json"), run: { by: "scripts", names } }];
}

function makefiles(rest: readonly string[]): ProjectStart[] {
  const follows = (option: RegExp, at: number) => option.test(rest[at - 1] ?? "");
  const after = (option: RegExp) => rest.find((_, at) => follows(option, at));
  const directory = after(/^(-C|--directory)$/) ?? ".";
  const named = after(/^(-f|--file|--makefile)$/);
  const settings = new Map<string, string>();
  const targets: string[] = [];
  for (const [at, word] of rest.entries()) {
    const set = /^([A-Za-z_]\w*)[:?+]?=(.*)$/s.exec(word);
    if (set !== null) settings.set(set[1] ?? "", set[2] ?? "");
    else if (
      !word.startsWith("-") &&
      !follows(/^(-[CfIojlW]|--directory|--file|--makefile)$/, at)
    ) {
      targets.push(word);
    }
  }
  // `make -j 4`: a number is no target.
  const wanted = targets.filter((target) => !/^\d+$/.test(target));
  const run: ProjectRun = { by: "make", targets: wanted, settings };
  const files = named === undefined ? ["GNUmakefile", "makefile", "Makefile"] : [named];
  return files.map((name) => ({ path: posix.join(directory, name), run }));
}
