import type { SyntaxNode } from "unbash";
import type { Opaque, ReadCommand, Word } from "./analysis.ts";
import type { Constants } from "./shell-constants.ts";

/** A word as the reader needs it: beside what others see, what it may become when the shell expands it. */
export interface ShellWord extends Word {
  /** It may become several words, or none. */
  splits: boolean;
  /** A command or process substitution is part of it. */
  substituted: boolean;
  /** What of it is known before it runs; the same as `text` when it is not dynamic. */
  fixed: string;
  /** What it says without its quotes, variables as they stand; undefined when that is `text`. */
  written?: string | undefined;
}

/** What a command reads from when it reads its standard input. */
export type Stdin =
  | { type: "unknown" }
  | { type: "file"; word: ShellWord }
  | { type: "text"; word: ShellWord };

/** Where the reader stands: how the text at hand came to be part of the command. */
export interface Frame {
  /** The text that places count in. */
  source: string;
  /** From a position in the text at hand to one in the whole command. */
  offsetOf: (position: number) => number;
  via: readonly string[];
  inside: number | null;
  depth: number;
  stdin: Stdin;
  /** Shells other than bash take some of its syntax for plain commands. */
  dialect: "bash" | "sh";
  constants: Constants;
  /** The commands of the whole text that are sure to run, and up to where that can be said. */
  sure: ReadonlyMap<SyntaxNode, number>;
  /** Functions of the text that run their arguments as a command, and how many words stand before it. */
  forwarders: ReadonlyMap<string, number>;
  /** Inside one of them: what it runs is read where it is called. */
  forwards?: boolean;
}

/** What reads one command: the parts of the reader call each other through it. */
export interface Reader {
  readonly found: ReadCommand;
  /** Reads a text that a shell will run, such as what follows `sh -c`. */
  readText(text: string, frame: Frame): void;
  /** Takes the wrappers off one simple command and keeps what is left. */
  resolve(words: readonly ShellWord[], frame: Frame & { sureUntil?: number }): void;
  opaque(word: Pick<ShellWord, "text" | "offset">, reason: string): void;
  /** Keeps code of another language. */
  payload(language: "python" | "javascript" | "other", code: ShellWord): void;
  script(path: ShellWord, how?: "module" | "any"): void;
}

export function opaqueAt(token: string, offset: number, reason: string): Opaque {
  const shown = token.length > 80 ? `${token.slice(0, 79)}…` : token;
  return { token: shown, offset, reason };
}

/** A word that the reader itself makes, from a part of another. */
export function partOf(word: ShellWord, text: string): ShellWord {
  return { ...word, text, fixed: text, written: undefined };
}

/** Words that nobody can know before the command runs, such as those that `xargs` adds. */
export function unknownWord(offset: number, text: string): ShellWord {
  return { text, fixed: "", offset, dynamic: true, splits: true, substituted: false };
}

/** The frame of a text that is carried by a word: every place in it is the place of that word. */
export function carried(frame: Frame, word: ShellWord, via: string): Frame {
  return {
    ...frame,
    offsetOf: () => word.offset,
    via: [...frame.via, via],
    depth: frame.depth + 1,
    constants: new Map(),
  };
}
