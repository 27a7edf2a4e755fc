import type { Finding } from "../contract/finding.ts";

const downloads = /\b(curl|wget|aria2c)\b/;
const runs =
  /(^|[\s|;&(`'"=/])(sh|bash|zsh|dash|ksh|python[\d.]*|node|deno|bun|perl|ruby|php|eval|source|exec|chmod|install)([\s;|&)`'"]|$)/;
/** A program by its path, or a script read by the shell itself, where a command begins. */
const runsFile = /(^|[\n;&|(`][^\S\n]*)(\.\s|[.~]{0,2}\/\S)/;
/** Programs that fetch what they run, by their very purpose: by name, and by name and what follows in the same command. */
const fetchers = /\b(npx|bunx|uvx|pipx)\b/;
const fetching: [RegExp, RegExp][] = [
  [/\bgit\s/, /\s(clone|pull|fetch|submodule)\b/],
  [/\bsvn\s/, /\s(co|checkout)\b/],
  [/\bhg\s/, /\sclone\b/],
  [/\b(deno|go)\s+(run|install)\s/, /:\/\/|@/],
];
/** The same in the words of a program. */
const reads = /\b(urlopen|urlretrieve|requests\.\w+|httpx\.\w+|fetch)\s*\(/;
const evaluates = /\b(exec|eval|compile|Function|runpy\.\w+|importlib\.\w+|vm\.\w+)\s*\(/;

/**
 * Whether a call downloads code and runs it: then what runs is not what was seen when somebody said yes, and one yes is
 * for one call. Asks more rather than less: a wrong yes costs a person one more question.
 */
export function fetchesCode(command: string | null, findings: readonly Finding[]): boolean {
  if (findings.some(({ kind }) => kind === "package_manager")) return true;
  const text = [command ?? "", ...findings.map(({ pattern }) => pattern)].join("\n");
  if (fetchers.test(text) || text.split(/[\n;&|]+/).some(isFetching)) return true;
  if (downloads.test(text) && (runs.test(text) || runsFile.test(text))) return true;
  return reads.test(text) && evaluates.test(text);
}

/** In two steps, so that a long command takes no longer than its length: an agent writes it. */
function isFetching(command: string): boolean {
  return fetching.some(([program, what]) => {
    const at = command.search(program);
    return at >= 0 && what.test(command.slice(at));
  });
}
