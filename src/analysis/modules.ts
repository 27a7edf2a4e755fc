import { posix } from "node:path";
import type { RemoteAccessLanguage } from "../contract/remote-access.ts";
import type { Follow } from "./sight.ts";

/** Where a language looks for a module among the files of a sandbox. */
export interface Origin {
  /** The file that asks. */
  from: string;
  /** The directory of the script that was started: Python looks there first. */
  root: string;
  language: RemoteAccessLanguage;
}

/** The files that a module may be, all of which would be loaded when they are there. */
export function candidates(follow: Follow, origin: Origin): string[] {
  if (follow.by === "file") {
    const bases = [origin.root, posix.dirname(origin.from)];
    return [...new Set(bases.map((base) => posix.resolve(base, follow.path)))];
  }
  switch (origin.language) {
    case "python":
      return pythonFiles(follow.module, follow.names, origin);
    case "javascript":
      return javascriptFiles(follow.module, origin);
    case "rust":
      return rustFiles(follow.module, origin);
    case "go":
      return [];
  }
}

function pythonFiles(module: string, names: readonly string[], { from, root }: Origin): string[] {
  const dots = /^\.*/.exec(module)?.[0].length ?? 0;
  const parts = module
    .slice(dots)
    .split(".")
    .filter((part) => part !== "");
  if (parts.some((part) => !/^[\p{L}\p{N}_]+$/u.test(part))) return [];
  const near = posix.dirname(from);
  const up = posix.resolve(near, ...Array.from({ length: Math.max(0, dots - 1) }, () => ".."));
  const bases = dots > 0 ? [up] : [...new Set([root, near])];
  return bases.flatMap((base) => {
    const chain = parts.map((_, at) => posix.join(base, ...parts.slice(0, at + 1)));
    const whole = chain.at(-1) ?? base;
    const members = names.filter((name) => name !== "*").map((name) => posix.join(whole, name));
    const asked = [...chain, ...members].flatMap((path) => [`${path}.py`, `${path}/__init__.py`]);
    const native = parts.length === 0 ? [] : [`${whole}.so`, `${whole}.abi3.so`, `${whole}.pyc`];
    return parts.length === 0 ? [`${base}/__init__.py`, ...asked] : [...asked, ...native];
  });
}

const scriptEnds = ["", ".js", ".mjs", ".cjs", ".ts", ".mts", ".cts", ".tsx", ".jsx", ".node"];

function javascriptFiles(module: string, { from }: Origin): string[] {
  if (!/^(\.{0,2}\/|\.{1,2}$|file:)/.test(module)) return [];
  const path = posix.resolve(
    posix.dirname(from),
    module.replace(/^file:\/\//, "").replace(/[?#].*$/, ""),
  );
  const asWritten = scriptEnds.map((end) => path + end);
  // TypeScript names the file that will be made of it.
  const made = /\.([mc]?)js$/.exec(path);
  if (made !== null) asWritten.push(path.replace(/js$/, "ts"), path.replace(/js$/, "tsx"));
  const index = scriptEnds.slice(1).map((end) => `${path}/index${end}`);
  return [...asWritten, ...index, `${path}/package.json`];
}

function rustFiles(module: string, { from }: Origin): string[] {
  const name = /^mod (.+)$/.exec(module)?.[1];
  if (name === undefined) return [];
  const near = posix.dirname(from);
  if (name.endsWith(".rs")) return [posix.resolve(near, name)];
  const stem = posix.basename(from, ".rs");
  const below = /^(main|lib|mod|build)$/.test(stem) ? near : posix.join(near, stem);
  return [...new Set([below, near])].flatMap((base) => [
    `${base}/${name}.rs`,
    `${base}/${name}/mod.rs`,
  ]);
}

/** The files that a package of JavaScript says it starts with. */
export function packageStarts(text: string, path: string): string[] {
  const found: string[] = [];
  const take = (value: unknown, depth: number): void => {
    if (typeof value === "string") found.push(posix.resolve(posix.dirname(path), value));
    else if (typeof value === "object" && value !== null && depth < 4) {
      for (const each of Object.values(value)) take(each, depth + 1);
    }
  };
  const read = parsed(text);
  for (const key of ["main", "module", "exports", "bin"]) take(read[key], 0);
  return found.slice(0, 32);
}

/** A command of `scripts`, with those that run before and after it. */
export function packageScripts(text: string, name: string): string[] {
  const scripts = parsed(text).scripts;
  if (typeof scripts !== "object" || scripts === null) return [];
  const all = new Map<string, unknown>(Object.entries(scripts));
  return [`pre${name}`, name, `post${name}`]
    .map((each) => all.get(each))
    .filter((each) => typeof each === "string");
}

function parsed(text: string): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null ? { ...value } : {};
  } catch (error) {
    // A package file that cannot be read says nothing; npm would refuse it.
    if (error instanceof SyntaxError) return {};
    throw error;
  }
}

/** The module path that a `go.mod` declares. */
export function goModule(text: string): string | undefined {
  return /^\s*module\s+"?([^\s"]+)"?/m.exec(text)?.[1];
}
