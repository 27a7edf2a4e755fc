import { benign } from "./benign.ts";
import { goEvasive, rustEvasive } from "./compiled-evasive.ts";
import { javascriptEvasive } from "./javascript-evasive.ts";
import { plain } from "./plain.ts";
import { pythonEvasive } from "./python-evasive.ts";
import { shellEvasive } from "./shell-evasive.ts";
import type { Snippet } from "./snippet.ts";

export type { Snippet } from "./snippet.ts";

/** Everything that the analysis is held against. */
export const corpus: readonly Snippet[] = [
  ...pythonEvasive,
  ...javascriptEvasive,
  ...goEvasive,
  ...rustEvasive,
  ...shellEvasive,
  ...plain,
  ...benign,
];
