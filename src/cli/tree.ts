import type { Command } from "commander";
import type { RunTree, RunTreeNode } from "../contract/run-tree.ts";
import type { RunRef } from "../sdk/sdk.ts";
import { showBudget } from "./budget-flags.ts";
import { type Cli, examples } from "./context.ts";
import { showDuration } from "./duration.ts";
import { plainLine } from "./plain.ts";
import type { Printer } from "./print.ts";
import { showCost, statusMark } from "./run-summary.ts";
import { count, shorten } from "./words.ts";

/** `airlock tree`: a run with all that it started, and who started it. */
export function addTree(program: Command, cli: Cli): void {
  const tree = program
    .command("tree <id>")
    .description("Show the tree that a run belongs to: who started whom, and how each is")
    .action(
      cli.run(async ({ client, print }, _options, id) => {
        const found = await (await client()).tree(id);
        if (print.json) await print.value(found);
        else await printTree(print, found, id);
        return 0;
      }),
    );
  examples(tree, "airlock tree run_01kadz3v6m5c0jx9s2qf8t7w4b");
}

async function printTree(print: Printer, tree: RunTree, asked: string): Promise<void> {
  const { root, runs } = tree;
  await printNode(print, root, asked, "", "");
  const all = nodesOf(root);
  const tokens = all.reduce((sum, { run }) => sum + run.usage.totalTokens, 0);
  const costs = all.map(({ run }) => run.costUsd);
  const cost = costs.reduce((sum, one) => (sum === null || one === null ? null : sum + one), 0);
  const facts = [count(runs, "run"), count(tokens, "token"), showCost(cost)];
  await print.line(print.color.dim(facts.join(" · ")));
  const budget = showBudget(tree);
  if (budget !== undefined) await print.line(print.color.dim(budget));
}

const nodesOf = (node: RunTreeNode): RunTreeNode[] => [node, ...node.children.flatMap(nodesOf)];

/** `lead` stands before the node's own line, `below` before every other line of it and of its children. */
async function printNode(
  print: Printer,
  { run, children }: RunTreeNode,
  asked: string,
  lead: string,
  below: string,
): Promise<void> {
  const { color } = print;
  const agent = color.bold(plainLine(run.agent ?? "(no agent)"));
  const reason =
    run.stop_reason === null || run.stop_reason === "end_turn" ? "" : ` (${run.stop_reason})`;
  const here = run.id === asked && lead !== "" ? color.cyan(" ←") : "";
  const mark = statusMark(print, run.status);
  await print.line(`${lead}${mark} ${agent}  ${run.status}${reason}  ${color.dim(run.id)}${here}`);
  const rest = `${below}${children.length > 0 ? "│ " : "  "}`;
  for (const fact of factsOf(run)) await print.line(`${rest}  ${color.dim(fact)}`);
  for (const [index, child] of children.entries()) {
    const isLast = index === children.length - 1;
    const [branch, under] = isLast ? ["└─ ", "   "] : ["├─ ", "│  "];
    await printNode(print, child, asked, `${below}${branch}`, `${below}${under}`);
  }
}

function factsOf(run: RunTreeNode["run"]): string[] {
  const { waiting, handoff, message, startedAt, finishedAt, usage } = run;
  const facts: string[] = [];
  if (waiting?.on === "approval") facts.push(`waits for the approval ${waiting.approvalId}`);
  if (waiting?.on === "input") facts.push(`waits for an answer to ${waiting.interactionId}`);
  if (waiting?.on === "children") facts.push(`waits for ${count(waiting.runIds.length, "task")}`);
  if (handoff?.status === "needs_packager") {
    const files = handoff.dependency_files.map(plainLine).join(", ");
    facts.push(`needs the packager${files === "" ? "" : ` for ${shorten(files, 200)}`}`);
  }
  if (handoff?.status === "clarification_needed") {
    facts.push(`needs to know: ${shorten(plainLine(handoff.question), 200)}`);
  }
  if (message !== null) facts.push(shorten(plainLine(message), 200));
  if (startedAt !== null && finishedAt !== null) {
    const took = showDuration(Math.max(0, Date.parse(finishedAt) - Date.parse(startedAt)));
    facts.push(`${took} · ${count(usage.totalTokens, "token")}`);
  }
  return facts;
}

/** Says of a run in one line that it started others. */
export async function tellTasks(print: Printer, run: RunRef): Promise<void> {
  const { root } = await run.tree();
  const node = nodesOf(root).find((one) => one.run.id === run.id);
  if (node === undefined) return;
  const statuses = new Map<string, number>();
  for (const child of node.children) {
    statuses.set(child.run.status, (statuses.get(child.run.status) ?? 0) + 1);
  }
  if (statuses.size === 0) return;
  const each = [...statuses].map(([status, many]) => `${many} ${status}`).join(", ");
  print.hint(`${count(node.children.length, "task")} (${each}): \`airlock tree ${run.id}\``);
}
