import type { AgentLibrary } from "../agents/agents.ts";
import { limits } from "../base/limits.ts";
import type { RunParent } from "../contract/event.ts";
import { newId } from "../contract/ids.ts";
import { Problem, type ProblemCode } from "../contract/problem.ts";
import type { RunSnapshot } from "../contract/submission.ts";
import type { SpawnedTask } from "../contract/workflow.ts";
import type { Vault } from "../egress/egress.ts";
import type { Models } from "../model/model.ts";
import type { Store } from "../store/store.ts";
import { failure, type TaskAsk, type TaskMade } from "../tools/tools.ts";
import { type AgentSnapshot, agentSnapshot } from "./agent-snapshot.ts";
import { childSecrets } from "./child-secrets.ts";
import type { OpenedSecrets } from "./opened-secrets.ts";
import { sealSecrets } from "./run-secrets.ts";
import type { RunState } from "./state.ts";
import { bodyHash } from "./submit.ts";
import { treeGrant } from "./tree-grant.ts";

export interface SpawnDeps {
  store: Pick<Store, "journal" | "runs">;
  agents: AgentLibrary;
  models: Models;
  vault: Vault;
  secrets: Pick<OpenedSecrets, "modelKeys" | "ofRun">;
  /** A task is there, and may be driven. */
  onSubmitted: (run: { runId: string; workspaceId: string; rootRunId: string }) => void;
}

/**
 * Makes the task of a call: a run of the agent that is asked for, in the tree of the run that asks, with the grant of that
 * tree (I13). Durable when it resolves, and never refused because many runs wait. A call that is repeated gets the task that
 * it made. `given` stands in place of the agent that is named.
 */
export async function spawn(
  deps: SpawnDeps,
  parent: RunState,
  callId: string,
  ask: TaskAsk,
  given?: AgentSnapshot,
): Promise<TaskMade> {
  const { runId, workspaceId } = parent;
  const siblings = await deps.store.runs.tasks(workspaceId, runId);
  const earlier = siblings.find((one) => one.callId === callId);
  if (earlier) return made(earlier.runId, ask);
  const group = siblings.find((one) => one.group === ask.group);
  if (group && group.policy !== ask.policy) {
    const message = `The group ${JSON.stringify(ask.group)} is joined by ${group.policy}, not by ${ask.policy}`;
    return refused(
      failure("validation", message, "Use its policy, or another join_group", {
        error_kind: "join_policy_conflict",
      }),
    );
  }
  const depth = (parent.parent?.depth ?? 0) + 1;
  if (depth > limits.treeDepth) {
    const message = `A tree has at most ${limits.treeDepth} runs below each other`;
    const hint = "Do it yourself, or reply with what is still to be done";
    return refused(failure("resource", message, hint, { error_kind: "tree_depth" }));
  }
  const of = given ?? (await lookUp(deps, parent, ask));
  if ("result" in of) return refused(of.result);
  const { group: name, policy, async } = ask;
  const root_run_id = parent.rootRunId;
  return submitTask(deps, parent, ask, of, {
    ...{ run_id: runId, root_run_id, call_id: callId, depth, group: name, policy, async },
  });
}

async function submitTask(
  deps: SpawnDeps,
  parent: RunState,
  ask: TaskAsk,
  of: AgentSnapshot,
  by: RunParent,
): Promise<TaskMade> {
  const { workspaceId } = parent;
  const { limits: asked } = parent.snapshot;
  const grant = treeGrant(parent.snapshot, parent.parent !== undefined);
  const snapshot: RunSnapshot = {
    ...of,
    prompt: promptOf(of, ask),
    ...(grant === undefined ? {} : { grant: [...grant] }),
    ...(asked === undefined ? {} : { limits: asked }),
    ...(Object.keys(ask.metadata).length === 0 ? {} : { metadata: ask.metadata }),
  };
  const runId = newId("run");
  const secrets = childSecrets(deps.secrets, of.agent?.credential_env ?? []);
  const submitted = await deps.store.journal.submit({
    ...{ runId, workspaceId, snapshot, parent: by },
    ...{ idempotencyKey: null, bodyHash: bodyHash(snapshot), submittedBy: parent.runId },
    secrets: sealSecrets(deps.vault, runId, secrets),
  });
  switch (submitted.type) {
    case "created":
      deps.onSubmitted({ runId, workspaceId, rootRunId: by.root_run_id });
      return made(runId, ask);
    case "existing":
      return made(submitted.run.id, ask);
    case "tree_full": {
      const message = `The workflow has ${submitted.runs} runs, which is as many as one may have`;
      const hint = "Finish with what there is";
      return refused(failure("resource", message, hint, { error_kind: "tree_full" }));
    }
    default: {
      const hint = "Nothing more can be done in this run";
      return refused(failure("execution", "This run is ending", hint, { error_kind: "cancelled" }));
    }
  }
}

