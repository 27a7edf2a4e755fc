import type { DecisionReason } from "../contract/explanation.ts";
import type { Patterns } from "./command-patterns.ts";

/** A longer command is not repeated in a hint. */
const shownCommand = 2_000;

/** What an agent can do about a refused command: the commands that it has, and the very retry where there is one. */
export function retryWith(
  command: string,
  reasons: readonly DecisionReason[],
  lists: readonly Patterns[],
): { repairHint: string } {
  const allowed = [...new Set(lists[0]?.texts.map((text) => text.trim()) ?? [])];
  const names = allowed.map((text) => `\`${text}\``).join(", ");
  const forbidden = reasons.find(({ rule }) => rule.startsWith("forbidden_"));
  if (forbidden !== undefined) {
    return {
      repairHint: `Do without ${forbidden.token ?? "it"}: no agent may run it unless a pattern names it. Allowed commands: ${names}`,
    };
  }
  const shell = ["bash -c", "sh -c"].find((pattern) =>
    lists.every(({ texts }) => texts.some((text) => text.trim() === pattern)),
  );
  const only = reasons.every(({ rule }) => rule === "pattern_missing");
  if (shell !== undefined && only) {
    const quoted =
      command.length > shownCommand ? "'<the command>'" : `'${command.replaceAll("'", "'\\''")}'`;
    return { repairHint: `Call it again as: ${shell} ${quoted}` };
  }
  return { repairHint: `Use only allowed commands, each on its own: ${names}` };
}
