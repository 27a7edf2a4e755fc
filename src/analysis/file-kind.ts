import type { Grammar } from "./languages.ts";

/** What a file is, as far as looking through it goes. */
export type FileKind = Grammar | "shell" | { opaque: string };

const ends: readonly [RegExp, FileKind][] = [
  [/\.(py|pyw)$/i, "python"],
  [/\.(js|mjs|cjs|jsx)$/i, "javascript"],
  [/\.(ts|mts|cts)$/i, "typescript"],
  [/\.tsx$/i, "tsx"],
  [/\.(sh|bash|zsh|ksh|dash)$/i, "shell"],
  [/\.go$/i, "go"],
  [/\.rs$/i, "rust"],
];

const interpreters: readonly [RegExp, FileKind][] = [
  [/^(python|pypy|pytest|py\.test|uv|uvx|poetry|coverage|ipython)[\d.]*$/, "python"],
  [/^(tsx|ts-node|ts-node-esm|deno)$/, "typescript"],
  [/^(node|nodejs|bun|npx|mocha|vitest|jest)$/, "javascript"],
  [/^((ba|da|z|k|a|mk)?sh|source|\.|rbash|busybox)$/, "shell"],
  [/^go$/, "go"],
  [/^(cargo|rustc|rust-script)$/, "rust"],
];

/** Compiled code, by how it begins; a text has no NUL. */
const compiled: readonly [string, string][] = [
  ["\x7fELF", "It is a compiled program"],
  ["MZ", "It is a compiled program"],
  ["\0asm", "It is WebAssembly"],
  ["PK\x03\x04", "It is an archive, which may hold code"],
  ["\x1f\x8b", "It is packed"],
];

/** By the program that is told to run it; undefined when that says nothing. */
export function kindByInterpreter(program: string): FileKind | undefined {
  const name = program.slice(program.lastIndexOf("/") + 1);
  const found = interpreters.find(([pattern]) => pattern.test(name))?.[1];
  if (found !== undefined) return found;
  const foreign =
    /^(perl|ruby|php|lua|luajit|Rscript|java|tclsh|wish|expect|julia|scala|groovy|elixir|erl|guile|racket|awk|gawk|mawk|osascript|pwsh|powershell|ocaml|swift|kotlin|dart|fish|csh|tcsh|make)[\d.]*$/;
  return foreign.test(name) ? { opaque: `Code for ${name} is not looked through` } : undefined;
}

/** By its name. */
export function kindByName(path: string): FileKind | undefined {
  return ends.find(([pattern]) => pattern.test(path))?.[1];
}

/** By its first line: `#!/usr/bin/env -S python3 -u`. */
export function kindByShebang(text: string): FileKind | undefined {
  const line = /^#!\s*(\S+)[ \t]*(.*)/.exec(text);
  if (line === null) return undefined;
  let program = line[1] ?? "";
  if (/(^|\/)env$/.test(program)) {
    const words = (line[2] ?? "").split(/\s+/).filter((word) => word !== "" && !/^-|=/.test(word));
    program = words[0] ?? "";
  }
  const known = kindByInterpreter(program);
  return known ?? { opaque: `Code for ${program.slice(0, 80)} is not looked through` };
}

/** Why bytes are no text that could be looked through; undefined for a text. */
export function compiledReason(bytes: Uint8Array): string | undefined {
  const head = Buffer.from(bytes.buffer, bytes.byteOffset, Math.min(bytes.length, 8192)).toString(
    "latin1",
  );
  const found = compiled.find(([magic]) => head.startsWith(magic))?.[1];
  if (found !== undefined) return found;
  return head.includes("\0") ? "It is no text" : undefined;
}

/** How the names of files of a kind end. */
export const endsOf: Readonly<Record<Grammar | "shell", RegExp>> = {
  python: /\.pyw?$/,
  javascript: /\.[mc]?js$/,
  typescript: /\.[mc]?[jt]sx?$/,
  tsx: /\.[mc]?[jt]sx?$/,
  shell: /\.(ba|z|k)?sh$/,
  go: /\.go$/,
  rust: /\.rs$/,
};
