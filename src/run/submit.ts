import { createHash } from "node:crypto";
import type { AgentLibrary } from "../agents/agents.ts";
import { canonicalJson } from "../base/canonical-json.ts";
import type { Config } from "../base/config.ts";
import { limits } from "../base/limits.ts";
import type { Bundles } from "../bundles/bundles.ts";
import { type Blobs, placeFiles } from "../content/content.ts";
import type { InlineAgent } from "../contract/agent.ts";
import { newId } from "../contract/ids.ts";
import type { McpServer } from "../contract/mcp-server.ts";
import { Problem } from "../contract/problem.ts";
import { plainProxyEndpoint } from "../contract/proxy-endpoint.ts";
import type { Run } from "../contract/run.ts";
import type { PlacedFile, RunSnapshot } from "../contract/submission.ts";
import { containsSecret, type Vault } from "../egress/egress.ts";
import type { Models } from "../model/model.ts";
import type { Journal, Submitted } from "../store/store.ts";
import { effectiveBudget } from "./budget-effective.ts";
import {
  type AskedBundles,
  askedBundles,
  checkBundlePlaces,
  checkProviderSkills,
  inputFiles,
  pinBundles,
} from "./bundles.ts";
import { checkHosts } from "./check-hosts.ts";
import { checkUpstreams } from "./check-upstreams.ts";
import { askedEnvironment, askedLimits, checkEnvironment } from "./environment.ts";
import { checkMcpServers } from "./mcp-checks.ts";
import type { WorkspaceVault } from "./opened-secrets.ts";
import type { SubmitRequest } from "./run.ts";
import { sealSecrets, secretsOf, spentValues } from "./run-secrets.ts";
import { whoRuns } from "./who-runs.ts";

export interface SubmitDeps {
  journal: Journal;
  blobs: Blobs;
  bundles: Bundles;
  vault: Vault;
  models: Models;
  workspace: WorkspaceVault;
  runLimits: Config["runLimits"];
  budget: Config["budget"];
  agents: AgentLibrary;
  /** The agent of a run that names neither an agent nor a model. */
  leadAgent: string;
  /** What the operator lists: upstreams that are not of the public internet. */
  privateHosts: Config["privateHosts"];
  /** The runs of a workspace whose directories are kept after their end. */
  retained: (workspaceId: string) => Promise<string[]>;
}

/**
 * Submits a run (I10): blobs first, then one transaction with key, row, event 1 and sealed secrets. The same key with
 * the same canonical body gives the run that is already there, whatever its secrets; with another body a conflict.
 */
export async function submit(
  deps: SubmitDeps,
  request: SubmitRequest,
): Promise<{ created: boolean; run: Run }> {
  const { submission, workspaceId, submittedBy } = request;
  const { idempotencyKey } = submission;
  checkSizes(submission);
  const files = await placeFiles(deps.blobs, inputFiles(submission), request.uploads);
  const asked = askedOf(submission, files);
  const hash = bodyHash(asked);
  // What is repeated is not looked at anew: the gateway may have other keys, secrets and agents by now.
  const earlier = await deps.journal.earlier(workspaceId, idempotencyKey ?? null, hash);
  if (earlier) return answer(earlier, idempotencyKey);
  checkLimits(asked.limits, deps.runLimits);
  const budget = effectiveBudget(submission.budget, deps.budget);
  checkUpstreams(submission, deps.privateHosts);
  checkHosts("grant", submission.grant ?? []);
  await checkSecrets(deps.workspace, workspaceId, submission);
  await checkRetained(deps, workspaceId, submission);
  const { agent: _, bundles: _refs, ...rest } = asked;
  const who = { ...rest, ...budget, ...(await whoRuns(deps, request)) };
  checkProviderSkills(deps.models, submission, who);
  const snapshot: RunSnapshot = { ...who, ...(await pinBundles(deps, request)) };
  checkBundlePlaces(snapshot);
  checkEnvironment(snapshot.environment, snapshot);
  await checkMcpServers(deps, workspaceId, { ...snapshot, env: submission.secrets?.env });
  const runId = newId("run");
  const secrets = sealSecrets(deps.vault, runId, secretsOf(submission.secrets));
  const submitted = await deps.journal.submit({
    runId,
    workspaceId,
    idempotencyKey: idempotencyKey ?? null,
    bodyHash: hash,
    snapshot,
    secrets,
    submittedBy,
  });
  return answer(submitted, idempotencyKey);
}

