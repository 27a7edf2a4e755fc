import { setImmediate as nextTick } from "node:timers/promises";
import type { Kysely } from "kysely";
import { canonicalJson } from "../base/canonical-json.ts";
import type { RunEvent } from "../contract/event.ts";
import { type ApprovalFold, compareApprovals, foldApprovals } from "./approvals-verify.ts";
import { type BundleFold, compareBundles, foldBundles } from "./bundles-verify.ts";
import { chainHash, genesisHash } from "./chain.ts";
import { blobsOf, contentsOf, outputsOf } from "./derived.ts";
import { compareExecutions, type ExecutionFold, foldExecutions } from "./executions-fold.ts";
import { fold, type RunState } from "./fold.ts";
import {
  compareInteractions,
  foldInteractions,
  type InteractionFold,
} from "./interactions-write.ts";
import {
  compareKnowledge,
  emptyKnowledgeFold,
  foldKnowledge,
  type KnowledgeFold,
} from "./knowledge-verify.ts";
import { columnsOf, eventOf } from "./run-row.ts";
import type { EventsTable, RunsTable, Schema } from "./schema.ts";
import type { Defect } from "./verify.ts";
import { type BudgetFold, compareBudget, emptyBudgetFold, foldBudget } from "./verify-budgets.ts";
import {
  compareProxyPage,
  compareProxyUse,
  emptyProxyFold,
  foldProxyCall,
  type ProxyFold,
} from "./verify-proxy.ts";
import { compareTree, emptyTreeFold, foldTree, type TreeFold } from "./verify-tree.ts";

const pageRows = 500;

/** What the journal of one run says, read from its beginning. */
interface Refold {
  events: number;
  lastSeq: number;
  head: string;
  /** Undefined when the journal cannot be folded; that has been reported. */
  state: RunState | undefined;
  outputs: string[];
  contents: string[];
  blobs: Set<string>;
  approvals: ApprovalFold;
  interactions: InteractionFold;
  executions: ExecutionFold;
  proxy: ProxyFold;
  knowledge: KnowledgeFold;
  budget: BudgetFold;
  bundles: BundleFold;
  tree: TreeFold;
}

/** Checks one run within one snapshot. Reports what is wrong and returns how many events there were. */
export async function verifyRun(
  tx: Kysely<Schema>,
  runId: string,
  add: (defect: Defect) => void,
): Promise<number> {
  const report = (kind: Defect["kind"], message: string) => add({ kind, subject: runId, message });
  const row = await tx.selectFrom("runs").selectAll().where("id", "=", runId).executeTakeFirst();
  const journal = await readJournal(tx, runId, row, report);
  if (!row) {
    report("row_mismatch", `There are ${journal.events} events but no run row`);
    return journal.events;
  }
  if (journal.lastSeq !== row.last_seq || journal.head !== row.head) {
    report(
      "head_mismatch",
      `The journal ends with event ${journal.lastSeq} and hash ${journal.head}, ` +
        `the row says ${row.last_seq} and ${row.head}`,
    );
  }
  compareRow(row, journal.state, report);
  await compareDerived(tx, row, journal, report);
  return journal.events;
}

type Report = (kind: Defect["kind"], message: string) => void;

async function readJournal(
  tx: Kysely<Schema>,
  runId: string,
  run: RunsTable | undefined,
  report: Report,
): Promise<Refold> {
  const journal: Refold = {
    events: 0,
    lastSeq: 0,
    head: genesisHash(runId),
    state: undefined,
    outputs: [],
    contents: [],
    blobs: new Set(),
    approvals: new Map(),
    interactions: new Map(),
    executions: new Map(),
    proxy: emptyProxyFold(),
    knowledge: emptyKnowledgeFold(),
    budget: emptyBudgetFold(),
    bundles: new Map(),
    tree: emptyTreeFold(),
  };
  let folds = true;
  for (;;) {
    const rows = await tx
      .selectFrom("events")
      .selectAll()
      .where("run_id", "=", runId)
      .where("seq", ">", journal.lastSeq)
      .orderBy("seq")
      .limit(pageRows)
      .execute();
    for (const row of rows) {
      checkLink(journal, row, report);
      if (run !== undefined && row.workspace_id !== run.workspace_id) {
        report("row_mismatch", `Event ${row.seq} is of workspace ${row.workspace_id}`);
      }
      journal.events++;
      journal.lastSeq = row.seq;
      journal.head = row.hash;
      folds = folds && refold(journal, run, row, report);
    }
    await compareProxyPage(tx, runId, journal.proxy, (message) => report("row_mismatch", message));
    if (rows.length < pageRows) return journal;
    await nextTick();
  }
}

