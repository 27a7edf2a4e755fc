import { limits } from "../base/limits.ts";
import type { Finding } from "../contract/finding.ts";

/** A finding before it is known in which file it stands. */
export type Seen = Omit<Finding, "file">;
export type FindingKind = Finding["kind"];

/** Other code that this code loads or runs. */
export type Follow =
  /** A module by the name that the code gives it; `names` are what it takes from there. */
  | { by: "module"; module: string; names: string[]; line: number }
  /** A file by its path, in the same language. */
  | { by: "file"; path: string; line: number };

/** All that one text says of the network, whatever file it stands in. */
export interface Sight {
  findings: Seen[];
  follows: Follow[];
  /** Files that the code makes, by the path that it gives them, where their text is known. */
  writes: { path: string; text: string }[];
  /** Shell commands that the code runs. */
  commands: { text: string; line: number }[];
}

export function emptySight(): Sight {
  return { findings: [], follows: [], writes: [], commands: [] };
}

/** What stands at a place, on one line and short enough to be shown. */
export function shown(text: string): string {
  const line = text
    .slice(0, 4 * limits.analysisPatternChars)
    .replace(/\s+/g, " ")
    .trim();
  const most = limits.analysisPatternChars;
  return line.length > most ? `${line.slice(0, most - 1)}…` : line;
}

/** Once each, in the order of their lines, and no more than anybody would read. */
export function settled<F extends Seen>(findings: readonly F[]): F[] {
  const isLiteral = (each: Seen) => each.kind === "url" || each.kind === "address";
  const key = (each: Seen) =>
    isLiteral(each) && each.host !== null
      ? JSON.stringify([each.line, each.host])
      : JSON.stringify([each.kind, each.line, each.pattern, each.host]);
  const unique = new Map(findings.map((each) => [key(each), each]));
  const called = new Set(
    findings.filter((each) => each.kind === "call").map((each) => `${each.line} ${each.host}`),
  );
  // A call that names its host says it all; the literal inside it adds nothing.
  return [...unique.values()]
    .filter((each) => !(isLiteral(each) && called.has(`${each.line} ${each.host}`)))
    .sort((a, b) => a.line - b.line);
}
