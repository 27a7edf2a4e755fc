import type { ReadCommand, SimpleCommand } from "../analysis/analysis.ts";

/** A declared command pattern, read. */
interface Pattern {
  /** As it was declared. */
  text: string;
  words: string[];
  /** The last word is only how a word begins. */
  isPrefix: boolean;
}

const shells = /^(sh|bash|dash|ash|zsh|ksh|mksh|rbash)$/;

/** Patterns of one list of capabilities, ready to be held against commands. */
export interface Patterns {
  texts: readonly string[];
  /** The pattern that lets the command at this place run; undefined: none does. */
  admits(read: ReadCommand, place: number): string | undefined;
  /** Whether a pattern names this very program: `rm ` does for rm, `*` does for none. */
  names(command: SimpleCommand): boolean;
}

/**
 * Patterns compare words, not characters: `python3 ` is that program with any arguments, `npm install` also its first
 * word, and a last word that ends in `/` or `*` is what the word begins with. `*` is every command.
 */
export function readPatterns(texts: readonly string[]): Patterns {
  const patterns = texts.flatMap(readPattern);
  const every = texts.find((text) => text.trim() === "*");
  const direct = (command: SimpleCommand) => patterns.find((one) => matches(one, command));
  const opens = (read: ReadCommand, place: number): string | undefined => {
    const command = read.commands[place];
    if (command === undefined) return undefined;
    const own = patterns.find((one) => opensPayload(one, command))?.text;
    return own ?? (command.inside === null ? undefined : opens(read, command.inside));
  };
  return {
    texts,
    admits(read, place) {
      const command = read.commands[place];
      if (every !== undefined || command === undefined) return every;
      const own = direct(command)?.text;
      return own ?? (command.inside === null ? undefined : opens(read, command.inside));
    },
    names: (command) => direct(command) !== undefined,
  };
}

function readPattern(text: string): Pattern[] {
  const words = text.trim().split(/\s+/);
  const last = words.at(-1) ?? "";
  if (last === "" || text.trim() === "*") return [];
  // `npm *` says the same as `npm `.
  if (last === "*") return [{ text, words: words.slice(0, -1), isPrefix: false }];
  if (last.endsWith("*")) {
    return [{ text, words: [...words.slice(0, -1), last.slice(0, -1)], isPrefix: true }];
  }
  return [{ text, words, isPrefix: last.endsWith("/") }];
}

function matches(pattern: Pattern, command: SimpleCommand): boolean {
  if (command.program === null) return false;
  if (isTextPattern(pattern)) {
    return command.program === pattern.words[0] && carriesText(command);
  }
  return pattern.words.every((wanted, index) => {
    const word = command.words[index];
    if (word === undefined || word.dynamic) return false;
    const isPrefix = pattern.isPrefix && index === pattern.words.length - 1;
    const candidates = index === 0 ? [command.program, word.text] : [word.text];
    return candidates.some(
      (text) => text !== null && (isPrefix ? begins(text, wanted) : text === wanted),
    );
  });
}

/** A path that climbs out again does not begin with what it climbs out of. */
function begins(text: string, wanted: string): boolean {
  return text.startsWith(wanted) && !text.split("/").includes("..");
}

/** `bash -c `: whichever way the options of the shell are spelt. */
function isTextPattern({ words, isPrefix }: Pattern): boolean {
  return words.length === 2 && shells.test(words[0] ?? "") && words[1] === "-c" && !isPrefix;
}

/** Whether a pattern lets the commands run that a shell is given as text: `bash -c ` does, and `bash ` as well. */
function opensPayload(pattern: Pattern, command: SimpleCommand): boolean {
  const isShell = shells.test(pattern.words[0] ?? "") && !pattern.isPrefix;
  if (!isShell || !matches(pattern, command)) return false;
  return isTextPattern(pattern) || pattern.words.length === 1;
}

/** Whether `-c` is among the options of a shell, before what it runs. */
function carriesText({ words }: SimpleCommand): boolean {
  for (let index = 1; index < words.length; index += 1) {
    const { text = "", dynamic = true } = words[index] ?? {};
    if (dynamic || text === "--" || !/^[-+]./.test(text)) return false;
    if (/^-[a-zA-Z]*c[a-zA-Z]*$/.test(text)) return true;
    if (/^[-+][a-zA-Z]*[oO]$/.test(text)) index += 1;
  }
  return false;
}
