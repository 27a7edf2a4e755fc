import { cutText } from "../base/whole-text.ts";
import type { AgentProblem } from "../contract/installed-agent.ts";
import { Problem } from "../contract/problem.ts";

/** Where something stands in a manifest: members and places in lists. */
export type Path = readonly (string | number)[];

/** Something that is wrong, before anybody has looked for its line. */
export interface Fault {
  path: Path;
  /** Not what stands at the path, but its key; or a file beside SKILL.md; or the text below the frontmatter. */
  about?: "key" | "file" | "text";
  message: string;
  remedy: string;
}

/** How many problems are told at once: nobody reads more, and a hostile file has millions. */
const problemsMax = 50;

/** The error that lists all that is wrong with an agent. */
export function agentInvalid(problems: readonly AgentProblem[]): Problem {
  const sorted = [...problems].sort((a, b) => (a.line ?? 0) - (b.line ?? 0));
  const [first] = sorted;
  const where = first?.line ? `SKILL.md line ${first.line}: ` : "";
  const more = sorted.length - 1;
  const others = more > 0 ? ` (and ${more} more)` : "";
  return new Problem("agent_invalid", `${where}${first?.message ?? "It is no agent"}${others}`, {
    problems: sorted.slice(0, problemsMax),
    total: sorted.length,
  });
}

/** A value as an error quotes it. */
export function quoted(value: unknown): string {
  const text = JSON.stringify(value) ?? String(value);
  return text.length > 80 ? `${cutText(text, 77)}…` : text;
}

/** `capabilities.0.patterns`. */
export function dotted(path: Path): string {
  return path.join(".");
}