/** The name of a submission's content: equal for every spelling of the same run, blind to secrets. */
export function bodyHash(asked: Asked | RunSnapshot): string {
  return `sha256:${createHash("sha256").update(canonicalJson(asked)).digest("hex")}`;
}

/** What a caller gets for what became of his submission. */
export function answer(
  submitted: Submitted,
  key: string | undefined,
): { created: boolean; run: Run } {
  switch (submitted.type) {
    case "created":
      return { created: true, run: submitted.run };
    case "existing":
      return { created: false, run: submitted.run };
    case "conflict":
      throw new Problem(
        "idempotency_conflict",
        `The idempotency key ${JSON.stringify(key)} was used for another submission; expected the same body or a new key`,
        { existingRunId: submitted.existingRunId },
      );
    case "deleted":
      throw new Problem(
        "run_deleted",
        `The run of the idempotency key ${JSON.stringify(key)} was deleted; use a new key`,
        { runId: submitted.runId },
      );
    case "source_gone":
      throw new Problem("run_deleted", `Run ${submitted.runId} was deleted`);
    case "parent_ended":
      throw new Problem("run_finished", "The run that would start it is ending");
    case "tree_full":
      throw new Problem("queue_full", `The tree has ${submitted.runs} runs already`, {
        cap: limits.treeRuns,
        observed: submitted.runs,
      });
    case "queue_full":
      throw new Problem(
        "queue_full",
        `${submitted.queued} runs are waiting already; try again later`,
        { cap: limits.queuedRuns, observed: submitted.queued },
      );
  }
}

/** These come back with every event of the run's submission and with every list of runs. */
function checkSizes({ metadata, ...submission }: SubmitRequest["submission"]): void {
  const { prompt, message, input, system, agent, grant } = submission;
  const said = { prompt, message, input, system, agent, grant };
  const sizes = [
    ["prompt", canonicalJson(said), limits.promptBytes],
    ["metadata", canonicalJson(metadata ?? {}), limits.metadataBytes],
  ] as const;
  for (const [field, text, max] of sizes) {
    const bytes = Buffer.byteLength(text);
    if (bytes > max) {
      throw new Problem("payload_too_large", `${field}: ${bytes} bytes; expected at most ${max}`);
    }
  }
}

/**
 * A credential that is named must be there, and no value of this run may stand where it would be written down: in a prompt,
 * an instruction, an endpoint's policy.
 */
export async function checkSecrets(
  workspace: WorkspaceVault,
  workspaceId: string,
  submission: Partial<SubmitRequest["submission"]>,
): Promise<void> {
  const { secrets: given, files: _, ...written } = submission;
  const basic = (submission.proxyEndpoints ?? []).filter(
    ({ authShape }) => authShape.type === "basic",
  );
  for (const [at, auth] of (given?.proxyEndpointAuth ?? []).entries()) {
    if (!("secret" in auth)) continue;
    const value = await workspace.value(workspaceId, auth.secret);
    const path = `secrets.proxyEndpointAuth[${at}].secret`;
    const named = JSON.stringify(auth.secret);
    if (value === undefined) {
      throw new Problem(
        "invalid_request",
        `${path}: the workspace has no secret ${named}; set it with airlock secrets set ${auth.secret}`,
        { fields: [{ path, message: "expected the name of a secret of the workspace" }] },
      );
    }
    if (value.includes(":") || basic.every(({ name }) => name !== auth.name)) continue;
    throw new Problem(
      "invalid_request",
      `${path}: the secret ${named} has no colon; an endpoint of type basic takes username:password`,
      { fields: [{ path, message: "expected the name of a secret that is username:password" }] },
    );
  }
  const search = containsSecret(spentValues(given)).start();
  for (const [field, value] of Object.entries(written)) {
    if (!search.push(Buffer.from(JSON.stringify(value ?? null)))) continue;
    throw new Problem(
      "invalid_request",
      `${field}: holds the value of one of secrets; a submission is written down, its secrets are not`,
      { fields: [{ path: field, message: "must not hold the value of a secret" }] },
    );
  }
}

