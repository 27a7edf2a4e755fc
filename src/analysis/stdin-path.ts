import type { ShellWord } from "./shell-reading.ts";

/** Names of files that are the standard input. */
export const isStdinPath = (path: string): boolean =>
  /^(-|\/dev\/stdin|\/dev\/fd\/0|\/proc\/self\/fd\/0)$/.test(path);

/**
 * Whether a word that is only known when it runs names one of the files that lie there: a pattern, a variable, what
 * `find` or `xargs` put in its place, or a name beside the script itself.
 */
export function isFoundFile({ text, fixed, splits, substituted }: ShellWord): boolean {
  // What may fall into several words may be an option and code.
  if ((!substituted && (!splits || /\.\w+$/.test(fixed))) || /^\W*\{\}\W*$/.test(text)) return true;
  const isBeside = /^"?\$\((cd (-- )?"?\$\()?dirname /.test(text);
  return isBeside && /^\/[\w.-]+\.\w+$/.test(fixed);
}
