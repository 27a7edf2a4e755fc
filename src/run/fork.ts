import { createHash, randomBytes } from "node:crypto";
import { canonicalJson } from "../base/canonical-json.ts";
import { limits } from "../base/limits.ts";
import { restore } from "../content/content.ts";
import type { EventData, RunEvent } from "../contract/event.ts";
import { newId } from "../contract/ids.ts";
import { validateMcpSecrets } from "../contract/mcp-secrets.ts";
import { Problem } from "../contract/problem.ts";
import { validateProxyAuth } from "../contract/proxy-endpoint.ts";
import type { Run } from "../contract/run.ts";
import type { RunSecrets, RunSnapshot } from "../contract/submission.ts";
import { containsSecret, openMask } from "../egress/egress.ts";
import type { Message } from "../model/model.ts";
import type { Store } from "../store/store.ts";
import { forkedBudget } from "./budget-effective.ts";
import { refuseSecretsInBundles } from "./bundles.ts";
import { notThere } from "./reads.ts";
import type { ForkOrder } from "./run.ts";
import { readInstructions } from "./run-bundles.ts";
import { sealSecrets, secretsOf, spentValues } from "./run-secrets.ts";
import { foldState, type RunState } from "./state.ts";
import { answer, checkLimits, checkSecrets, type SubmitDeps } from "./submit.ts";
import { transcript } from "./transcript.ts";
import { checkModels } from "./who-runs.ts";

export type ForkDeps = Pick<
  SubmitDeps,
  "blobs" | "bundles" | "vault" | "models" | "workspace" | "runLimits" | "budget"
> & { store: Store };

/**
 * Makes a run that goes on from a turn of another one: it remembers what was said until then, and has the content, layers
 * and artifacts that could be seen, in a tree of its own. Same agent, model, grant and limits; directories are new, and
 * secrets are given again. What it has follows from its first two events, which are one transaction.
 */
export async function fork(
  deps: ForkDeps,
  order: ForkOrder,
): Promise<{ created: boolean; run: Run }> {
  const { store, vault, workspace } = deps;
  const { workspaceId, runId: from, submittedBy, secrets, message, idempotencyKey } = order;
  const source = await store.runs.get(workspaceId, from);
  if (source === undefined) throw await notThere(store, workspaceId, from);
  const hash = hashOf(order);
  const key = idempotencyKey ?? null;
  const earlier = await store.journal.earlier(workspaceId, key, hash);
  if (earlier) return answer(earlier, idempotencyKey);
  refuseWithoutModel(source);
  const { submission } = source;
  checkLimits(submission.limits, deps.runLimits);
  checkModels(deps.models, { ...modelsOf(submission), secrets });
  await checkSecretsOf(workspace, workspaceId, submission, order);
  const events = await readAll(store, from);
  const end = endOfTurn(from, events, order.turn);
  const state = foldState(workspaceId, events.slice(0, end.event.seq));
  const { content, layers, artifacts } = await kept(store, state, end.event);
  await refuseLostBundles(deps, from, submission, secrets);
  const said = await transcript(
    state,
    (value) => restore(value, deps.blobs),
    state.seq,
    await readInstructions(deps, submission),
  );
  // What is a secret of this run, or one of the workspace by now, may have been a word like any other in the other run (I6).
  const known = [...spentValues(secrets), ...(await workspace.known(workspaceId))];
  const hidden = openMask(known).redactor().json(withRefs(said, artifacts));
  const remembered = Buffer.from(canonicalJson(hidden));
  if (remembered.length > limits.forkTranscriptBytes) {
    throw new Problem(
      "payload_too_large",
      `Until turn ${end.turn}, run ${from} said ${remembered.length} bytes; expected at most ${limits.forkTranscriptBytes}: fork it at an earlier turn`,
    );
  }
  const { sha256: blob } = await deps.blobs.put(remembered);
  const { input: _, inputChanges: _changes, budget: _own, ...same } = submission;
  const budget = await budgetOf(store, source);
  const snapshot: RunSnapshot = {
    ...same,
    ...forkedBudget(budget, deps.budget),
    prompt: [message ?? "Go on from here."],
    forked: { run_id: from, turn: end.turn, head: end.event.hash, transcript: blob },
  };
  const runId = newId("run");
  const submitted = await store.journal.submit({
    ...{ runId, workspaceId, idempotencyKey: key, bodyHash: hash, snapshot, submittedBy },
    secrets: sealSecrets(vault, runId, secretsOf(secrets)),
    forked: {
      ...{ from_run_id: from, turn: end.turn, content, layers },
      artifacts: artifacts.map(({ artifact_id, artifact_ref, name }) => ({
        ...{ artifact_id, artifact_ref, name },
      })),
    },
  });
  return answer(submitted, idempotencyKey);
}

