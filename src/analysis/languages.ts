import { createRequire } from "node:module";
import { parse, registerDynamicLanguage, type SgNode } from "@ast-grep/napi";

export type Grammar = "python" | "javascript" | "typescript" | "tsx" | "go" | "rust";

const grammars: Record<Grammar, string> = {
  python: "python",
  javascript: "JavaScript",
  typescript: "TypeScript",
  tsx: "Tsx",
  go: "go",
  rust: "rust",
};

let registered = false;

/**
 * The syntax tree of a text. Grammars that are not built in are loaded once in the life of a process, because the parser
 * takes them in one registration only.
 */
export function parseText(grammar: Grammar, text: string): SgNode {
  if (!registered) {
    const require = createRequire(import.meta.url);
    registerDynamicLanguage({
      python: require("@ast-grep/lang-python"),
      go: require("@ast-grep/lang-go"),
      rust: require("@ast-grep/lang-rust"),
    });
    registered = true;
  }
  return parse(grammars[grammar], text).root();
}
