import type { Finding } from "../contract/finding.ts";
import type { Reading } from "./overlooked.ts";
import type { PageLine } from "./page.ts";
import { table } from "./words.ts";

/** Findings, one line each: where it stands, what it is, and why it counts. */
export function findingLines(findings: readonly Finding[], reading: Reading): PageLine[] {
  const rows = findings.map(({ kind, file, line, pattern, host, reason }) => [
    `${file === null ? "command" : reading.line(file)}:${line}`,
    kind,
    `${reading.line(pattern)}${host === null ? "" : `  → ${reading.line(host)}`}`,
    reading.line(reason),
  ]);
  return table(rows).map((text) => ({ mark: "  │ ", text }));
}
