import type { Finding } from "../contract/finding.ts";

const downloads = /\b(curl|wget|fetch|aria2c)\b/;
const runs =
  /(^|[\s|;&(`'"=/])(sh|bash|zsh|dash|ksh|python[\d.]*|node|deno|bun|perl|ruby|php|eval|source|exec|chmod|install)([\s;|&)`'"]|$)/;
const clones = /\b(git\s+(\S+\s+)*(clone|pull|fetch|submodule)|svn\s+(co|checkout)|hg\s+clone)\b/;

/**
 * Whether a call downloads code and runs it: then what runs is not what was seen when somebody said yes, and one yes is
 * for one call. Asks more rather than less: a wrong yes costs a person one more question.
 */
export function fetchesCode(command: string | null, findings: readonly Finding[]): boolean {
  if (findings.some(({ kind }) => kind === "package_manager")) return true;
  const text = [command ?? "", ...findings.map(({ pattern }) => pattern)].join("\n");
  return clones.test(text) || (downloads.test(text) && runs.test(text));
}
