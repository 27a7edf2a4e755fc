import { createHash } from "node:crypto";
import { canonicalJson } from "../base/canonical-json.ts";
import type { Config } from "../base/config.ts";
import { limits } from "../base/limits.ts";
import { type Blobs, placeFiles } from "../content/content.ts";
import { newId } from "../contract/ids.ts";
import { Problem } from "../contract/problem.ts";
import type { Run } from "../contract/run.ts";
import type { PlacedFile, RunSnapshot } from "../contract/submission.ts";
import type { Vault } from "../egress/egress.ts";
import type { Models } from "../model/model.ts";
import type { Journal, Submitted } from "../store/store.ts";
import { checkHosts } from "./check-hosts.ts";
import type { SubmitRequest } from "./run.ts";

export interface SubmitDeps {
  journal: Journal;
  blobs: Blobs;
  vault: Vault;
  models: Models;
  runLimits: Config["runLimits"];
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
  checkSizes(submission);
  checkModels(deps.models, submission);
  checkLimits(submission.limits, deps.runLimits);
  checkHosts("agent.capabilities", submission.agent?.capabilities ?? []);
  checkHosts("grant", submission.grant ?? []);
  const files = await placeFiles(deps.blobs, submission.files ?? [], request.uploads);
  const snapshot = snapshotOf(submission, files);
  const runId = newId("run");
  const secrets = Object.entries(submission.secrets ?? {}).flatMap(([name, secret]) =>
    secret ? [{ name, sealed: deps.vault.seal(secret.apiKey, secretContext(runId, name)) }] : [],
  );
  const submitted = await deps.journal.submit({
    runId,
    workspaceId,
    idempotencyKey: submission.idempotencyKey ?? null,
    bodyHash: bodyHash(snapshot),
    snapshot,
    secrets,
    submittedBy,
  });
  return answer(submitted, submission.idempotencyKey);
}

/** What a sealed secret is bound to: it cannot be opened as another run's or another provider's. */
export function secretContext(runId: string, name: string): string {
  return `${runId}/${name}`;
}

/** The name of a submission's content: equal for every spelling of the same run, blind to secrets. */
export function bodyHash(snapshot: RunSnapshot): string {
  return `sha256:${createHash("sha256").update(canonicalJson(snapshot)).digest("hex")}`;
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
    case "queue_full":
      throw new Problem(
        "queue_full",
        `${submitted.queued} runs are waiting already; try again later`,
        { cap: limits.queuedRuns, observed: submitted.queued },
      );
  }
}

/** These come back with every event of the run's submission and with every list of runs. */
function checkSizes({ prompt, system, agent, grant, metadata }: SubmitRequest["submission"]): void {
  const sizes = [
    ["prompt", canonicalJson({ prompt, system, agent, grant }), limits.promptBytes],
    ["metadata", canonicalJson(metadata ?? {}), limits.metadataBytes],
  ] as const;
  for (const [field, text, max] of sizes) {
    const bytes = Buffer.byteLength(text);
    if (bytes > max) {
      throw new Problem("payload_too_large", `${field}: ${bytes} bytes; expected at most ${max}`);
    }
  }
}

function checkModels(models: Models, submission: SubmitRequest["submission"]): void {
  const own = Object.keys(submission.secrets ?? {});
  for (const field of ["model", "fallbackModel"] as const) {
    const id = submission[field];
    if (id === undefined) continue;
    const resolved = models.resolve(id, own);
    if (resolved.type === "unknown") {
      throw new Problem("model_unknown", `${field}: ${resolved.message}`, { field });
    }
    if (resolved.type === "no_credential") {
      throw new Problem("model_credential_missing", `${field}: ${resolved.message}`, {
        field,
        provider: resolved.provider,
        variable: resolved.variable,
      });
    }
  }
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

/** Normalised: what means the same is written the same, and what says nothing is left out. */
function snapshotOf(
  submission: SubmitRequest["submission"],
  files: readonly PlacedFile[],
): RunSnapshot {
  const {
    model,
    fallbackModel,
    prompt,
    system,
    agent,
    grant,
    outputDirs,
    limits: asked,
    metadata,
  } = submission;
  return {
    model,
    ...(fallbackModel === undefined ? {} : { fallbackModel }),
    prompt: typeof prompt === "string" ? [prompt] : prompt,
    ...(system === undefined || system === "" ? {} : { system }),
    ...(agent === undefined ? {} : { agent }),
    ...(grant === undefined ? {} : { grant }),
    ...(files.length === 0 ? {} : { files: [...files] }),
    ...(outputDirs === undefined || outputDirs.length === 0 ? {} : { outputDirs }),
    ...(asked === undefined || Object.keys(asked).length === 0 ? {} : { limits: asked }),
    ...(metadata === undefined || Object.keys(metadata).length === 0 ? {} : { metadata }),
  };
}