/** What the tree of a run was given: a task has no budget of its own, and its fork would have none at all. */
async function budgetOf({ runs }: Store, { id, rootRunId, workspaceId, submission }: Run) {
  const root = id === rootRunId ? undefined : await runs.get(workspaceId, rootRunId);
  return (root?.submission ?? submission).budget;
}

/** What was asked for, blind to secrets: the newest turn is another one tomorrow, and a repeated request means the same. */
function hashOf({ runId, turn, message }: ForkOrder): string {
  const text = canonicalJson({ fork: runId, turn: turn ?? null, message: message ?? null });
  return `sha256:${createHash("sha256").update(text).digest("hex")}`;
}

function refuseWithoutModel({ id, submission: { program, agent } }: Run): void {
  if (program === undefined && agent?.execution_mode !== "script") return;
  throw new Problem("invalid_request", `Run ${id} has no model, so there is no turn to go on from`);
}

function modelsOf({ model, fallbackModel }: RunSnapshot) {
  return fallbackModel === undefined ? { model } : { model, fallbackModel };
}

/** The endpoints of the other run need their credentials, and what is written down must not hold one. */
async function checkSecretsOf(
  workspace: ForkDeps["workspace"],
  workspaceId: string,
  submission: RunSnapshot,
  { secrets, message, runId }: ForkOrder,
): Promise<void> {
  const { proxyEndpoints = [] } = submission;
  const fields = [
    ...validateProxyAuth(proxyEndpoints, secrets?.proxyEndpointAuth),
    ...validateMcpSecrets(submission.mcpServers ?? [], secrets?.mcpServers),
  ].map((problem) => ({
    ...{ path: problem.path.join("."), message: problem.message },
  }));
  const [first] = fields;
  if (first !== undefined) {
    const text = `${first.path}: ${first.message}; a fork has none of the other run's secrets`;
    throw new Problem("invalid_request", text, { fields });
  }
  await checkSecrets(workspace, workspaceId, { proxyEndpoints, secrets, message });
  refuseWritten(runId, submission, secrets);
}

/** The other run's submission is written down again, but for its prompt, which is a part of what is remembered. */
function refuseWritten(
  runId: string,
  { prompt: _, input: _input, inputChanges: _changes, ...same }: RunSnapshot,
  secrets: RunSecrets | undefined,
): void {
  const search = containsSecret(spentValues(secrets)).start();
  for (const [field, value] of Object.entries(same)) {
    if (!search.push(Buffer.from(JSON.stringify(value ?? null)))) continue;
    const message = `must not hold a secret of its fork, but ${field} of run ${runId} does`;
    throw new Problem(
      "invalid_request",
      `secrets: a submission ${message}; submit a new run that does not say it`,
      { fields: [{ path: "secrets", message }] },
    );
  }
}

/** What came with the other run's submission went with that run; what it was given of the workspace is still there. */
async function refuseLostBundles(
  deps: Pick<ForkDeps, "bundles" | "blobs">,
  runId: string,
  submission: RunSnapshot,
  secrets: RunSecrets | undefined,
): Promise<void> {
  const { skills = [], agentsMd = [], fileBundles = [] } = submission;
  for (const bundle of [...skills, ...agentsMd, ...fileBundles]) {
    if (!("contentHash" in bundle)) continue;
    try {
      const entries = await deps.bundles.entries(bundle.contentHash);
      // Those that are said again are read now; that the others are held is looked at when the run is written down.
      if (agentsMd.includes(bundle))
        for (const { sha256 } of entries) await deps.blobs.check(sha256);
    } catch (error) {
      if (!(error instanceof Problem) || error.code !== "not_found") throw error;
      const message = `came with run ${runId}, and went with it: submit a new run, or upload it first`;
      throw new Problem("invalid_request", `The bundle ${JSON.stringify(bundle.name)} ${message}`, {
        contentHash: bundle.contentHash,
      });
    }
  }
  await refuseSecretsInBundles(deps, submission, secrets);
}

