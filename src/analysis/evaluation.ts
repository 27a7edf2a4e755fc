import type { Names, Scope } from "./scope.ts";
import type { Expr } from "./tree.ts";
import type { Value } from "./value.ts";
import type { Words } from "./words.ts";

/** Works out what expressions of one file may be worth. */
export interface Evaluator {
  (expr: Expr, scope: Scope): Value[];
  /** It gave up: the file builds more than anybody would wait for. */
  exhausted: () => boolean;
}

/** What the parts of the evaluator share while they work on one file. */
export interface Evaluation {
  names: Names;
  words: Words;
  values: (expr: Expr, scope: Scope) => Value[];
}

export function pathValue(path: string): Value {
  return { is: "path", path };
}
