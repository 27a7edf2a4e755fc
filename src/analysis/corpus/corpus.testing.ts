import { benign } from "./benign.testing.ts";
import { goEvasive, rustEvasive } from "./compiled-evasive.testing.ts";
import { javascriptEvasive } from "./javascript-evasive.testing.ts";
import { plain } from "./plain.testing.ts";
import { pythonEvasive } from "./python-evasive.testing.ts";
import { shellEvasive } from "./shell-evasive.testing.ts";
import type { Snippet } from "./snippet.testing.ts";

export type { Snippet } from "./snippet.testing.ts";

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