/** What the task is told: the message, then what is known of its delegation. A message beside an input follows it. */
function promptOf(of: AgentSnapshot, { message, input, metadata }: TaskAsk): string[] {
  if (input === undefined) return of.prompt;
  const isScript = of.agent?.execution_mode === "script";
  const said = messageOf({ message, metadata: isScript ? {} : metadata });
  return said === undefined ? of.prompt : [...of.prompt, said];
}

function messageOf({ message, metadata }: Pick<TaskAsk, "message" | "metadata">) {
  const about = aboutOf(metadata);
  const parts = [...(message === null ? [] : [message]), ...(about === "" ? [] : [about])];
  return parts.length === 0 ? undefined : parts.join("\n\n");
}

function aboutOf(metadata: TaskAsk["metadata"]): string {
  return Object.keys(metadata).length === 0
    ? ""
    : `Delegation metadata: ${JSON.stringify(metadata)}`;
}

/** What the agent makes of the run, or what is in the way and what can be done about it: then nothing was started. */
async function lookUp(
  { agents, models, secrets }: SpawnDeps,
  { workspaceId }: RunState,
  ask: TaskAsk,
): Promise<AgentSnapshot | { result: ReturnType<typeof failure> }> {
  const { agent, input } = ask;
  const message = messageOf(ask);
  const sizes = { message: message ?? "", input: JSON.stringify(input ?? null) };
  const bytes = Buffer.byteLength(sizes.message) + Buffer.byteLength(sizes.input);
  if (bytes > limits.promptBytes) {
    const text = `message, metadata and input have ${bytes} bytes; expected at most ${limits.promptBytes}`;
    const hint = "Write what is long with content_write, and name it in the message";
    return { result: failure("validation", text, hint) };
  }
  const facts = Buffer.byteLength(JSON.stringify(ask.metadata));
  if (facts > limits.metadataBytes) {
    const text = `metadata has ${facts} bytes; expected at most ${limits.metadataBytes}`;
    return { result: failure("validation", text, "Put what is long into the message") };
  }
  try {
    return await agentSnapshot(
      { agents, models },
      {
        ...{ workspaceId, agent, providers: providersOf(secrets.modelKeys) },
        ...(input === undefined
          ? { message: ask.message ?? "", about: aboutOf(ask.metadata) }
          : { input }),
      },
    );
  } catch (error) {
    if (!(error instanceof Problem) || !(error.code in told)) throw error;
    const { type, hint } = told[error.code as keyof typeof told];
    const details = error.details === undefined ? {} : { details: error.details };
    return { result: failure(type, error.message, hint, { error_kind: error.code, ...details }) };
  }
}

/** What a task cannot be started for, and what an agent can do about it. */
const told = {
  not_found: {
    type: "resource",
    hint: "Use the id of an agent that there is: agent_discover finds them",
  },
  input_invalid: { type: "validation", hint: "Give the input that the agent accepts" },
  provider_unconfigured: {
    type: "resource",
    hint: "Only the operator can change this: use another agent, or say in your reply what is missing",
  },
  model_unknown: { type: "resource", hint: "Only the operator can change this: use another agent" },
  model_credential_missing: {
    type: "resource",
    hint: "Only the operator can change this: use another agent, or say in your reply what is missing",
  },
  digest_mismatch: {
    type: "resource",
    hint: "Only the operator can change this: use another agent",
  },
  agent_invalid: { type: "resource", hint: "Only the operator can change this: use another agent" },
  invalid_request: { type: "validation", hint: "Change the arguments as the message says" },
} as const satisfies Partial<Record<ProblemCode, { type: string; hint: string }>>;

function providersOf(modelKeys: Record<string, string>): string[] {
  return Object.keys(modelKeys).filter((name) => !name.includes("/"));
}

function made(task_id: string, { agent, group, policy, async }: TaskAsk): TaskMade {
  const task: SpawnedTask = { task_id, agent_id: agent, group, policy, async };
  return { ok: true, task };
}

function refused(result: ReturnType<typeof failure>): TaskMade {
  return { ok: false, result };
}
