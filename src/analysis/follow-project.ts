import { posix } from "node:path";
import { kindByName } from "./file-kind.ts";
import { addOpaque, addStart, type Start, type Through, throughShell } from "./look-through.ts";
import { packageScripts } from "./modules.ts";
import type { ProjectRun } from "./project-runs.ts";
import { readCommand } from "./read-command.ts";
import { readMakefile } from "./read-makefile.ts";

/** How many directories are looked through for tests, how many tests are read, and how many includes lead to others. */
const most = { directories: 200, tests: 60, includes: 8 };

/** Reads what a file of a project tells its tool to run. */
export function followProject(start: Start, run: ProjectRun, text: string, through: Through): void {
  const { path, depth } = start;
  const lines = text.split("\n");
  if (run.by === "scripts") {
    for (const name of run.names) {
      for (const script of packageScripts(text, name)) {
        const quoted = JSON.stringify(script);
        const line = lines.findIndex((each) => each.includes(quoted)) + 1;
        runIn(path, script, Math.max(line, 1), depth, through);
      }
    }
  } else if (run.by === "make") {
    const { commands, includes, opaque } = readMakefile(text, run.targets, run.settings);
    for (const command of commands) runIn(path, command.text, command.line, depth, through);
    for (const each of opaque) {
      const from = { file: path, line: each.line };
      addOpaque(from, each.text, "What make runs here is only known when it runs", through);
    }
    for (const each of includes) {
      const included = posix.resolve(posix.dirname(path), each);
      if (depth < most.includes) {
        addStart({ ...start, path: included, depth: depth + 1, expected: false }, through);
      }
    }
  }
}

/** A command that starts in the directory of the project. */
function runIn(path: string, text: string, line: number, depth: number, through: Through): void {
  const directory = posix.dirname(path);
  const from = { file: path, line: directory === "/tmp" ? line : line - 1 };
  const whole = directory === "/tmp" ? text : `cd '${directory.replaceAll("'", "")}'\n${text}`;
  throughShell(whole, readCommand(whole), from, depth + 1, through);
}

/** The tests below a directory: what a tool finds by itself. Nothing when directories cannot be listed. */
export async function followTests(
  start: Start,
  run: Extract<ProjectRun, { by: "tests" | "any" }>,
  through: Through,
): Promise<void> {
  const { names } = run;
  const queue = [start.path];
  let [directories, tests] = [0, 0];
  const made = through.written.flatMap(({ paths }) => paths);
  for (let path = queue.shift(); path !== undefined; path = queue.shift()) {
    directories += 1;
    if (directories > most.directories) return;
    const listed = (await through.look.list?.(path)) ?? [];
    const below = made.filter((each) => posix.dirname(each) === path);
    for (const name of new Set([...listed, ...below.map((each) => posix.basename(each))])) {
      const own = posix.join(path, name);
      if (names.test(name)) {
        tests += 1;
        if (tests > most.tests) return;
        const kind = run.by === "any" ? run.kind : kindByName(name);
        const { from, at, root, depth } = start;
        addStart({ path: own, kind, expected: false, root, depth: depth + 1, from, at }, through);
      } else if (!/\.|^(node_modules|__pycache__|venv|dist|build|target)$/.test(name)) {
        queue.push(own);
      }
    }
  }
  // A shell that runs what nobody finds may run anything; other languages read what is there anyway.
  if (run.by === "any" && run.kind === "shell" && tests === 0) {
    addOpaque(start.from, start.path, "Which script runs is not known", through);
  }
}
