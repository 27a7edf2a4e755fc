/**
 * Analysis: what would a command, or a program of an artifact, do? Real parsers read it; nothing is run, and what cannot
 * be read is said to be opaque. It is advice to the policy and to people: the sandbox is the boundary.
 */
import type { Finding } from "../contract/finding.ts";
import type { RemoteAccess } from "../contract/remote-access.ts";

export { type Analysis, openAnalysis } from "./open-analysis.ts";
export { readCommand } from "./read-command.ts";

/** One word of a command after quotes and escapes are taken off. */
export interface Word {
  /** What it says, as far as that is known before it runs; for a dynamic word its source text. */
  text: string;
  /** Parts of it are only known when it runs (a variable, a substitution, a glob). */
  dynamic: boolean;
  /** Where it stands in the whole command, in UTF-16 code units; in a payload, where the payload stands. */
  offset: number;
}

/** One program with its arguments, wrappers (`env`, `timeout`, `xargs`, `sh -c` …) taken off. */
export interface SimpleCommand {
  /** The program first. */
  words: Word[];
  /**
   * The resolved program: the bare name when it comes from a directory of the system or from PATH, else its path as
   * written (`./rm` is not `rm` for a pattern). Null when it is dynamic.
   */
  program: string | null;
  /** What was taken off around it, outermost first: `env`, `sh -c`, `find -exec`. */
  via: string[];
  /** The command in whose payload (`sh -c`, `bash -c`) it stands, by its place in `commands`; null at the top. */
  inside: number | null;
  offset: number;
}

/** Code in another language that a command carries with it (`python3 -c`, `node -e`, a here-document to an interpreter). */
export interface Payload {
  language: "python" | "javascript" | "other";
  code: string;
  offset: number;
  /** The line of the whole command on which it starts, from 1. */
  line: number;
}

/** A place where nobody can say what would run. */
export interface Opaque {
  token: string;
  offset: number;
  reason: string;
}

/** A part of what a command writes: a text, with variables as they stand where it is dynamic, or what a file holds. */
export type WrittenPart = { text: string; dynamic: boolean } | { file: Word };

/** One text is replaced by another everywhere; null: what is replaced is only known when it is done. */
export interface Edit {
  from: string | null;
  to: string;
}

/** A file that the command itself makes or changes. */
export interface Write {
  path: Word;
  /** What it will hold, part after part; null when that is only known when it runs. */
  body: WrittenPart[] | null;
  /** The body comes after what the file holds already. */
  append: boolean;
  /** What lies below the path as well: of a directory that is copied, or where an archive is unpacked. */
  below: boolean;
  /** Up to this place of the command it is certain that it was written before; -1: nowhere. */
  sureUntil: number;
  /** It is the file as it was before, changed like this. */
  edit?: Edit;
}

/** A shell command as it was read. */
export interface ReadCommand {
  /** Every simple command in every nesting, in the order in which they stand. */
  commands: SimpleCommand[];
  opaque: Opaque[];
  payloads: Payload[];
  /**
   * Files that an interpreter is told to run (`python3 x.py`, `sh run.sh`, `. lib.sh`, `./x`), as written; `module`: the
   * name of a module of Python (`python3 -m name`); `any`: the path is only known when it runs, and this is how it ends,
   * if that is known (`for f in *.py; do python3 "$f"`).
   */
  scripts: { path: string; offset: number; module?: true; any?: true }[];
  /** What redirects open, here-documents not among it. */
  redirects: Word[];
  /** Files that it makes, in the order in which they stand. */
  writes: Write[];
}

/** What analysis may look at, and what it looks for. */
export interface Look {
  /** The bytes of a file inside the sandbox, by its absolute path; undefined when there is none. */
  read: (path: string) => Promise<Uint8Array | undefined>;
  /** The names of the entries of a directory inside the sandbox; undefined when there is none. Go packages need it. */
  list?: (path: string) => Promise<string[] | undefined>;
  /** The agent's own words for what reaches the network. */
  remoteAccess?: RemoteAccess | undefined;
  /** What the gateway's package clients talk to, host:port, by ecosystem. */
  packageHosts: Readonly<Record<PackageEcosystem, readonly string[]>>;
}

export type PackageEcosystem = "python" | "javascript" | "go" | "rust" | "other";

export interface Analysed {
  /** Null for a program that is started without a shell. */
  command: ReadCommand | null;
  findings: Finding[];
}
