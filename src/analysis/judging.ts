import type { Evaluator } from "./evaluation.ts";
import type { FindingKind, Sight } from "./sight.ts";
import type { At, Expr } from "./tree.ts";
import type { Words } from "./words.ts";

/** What judges one file, and what the judges of its parts need. */
export interface Judging {
  words: Words;
  values: Evaluator;
  sight: Sight;
  found: (
    kind: FindingKind,
    at: At,
    reason: string,
    host?: string | null,
    pattern?: string,
  ) => void;
  /** The calls that are made, link by link, on what this call gives: `new("sh").arg("-c")`. */
  around: (call: Extract<Expr, { is: "call" }>) => Extract<Expr, { is: "call" }>[];
  /** A module is loaded by this name. */
  loads: (module: string, names: string[], at: At) => void;
  /** Code inside the code, as `exec` runs it. */
  nested: (code: string, at: At) => void;
}

export function hiddenMember(name: string): string {
  return `Any function can be reached unseen through ${name}`;
}