const pageRows = 500;

async function readAll({ journal }: Store, runId: string): Promise<RunEvent[]> {
  const events: RunEvent[] = [];
  for (;;) {
    const page = await journal.read(runId, events.at(-1)?.seq ?? 0, pageRows);
    events.push(...page);
    if (page.length === 0) return events;
  }
}

/** The event with which a turn was finished: its reply, or the end of its last call. The newest turn unless one is named. */
function endOfTurn(
  runId: string,
  events: readonly RunEvent[],
  wanted: number | undefined,
): { turn: number; event: RunEvent } {
  const ends = new Map<number, RunEvent>();
  let turn = 0;
  let open = 0;
  for (const event of events) {
    if (event.type === "turn.replied") {
      turn = event.data.turn;
      open = event.data.calls.length;
    } else if (event.type === "call.finished") open -= 1;
    else continue;
    if (open === 0) ends.set(turn, event);
  }
  const newest = Math.max(0, ...ends.keys());
  const found = ends.get(wanted ?? newest);
  if (found !== undefined) return { turn: wanted ?? newest, event: found };
  const range = newest === 0 ? "it has not finished one" : `expected one from 1 to ${newest}`;
  throw new Problem("invalid_request", `turn: run ${runId} has no turn ${wanted ?? 1}: ${range}`, {
    fields: [{ path: "turn", message: range, received: String(wanted ?? 1) }],
  });
}

type Kept = Pick<EventData<"run.forked">, "content" | "layers">;
type Ref = EventData<"run.forked">["artifacts"][number] & { was: string };

/** What the run could see then: its own content and what the others shared, its layers, and the artifacts of its tree. */
async function kept(
  { forks }: Store,
  state: RunState,
  { seq, time }: RunEvent,
): Promise<Kept & { artifacts: Ref[] }> {
  const { runId, rootRunId, workspaceId } = state;
  const moment = { workspaceId, rootRunId, runId, seq, time };
  const versions = (await forks.contentAt(moment)).filter(
    (one) => one.runId === runId || one.visibility === "session",
  );
  // Under one name its own counted: in the fork all are its own, and the last of a name counts.
  const others = versions.filter((one) => one.runId !== runId);
  const own = versions.filter((one) => one.runId === runId);
  const content = [...others, ...own].slice(-limits.forkContents);
  const refs = await forks.artifactsAt(moment);
  return {
    content: content.map(({ name, visibility, sha256, bytes }) => ({
      ...{ name, visibility, sha256, bytes },
    })),
    layers: [...state.layers.values()].map((layer) => ({ ...layer, cached: true })),
    artifacts: refs.map(({ ref, artifactId, name }) => ({
      ...{ was: ref, artifact_id: artifactId, name },
      artifact_ref: `ar.${randomBytes(12).toString("hex")}`,
    })),
  };
}

/**
 * A ref is for one tree, so what is remembered names the fork's own. Reasoning stays as it was: it is signed by the
 * provider.
 */
function withRefs(messages: Message[], artifacts: readonly Ref[]): Message[] {
  if (artifacts.length === 0) return messages;
  const renamed = new Map(artifacts.map(({ was, artifact_ref }) => [was, artifact_ref]));
  const rename = (text: string) =>
    text.replace(/ar\.[0-9a-f]{24}/g, (ref) => renamed.get(ref) ?? ref);
  const inside = (value: unknown): unknown => {
    if (typeof value === "string") return rename(value);
    if (typeof value !== "object" || value === null) return value;
    if (Array.isArray(value)) return value.map(inside);
    return Object.fromEntries(Object.entries(value).map(([name, one]) => [name, inside(one)]));
  };
  return messages.map((message) => {
    if (message.role !== "assistant") return inside(message) as Message;
    const parts = message.parts.map((part) => {
      if (part.type === "text") return { ...part, text: rename(part.text) };
      return part.type === "call" ? { ...part, arguments: inside(part.arguments) } : part;
    });
    return { ...message, parts };
  });
}
