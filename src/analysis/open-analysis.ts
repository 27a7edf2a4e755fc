import { posix } from "node:path";
import type { Analysed, Look } from "./analysis.ts";
import { argumentFindings, type LookThrough, openLookThrough } from "./look-through.ts";
import { type Kept, openReadCode } from "./read-code.ts";
import { readCommand } from "./read-command.ts";

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
  const open = (look: Look): LookThrough =>
    openLookThrough(look, openReadCode(look.remoteAccess, kept));
  return {
    async command(text, look) {
      const through = open(look);
      const command = readCommand(text);
      through.shell(text, command, null, 1, 0);
      return { command, findings: await through.finish() };
    },
    async program(entrypoint, args, look) {
      const through = open(look);
      const path = posix.resolve("/tmp", entrypoint);
      const from = { file: null, line: 1 };
      const root = posix.dirname(path);
      through.start({ path, kind: undefined, named: true, root, depth: 0, from });
      const literals = argumentFindings(args).map((each) => ({ ...each, file: null }));
      return { command: null, findings: [...literals, ...(await through.finish())] };
    },
  };
}
