import { newId } from "../contract/ids.ts";
import { Problem } from "../contract/problem.ts";
import type { Run } from "../contract/run.ts";
import { noModel, type RunSnapshot } from "../contract/submission.ts";
import type { Store } from "../store/store.ts";
import { effectiveBudget } from "./budget-effective.ts";
import type { ExecArtifactRequest } from "./run.ts";
import { sealSecrets, secretsOf } from "./run-secrets.ts";
import { answer, bodyHash, checkLimits, type SubmitDeps } from "./submit.ts";

/**
 * Submits a run that starts one program of an artifact, or one shell command in it. Throws `not_found` when the workspace
 * has no such artifact, and `invalid_request` naming the field when there is no such entrypoint.
 */
export async function submitProgram(
  deps: Pick<SubmitDeps, "journal" | "runLimits" | "budget" | "vault"> & Pick<Store, "artifacts">,
  request: ExecArtifactRequest,
): Promise<{ created: boolean; run: Run }> {
  const { workspaceId, submittedBy, idempotencyKey, limits, args, prove, command } = request;
  checkLimits(limits, deps.runLimits);
  const artifact = await deps.artifacts.get(workspaceId, request.ref, null);
  if (artifact === undefined) {
    throw new Problem("not_found", `There is no artifact ${JSON.stringify(request.ref)}`);
  }
  if (command !== undefined && (request.entrypoint !== undefined || args.length > 0)) {
    const field = args.length > 0 ? "args" : "entrypoint";
    throw wrong(field, "must not be given beside command: write it into the command");
  }
  const start =
    command === undefined
      ? { entrypoint: entrypointOf(artifact, request.entrypoint) }
      : { command };
  // By its id: a ref may be out of force by the time it runs.
  const program = { artifact: artifact.id, ...start, args, prove };
  const snapshot: RunSnapshot = {
    model: noModel,
    prompt: [],
    program,
    ...(limits === undefined || Object.keys(limits).length === 0 ? {} : { limits }),
  };
  const runId = newId("run");
  const secrets = sealSecrets(deps.vault, runId, secretsOf(undefined));
  const submitted = await deps.journal.submit({
    ...{ runId, workspaceId, idempotencyKey: idempotencyKey ?? null },
    ...{ bodyHash: bodyHash(snapshot), secrets, submittedBy },
    snapshot: { ...snapshot, ...effectiveBudget(undefined, deps.budget) },
  });
  return answer(submitted, idempotencyKey);
}

function entrypointOf(
  { id, entrypoints }: { id: string; entrypoints: readonly string[] },
  wanted: string | undefined,
): string {
  const known = entrypoints.map((name) => JSON.stringify(name)).join(", ") || "none";
  if (wanted !== undefined) {
    if (entrypoints.includes(wanted)) return wanted;
    throw wrong(
      "entrypoint",
      `${JSON.stringify(wanted)} is none of ${id}; expected one of ${known}`,
    );
  }
  const [only, ...others] = entrypoints;
  if (only !== undefined && others.length === 0) return only;
  throw wrong("entrypoint", `${id} has ${entrypoints.length}; expected a choice of ${known}`);
}

function wrong(path: string, message: string): Problem {
  return new Problem("invalid_request", `${path}: ${message}`, { fields: [{ path, message }] });
}
