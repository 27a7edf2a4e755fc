import type { RemoteAccess, RemoteAccessLanguage } from "../contract/remote-access.ts";
import type { WordLists } from "./word-lists.ts";
import { goWords } from "./words-go.ts";
import { javascriptWords } from "./words-javascript.ts";
import { pythonWords } from "./words-python.ts";
import { rustWords } from "./words-rust.ts";

/** How the arguments of a call say which program it starts. */
export type Starts =
  /** A text for a shell. */
  | "shell"
  /** A list of words, or a text for a shell. */
  | "list"
  /** Its own arguments, a list among them. */
  | "arguments"
  /** The same, after a context. */
  | "second"
  /** A path, then the words with the name of the program first. */
  | "path"
  /** The same, after a mode. */
  | "mode"
  /** The program; its arguments are added by methods. */
  | "builder"
  /** A script for this interpreter. */
  | "node";

/** What the names of one language mean, an agent's own words among them. */
export interface Words {
  language: RemoteAccessLanguage;
  /** The one spelling of a path that can be reached by several. */
  canonical: (path: string) => string;
  member: (path: string, name: string) => string;
  /** Loads a module by a name: `__import__`, `require`. */
  imports: ReadonlySet<string>;
  /** The path of what such a call gives. */
  imported: (path: string, name: string) => string;
  /** Gives back its first argument: `functools.partial`, `compile`. */
  passes: ReadonlySet<string>;
  /** Opens the file that its first argument names. */
  reads: ReadonlySet<string>;
  /** Writes its second argument into the file that its first one names. */
  writes: ReadonlySet<string>;
  /** Takes a member by its name: `getattr`. */
  getters: ReadonlySet<string>;
  /** Runs its first argument as code. */
  evaluates: ReadonlySet<string>;
  /** Runs the file that its first argument names. */
  runs: ReadonlySet<string>;
  starts: ReadonlyMap<string, Starts>;
  /** Hides what it does, by path: why. */
  hides: (path: string) => string | undefined;
  hiddenMembers: ReadonlySet<string>;
  /** Names that mean something here even when a file binds them. */
  hiding: ReadonlySet<string>;
  /** The network module that a path lies in, or the path itself when it is a call that reaches out. */
  network: (path: string) => { module: string } | { call: string } | undefined;
  /** A module whose members, taken by a name that nobody knows, may be anything. */
  isPowerful: (path: string) => boolean;
  /** A path that means something: worth guessing that a `*` import brought it. */
  isWatched: (path: string) => boolean;
  /** A name that no file binds may mean something: a built-in, a global, a crate. */
  isGlobal: (name: string) => boolean;
  /** A method that gives the function back, bound: `fetch.bind(null)`. */
  bindsOnly: (name: string) => boolean;
}

const known: Record<RemoteAccessLanguage, WordLists> = {
  python: pythonWords,
  javascript: javascriptWords,
  go: goWords,
  rust: rustWords,
};

const importLists = {
  python: "python_imports",
  javascript: "js_imports",
  go: "go_imports",
  rust: "rust_imports",
} as const;

/** The words of a language, with those that an agent's manifest adds to them. */
export function wordsFor(language: RemoteAccessLanguage, own: RemoteAccess = {}): Words {
  const lists = known[language];
  const { separator } = lists;
  const modules = new Set([
    ...lists.modules,
    ...(own[importLists[language]] ?? []).map(lists.canonical),
  ]);
  const calls = new Set([...lists.calls, ...(own.function_calls ?? [])]);
  const starts = new Map(Object.entries(lists.starts));
  const hides = new Map(Object.entries(lists.hides));
  const hidden = new Set(hides.keys());
  const under = (set: ReadonlySet<string>, path: string) => longest(set, path, separator);
  const harmless = (path: string) => {
    const [module, kept] = [under(modules, path), under(lists.harmless, path)];
    return kept !== undefined && kept.length >= (module?.length ?? 0);
  };
  const network: Words["network"] = (path) => {
    const called = [path, shortened(path), path.replaceAll("()", "")].find((each) =>
      calls.has(each),
    );
    if (called !== undefined) return { call: called };
    const bare = path.replaceAll("()", "");
    const module = under(modules, bare);
    return module === undefined || harmless(bare) ? undefined : { module };
  };
  const groups = [lists.imports, lists.evaluates, lists.runs, lists.getters];
  return {
    language,
    canonical: lists.canonical,
    member: (path, name) => `${path}${separator}${name}`,
    imports: lists.imports,
    imported: (path, name) => lists.imported(path, name),
    passes: lists.passes,
    reads: lists.reads,
    writes: lists.writes,
    getters: lists.getters,
    evaluates: lists.evaluates,
    runs: lists.runs,
    starts,
    hides: (path) => hides.get(under(hidden, path.replaceAll("()", "")) ?? ""),
    hiddenMembers: lists.hiddenMembers,
    hiding: new Set(groups.flatMap((group) => [...group])),
    network,
    isPowerful: (path) => lists.powerful.has(path),
    isWatched: (path) =>
      starts.has(path) ||
      hidden.has(path) ||
      groups.some((group) => group.has(path)) ||
      calls.has(path) ||
      lists.verbs.has(path.split(separator).at(-1) ?? ""),
    // Without an import no name of Go is a package.
    isGlobal: (name) => language !== "go" || name === "append" || name === "string",
    bindsOnly: (name) => lists.binders.has(name),
  };
}

/** `net/http.Get` is `http.Get` in a manifest. */
function shortened(path: string): string {
  return path.slice(path.lastIndexOf("/") + 1);
}

/** The longest entry that is the path or lies above it. */
function longest(set: ReadonlySet<string>, path: string, separator: string): string | undefined {
  let at = path;
  for (;;) {
    if (set.has(at)) return at;
    const cut = Math.max(at.lastIndexOf(separator), separator === "::" ? -1 : at.lastIndexOf("/"));
    if (cut <= 0) return undefined;
    at = at.slice(0, cut);
  }
}
