import { z } from "zod";
import { RunId } from "../contract/ids.ts";
import { Run } from "../contract/run.ts";
import { ForkRequest } from "../contract/run-tree.ts";
import type { Route } from "./route.ts";

const run = z.object({ run: Run });

/** New runs from turns of others. */
export const forkRoutes = {
  forkRun: {
    method: "post",
    path: "/api/runs/{id}/fork",
    scope: "runs",
    tag: "Runs",
    summary: "Go on from a turn of a run, in a new one",
    description:
      "The new run remembers what was said up to and including that turn, and has the content, the captured layers and the " +
      "artifacts that could be seen then. Agent, model, grant, limits, budget and input files are the same; its directories " +
      "are new, and secrets have to be given again. The other run stays as it is, whether it is at work or has ended.",
    headers: { "Idempotency-Key": "The same as `idempotencyKey`; bare or in double quotes" },
    params: z.object({ id: RunId }),
    body: ForkRequest,
    bodyOptional: true,
    replies: {
      201: { description: "A new run", schema: run, headers: { Location: "The run" } },
      200: {
        description: "The run that an earlier request with this key made",
        schema: run,
        headers: { "Idempotent-Replayed": "true" },
      },
    },
    problems: [
      "model_unknown",
      "model_credential_missing",
      "idempotency_conflict",
      "run_deleted",
      "payload_too_large",
      "queue_full",
      "too_many_requests",
      "storage_full",
    ],
  },
} as const satisfies Record<string, Route>;