/** What a run leaves behind takes disk and a host uid until somebody deletes it. */
async function checkRetained(
  { retained }: Pick<SubmitDeps, "retained">,
  workspaceId: string,
  { cleanup }: SubmitRequest["submission"],
): Promise<void> {
  if (cleanup?.session !== "retain") return;
  const { length: observed } = await retained(workspaceId);
  const cap = limits.retainedRuns;
  if (observed < cap) return;
  const message = `cleanup.session: ${observed} runs of the workspace keep their directories already; expected fewer than ${cap}: delete some of them`;
  throw new Problem("too_many_requests", message, { cap, observed });
}

/** Refuses limits that are more than the operator gives. */
export function checkLimits(asked: RunSnapshot["limits"], most: Config["runLimits"]): void {
  for (const [name, value] of Object.entries(asked ?? {})) {
    const max = most[name as keyof typeof most];
    if (typeof value === "number" && value > max) {
      throw new Problem(
        "invalid_request",
        `limits.${name}: ${value} is more than this gateway allows (${max})`,
        {
          fields: [{ path: `limits.${name}`, message: `at most ${max}`, received: String(value) }],
        },
      );
    }
  }
}

/** What was asked for: an agent by its id, whatever that stands for today. */
type Asked = Omit<
  RunSnapshot,
  "agent" | "model" | "skills" | "agentsMd" | "fileBundles" | "environment" | "cleanup"
> & {
  model?: string;
  agent?: InlineAgent | string;
  /** By what it names, not by what that stands for today. */
  bundles?: AskedBundles;
  environment?: RunSnapshot["environment"];
  cleanup?: RunSnapshot["cleanup"];
};

/** There is one transport, so naming it says nothing. */
function plainServer({ transport: _, ...server }: McpServer): McpServer {
  return server;
}

/** Normalised: what means the same is written the same, and what says nothing is left out. */
function askedOf(submission: SubmitRequest["submission"], files: readonly PlacedFile[]): Asked {
  const {
    model,
    fallbackModel,
    prompt = submission.message,
    input,
    system,
    agent,
    grant,
    outputDirs,
    budget,
    mcpServers,
    metadata,
    proxyEndpoints,
  } = submission;
  const asked = askedLimits(submission);
  const bundles = askedBundles(submission);
  return {
    ...(model === undefined ? {} : { model }),
    ...(fallbackModel === undefined ? {} : { fallbackModel }),
    prompt: typeof prompt === "string" ? [prompt] : (prompt ?? []),
    ...(input === undefined ? {} : { input }),
    ...(system === undefined || system === "" ? {} : { system }),
    ...(agent === undefined ? {} : { agent }),
    ...(grant === undefined ? {} : { grant }),
    ...(files.length === 0 ? {} : { files: [...files] }),
    ...(Object.keys(bundles).length === 0 ? {} : { bundles }),
    ...askedEnvironment(submission),
    ...(submission.cleanup?.session === "retain" ? { cleanup: { session: "retain" } } : {}),
    ...(outputDirs === undefined || outputDirs.length === 0 ? {} : { outputDirs }),
    ...(Object.keys(asked).length === 0 ? {} : { limits: asked }),
    ...(budget === undefined || Object.keys(budget).length === 0 ? {} : { budget }),
    ...(mcpServers === undefined || mcpServers.length === 0
      ? {}
      : { mcpServers: mcpServers.map(plainServer) }),
    ...(metadata === undefined || Object.keys(metadata).length === 0 ? {} : { metadata }),
    ...(proxyEndpoints === undefined || proxyEndpoints.length === 0
      ? {}
      : { proxyEndpoints: proxyEndpoints.map(plainProxyEndpoint) }),
  };
}
