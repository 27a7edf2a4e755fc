import { posix } from "node:path";
import type { Analysed, Look } from "./analysis.ts";
import { pointedTo } from "./hosts.ts";
import { addFindings, addStart, finish, openThrough, throughShell } from "./look-through.ts";
import { type Kept, openReadCode } from "./read-code.ts";
import { readCommand } from "./read-command.ts";
import { openRemembered } from "./remembered.ts";
import { type Seen, shown } from "./sight.ts";

/** Reads what a call would do, without an effect and without ever throwing for what it reads. */
export interface Analysis {
  /** A shell command, with the files that it would run. */
  command: (text: string, look: Look) => Promise<Analysed>;
  /** An artifact's entrypoint, a path below `/tmp`, started directly with these arguments. */
  program: (entrypoint: string, args: readonly string[], look: Look) => Promise<Analysed>;
}

/**
 * Opens the analysis. Files are read through `Look` only; their findings are remembered by content, so that a script
 * that runs a hundred times is read once.
 */
export function openAnalysis(): Analysis {
  const kept: Kept = new Map();
  const open = (look: Look) => openThrough(look, openReadCode(look.remoteAccess, kept));
  const remembered = openRemembered();
  return {
    command: (text, given) =>
      remembered(text, given, async (look) => {
        const through = open(look);
        const command = readCommand(text);
        throughShell(text, command, { file: null, line: 1 }, 0, through);
        return { command, findings: await finish(through) };
      }),
    async program(entrypoint, args, look) {
      const through = open(look);
      const path = posix.resolve("/tmp", entrypoint);
      const from = { file: null, line: 1 };
      const root = posix.dirname(path);
      addFindings(null, args.flatMap(literals), through);
      addStart({ path, kind: undefined, expected: true, root, depth: 0, from }, through);
      return { command: null, findings: await finish(through) };
    },
  };
}

/** URLs and addresses in an argument of a program that is started without a shell. */
function literals(argument: string): Seen[] {
  return pointedTo(argument).map(({ kind, host }) => {
    const reason = kind === "url" ? "A URL" : "An address";
    return { kind, line: 1, pattern: shown(argument), host, reason };
  });
}
