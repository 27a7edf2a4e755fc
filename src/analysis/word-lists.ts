import type { Starts } from "./words.ts";

/** What the gateway knows of a language before any agent adds to it. See `Words` for what the lists mean. */
export interface WordLists {
  separator: "." | "::";
  canonical: (path: string) => string;
  imported: (path: string, name: string) => string;
  /** Modules that reach the network, with all that lies in them. */
  modules: ReadonlySet<string>;
  /** What lies in them and reaches nothing. */
  harmless: ReadonlySet<string>;
  /** Single calls that reach out, in modules that otherwise do not. */
  calls: ReadonlySet<string>;
  /** Functions that a `*` import of a network module may bring. */
  verbs: ReadonlySet<string>;
  imports: ReadonlySet<string>;
  passes: ReadonlySet<string>;
  reads: ReadonlySet<string>;
  /** Writes its second argument into the file that its first one names. */
  writes: ReadonlySet<string>;
  getters: ReadonlySet<string>;
  binders: ReadonlySet<string>;
  evaluates: ReadonlySet<string>;
  runs: ReadonlySet<string>;
  /** Members, of whatever, behind which everything can be reached. */
  hiddenMembers: ReadonlySet<string>;
  powerful: ReadonlySet<string>;
  starts: Readonly<Record<string, Starts>>;
  hides: Readonly<Record<string, string>>;
}

/** The words of a text that are parted by white space. */
export function listed(text: string): Set<string> {
  return new Set(text.split(/\s+/).filter((word) => word !== ""));
}