function checkLink(journal: Refold, row: EventsTable, report: Report): void {
  if (row.seq !== journal.lastSeq + 1) {
    report("sequence_gap", `Event ${row.seq} follows event ${journal.lastSeq}`);
    return;
  }
  const { run_id: runId, seq, time, type, data } = row;
  const expected = chainHash(journal.head, { runId, seq, time, type, data });
  if (row.hash !== expected) {
    report("chain_broken", `Event ${seq} has hash ${row.hash}, its content gives ${expected}`);
  }
}

function refold(
  journal: Refold,
  run: RunsTable | undefined,
  row: EventsTable,
  report: Report,
): boolean {
  try {
    const event = eventOf(row);
    journal.state = fold(journal.state, event);
    collect(journal, event);
    if (run) {
      const { id: runId, workspace_id: workspaceId, root_run_id: rootRunId } = run;
      foldApprovals(journal.approvals, { runId, workspaceId, rootRunId }, event);
      const asker = { runId, workspaceId, rootRunId, agent: run.agent };
      foldInteractions(journal.interactions, asker, event);
      foldExecutions(journal.executions, asker, event);
      foldProxyCall(journal.proxy, run, event);
      foldBudget(journal.budget, run, event);
      foldTree(journal.tree, run, event);
      foldKnowledge(journal.knowledge, { runId, workspaceId }, event);
    }
    return true;
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    report("row_mismatch", `Event ${row.seq} cannot be folded: ${message}`);
    journal.state = undefined;
    return false;
  }
}

function collect(journal: Refold, event: RunEvent): void {
  const outputs = outputsOf(event);
  if (outputs) journal.outputs = outputs.map((output) => canonicalJson(output));
  for (const content of contentsOf(event)) journal.contents.push(canonicalJson(content));
  for (const blob of blobsOf(event)) journal.blobs.add(blob);
  foldBundles(journal.bundles, event);
}

function compareRow(row: RunsTable, state: RunState | undefined, report: Report): void {
  if (!state) return;
  const expected = columnsOf(state);
  for (const column of Object.keys(expected) as (keyof typeof expected)[]) {
    if (column === "head" || column === "last_seq" || row[column] === expected[column]) continue;
    const found = JSON.stringify(row[column]);
    const wanted = JSON.stringify(expected[column]);
    report("row_mismatch", `The row has ${column} ${found}, its journal gives ${wanted}`);
  }
}

async function compareDerived(
  tx: Kysely<Schema>,
  run: RunsTable,
  journal: Refold,
  report: Report,
): Promise<void> {
  if (!journal.state) return;
  const runId = run.id;
  const outputs = await tx
    .selectFrom("outputs")
    .select(["id", "path", "name", "sha256", "bytes", "content_type as contentType"])
    .where("run_id", "=", runId)
    .orderBy("position")
    .execute();
  const contents = await tx
    .selectFrom("contents")
    .select(["name", "visibility", "sha256", "bytes"])
    .where("run_id", "=", runId)
    .orderBy("position")
    .execute();
  const blobs = await tx
    .selectFrom("blob_refs")
    .select("sha256")
    .where("run_id", "=", runId)
    .execute();
  if (!same(outputs, journal.outputs)) report("row_mismatch", "The outputs are not the journal's");
  if (!same(contents, journal.contents)) report("row_mismatch", "The content is not the journal's");
  const kept = new Set(blobs.map((row) => row.sha256));
  const lost = [...journal.blobs].find((sha256) => !kept.has(sha256));
  if (lost) report("row_mismatch", `The reference to blob ${lost} is missing`);
  const mismatch = (message: string) => report("row_mismatch", message);
  await compareApprovals(tx, runId, journal.approvals, mismatch);
  await compareInteractions(tx, runId, journal.interactions, mismatch);
  await compareExecutions(tx, runId, journal.executions, mismatch);
  await compareProxyUse(tx, run, journal.proxy, mismatch);
  await compareBudget(tx, run, journal.budget, mismatch);
  await compareTree(tx, run, journal.tree, mismatch);
  await compareBundles(tx, run, journal.bundles, mismatch);
  await compareKnowledge(tx, runId, journal.knowledge, mismatch);
}

function same(rows: object[], expected: string[]): boolean {
  return canonicalJson(rows.map((row) => canonicalJson(row))) === canonicalJson(expected);
}
