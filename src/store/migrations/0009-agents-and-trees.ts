import type { Kysely } from "kysely";
import { up as agents } from "./0009-agents.ts";
import { up as budgets } from "./0009-budgets.ts";
import { up as executions } from "./0009-executions.ts";
import { up as interactions } from "./0009-interactions.ts";
import { up as knowledge } from "./0009-knowledge.ts";
import { up as runTrees } from "./0009-run-trees.ts";

/** Agents that are installed, and the trees of runs in which they work: one step, so that no version has half of it. */
export async function up(db: Kysely<unknown>): Promise<void> {
  for (const part of [runTrees, interactions, agents, executions, knowledge, budgets]) {
    await part(db);
  }
}
