import { honestJavascript } from "./honest-javascript.testing.ts";
import { honestPython } from "./honest-python.testing.ts";
import { honestShell } from "./honest-shell.testing.ts";

/** What coding agents run all day, and what lies in `/tmp` when they do; nothing of it reaches a network. */
export interface Honest {
  command: string;
  files: Readonly<Record<string, string>>;
}

export type HonestRow = readonly [command: string, files?: Readonly<Record<string, string>>];

export const honest: readonly Honest[] = [...honestShell, ...honestPython, ...honestJavascript].map(
  ([command, files = {}]) => ({ command, files }),
);
