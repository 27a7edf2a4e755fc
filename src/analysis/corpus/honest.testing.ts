import { honestJavascript } from "./honest-javascript.testing.ts";
import { honestPython } from "./honest-python.testing.ts";
import { honestShell } from "./honest-shell.testing.ts";
import { laterEvasive } from "./later-evasive.testing.ts";

/** What coding agents run all day, and what lies in `/tmp` when they do; nothing of it reaches a network. */
export interface Honest {
  command: string;
  files: Readonly<Record<string, string>>;
  /** Why a person is asked all the same; undefined: nobody is. */
  asks: string | undefined;
}

export type HonestRow = readonly [
  command: string,
  files?: Readonly<Record<string, string>>,
  asks?: string,
];

export const honest: readonly Honest[] = [...honestShell, ...honestPython, ...honestJavascript].map(
  ([command, files = {}, asks]) => ({ command, files, asks }),
);

/** Ways around all this, which must be seen. */
export const evasive: readonly Honest[] = laterEvasive.map(([command, files = {}]) => ({
  ...{ command, files, asks: undefined },
}));
