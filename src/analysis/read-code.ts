import { createHash } from "node:crypto";
import { limits } from "../base/limits.ts";
import type { RemoteAccess, RemoteAccessLanguage } from "../contract/remote-access.ts";
import { goRules } from "./go-tree.ts";
import { javascriptRules } from "./javascript-tree.ts";
import { judge } from "./judge.ts";
import { type Grammar, parseText } from "./languages.ts";
import { lowerTree, type Rules } from "./lower.ts";
import { pythonRules } from "./python-tree.ts";
import { rustRules } from "./rust-tree.ts";
import { emptySight, type Sight } from "./sight.ts";
import { type Words, wordsFor } from "./words.ts";

const rules: Record<Grammar, Rules> = {
  python: pythonRules,
  javascript: javascriptRules,
  typescript: javascriptRules,
  tsx: javascriptRules,
  go: goRules,
  rust: rustRules,
};

export const languageOf: Record<Grammar, RemoteAccessLanguage> = {
  python: "python",
  javascript: "javascript",
  typescript: "javascript",
  tsx: "javascript",
  go: "go",
  rust: "rust",
};

/**
 * Reads code; `line` is where its first line stands in the text around it, `isWhole` says that a command starts it, so
 * that no other code calls what is in it.
 */
export type ReadCode = (grammar: Grammar, code: string, line?: number, isWhole?: boolean) => Sight;

/** What was read last, oldest first: the same script is looked at before each call that runs it. */
export type Kept = Map<string, Sight>;

/** Reads code by the words of one agent. Never throws; code that cannot be read is said to be opaque. */
export function openReadCode(own: RemoteAccess | undefined, kept: Kept): ReadCode {
  const words = new Map<RemoteAccessLanguage, Words>();
  const vocabulary = JSON.stringify(own ?? {});
  const wordsOf = (language: RemoteAccessLanguage): Words => {
    const known = words.get(language) ?? wordsFor(language, own);
    words.set(language, known);
    return known;
  };
  const readAnew = (
    grammar: Grammar,
    code: string,
    line: number,
    depth: number,
    isWhole: boolean,
  ): Sight => {
    try {
      const root = parseText(grammar, "\n".repeat(line - 1) + code);
      const tree = lowerTree(root, rules[grammar]);
      const nested = (inner: string, at: number) =>
        depth >= limits.analysisNested ? undefined : readAnew(grammar, inner, at, depth + 1, false);
      return judge(tree, wordsOf(languageOf[grammar]), nested, isWhole);
    } catch (error) {
      const reason = `This code cannot be read: ${error instanceof Error ? error.message : String(error)}`;
      const finding = { kind: "opaque", line, pattern: "", host: null, reason } as const;
      return { ...emptySight(), findings: [finding] };
    }
  };
  return (grammar, code, line = 1, isWhole = false) => {
    const head = `${grammar}\n${line}\n${isWhole}\n${vocabulary}\n`;
    const hash = createHash("sha256").update(head).update(code);
    const key = hash.digest("base64");
    const sight = kept.get(key) ?? readAnew(grammar, code, line, 0, isWhole);
    kept.delete(key);
    kept.set(key, sight);
    for (const oldest of kept.keys()) {
      if (kept.size <= limits.analysisKept) break;
      kept.delete(oldest);
    }
    return sight;
  };
}
