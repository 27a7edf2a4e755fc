import { z } from "zod";
import { StopRequest } from "../contract/approval.ts";
import { AttestationKey } from "../contract/attestation.ts";
import { RunEvent } from "../contract/event.ts";
import { OutputId, RunId, TokenId } from "../contract/ids.ts";
import { Output } from "../contract/output.ts";
import { Run } from "../contract/run.ts";
import { RunTree } from "../contract/run-tree.ts";
import { RunSubmission } from "../contract/submission.ts";
import { NewToken, Token, Whoami } from "../contract/token.ts";
import { DoctorReport, GcReport, VerifyReport } from "../contract/upkeep.ts";
import { agentRoutes } from "./agent-routes.ts";
import { approvalRoutes } from "./approval-routes.ts";
import { bundleRoutes } from "./bundle-routes.ts";
import { forkRoutes } from "./fork-routes.ts";
import { interactionRoutes } from "./interaction-routes.ts";
import { inventoryRoutes } from "./inventory-routes.ts";
import { EventsQuery, RunListQuery } from "./query.ts";
import { attachmentHeader, type Route } from "./route.ts";
import { proxyRoutes, secretRoutes } from "./secret-routes.ts";

const run = z.object({ run: Run });
const ofRun = z.object({ id: RunId });

/** Every route there is. `http.ts` binds each to the function of the same name. */
export const routes = {
  submitRun: {
    method: "post",
    path: "/api/runs",
    scope: "runs",
    tag: "Runs",
    summary: "Submit a run",
    description:
      "A run with the same key and the same meaning is made once: a repetition answers with the run that is there. " +
      "Files come inline, or as parts `file:<slot>` of a multipart form beside the part `submission`.",
    headers: { "Idempotency-Key": "The same as `idempotencyKey`; bare or in double quotes" },
    body: RunSubmission,
    multipart:
      "The part `submission` (JSON, in any position) and exactly one part `file:<slot>` for each `files[].slot`",
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
      "provider_unconfigured",
      "input_invalid",
      "not_found",
      "idempotency_conflict",
      "run_deleted",
      "queue_full",
      "too_many_requests",
      "sandbox_unavailable",
      "storage_full",
    ],
  },
  listRuns: {
    method: "get",
    path: "/api/runs",
    scope: "runs",
    tag: "Runs",
    summary: "List runs, newest first",
    query: RunListQuery,
    replies: {
      200: {
        description: "One page; `nextCursor` when there is another",
        schema: z.object({ runs: z.array(Run), nextCursor: z.string().optional() }),
      },
    },
  },
  getRun: {
    method: "get",
    path: "/api/runs/{id}",
    scope: "runs",
    tag: "Runs",
    summary: "Get a run",
    params: ofRun,
    replies: { 200: { description: "The run as it is now", schema: run } },
    problems: ["run_deleted"],
  },
  deleteRun: {
    method: "delete",
    path: "/api/runs/{id}",
    scope: "runs",
    tag: "Runs",
    summary: "Delete a run that has ended",
    description:
      "Removes its events and outputs. Its id and its key answer `run_deleted` from then on.",
    params: ofRun,
    replies: { 200: { description: "It is deleted", schema: z.object({}) } },
    problems: ["run_not_finished", "run_deleted"],
  },
  cancelRun: {
    method: "post",
    path: "/api/runs/{id}/cancel",
    scope: "runs",
    tag: "Runs",
    summary: "Cancel a run",
    description: "The wish is durable before the answer. A run that has ended stays as it is.",
    params: ofRun,
    replies: { 202: { description: "The run, which will end soon or has ended", schema: run } },
    problems: ["run_deleted"],
  },
  runTree: {
    method: "get",
    path: "/api/runs/{id}/tree",
    scope: ["runs", "approve"],
    tag: "Runs",
    summary: "Show the tree that a run belongs to",
    description:
      "The first run of the tree with those that it started, each with its own, whichever of them is asked for.",
    params: ofRun,
    replies: { 200: { description: "The tree", schema: RunTree } },
    problems: ["run_deleted", "payload_too_large"],
  },
  stopRun: {
    method: "post",
    path: "/api/runs/{id}/stop",
    scope: ["runs", "approve"],
    tag: "Runs",
    summary: "Stop a run and all that it started, at once",
    description:
      "The emergency stop: processes end, the network is cut and approvals are cancelled within a second, and the journal " +
      "says who and why. A run that has ended stays as it is.",
    params: ofRun,
    body: StopRequest,
    replies: {
      202: { description: "The run, which ends as `terminated`, or has ended", schema: run },
    },
    problems: ["run_deleted"],
  },
  runEvents: {
    method: "get",
    path: "/api/runs/{id}/events",
    scope: "runs",
    tag: "Runs",
    summary: "Read or follow a run's events",
    description:
      "As JSON, one page of the journal. With `Accept: text/event-stream`, what happened after the cursor, then what " +
      "happens, until the run has ended: `id` is the `seq` of a durable event; a live event (`model.delta`, " +
      "`model.reset`, `call.output`) has none and is never repeated. The stream ends with a comment when the gateway " +
      "stops: connect again with `Last-Event-ID`. A proxy in between must not buffer.",
    params: ofRun,
    query: EventsQuery,
    headers: { "Last-Event-ID": "The `id` of the last event seen. Wins over `since`" },
    replies: {
      200: {
        description: "Events after the cursor",
        schema: z.object({
          events: z.array(RunEvent),
          nextCursor: z.string().optional().describe("Pass it as `since` to read on"),
        }),
        content: {
          "text/event-stream":
            "Server-sent events: `id: <seq>`, `event: <type>`, `data: <the event as JSON>`",
        },
      },
    },
    problems: ["run_deleted", "too_many_requests"],
  },
  listOutputs: {
    method: "get",
    path: "/api/runs/{id}/outputs",
    scope: "runs",
    tag: "Outputs",
    summary: "List a run's outputs",
    params: ofRun,
    replies: {
      200: {
        description: "What has been captured so far",
        schema: z.object({ outputs: z.array(Output) }),
      },
    },
    problems: ["run_deleted"],
  },
  getOutput: {
    method: "get",
    path: "/api/runs/{id}/outputs/{outputId}",
    scope: "runs",
    tag: "Outputs",
    summary: "Download one output",
    params: z.object({ id: RunId, outputId: OutputId }),
    headers: { "If-None-Match": "An ETag that the client has: answers 304 when it is current" },
    replies: {
      200: {
        description: "The bytes of the file",
        content: { "*/*": "The file, with the type that its name tells" },
        headers: { ETag: "The digest, in double quotes", ...attachmentHeader },
      },
      304: { description: "The client has it already" },
    },
    problems: ["run_deleted", "digest_mismatch"],
  },
  getArchive: {
    method: "get",
    path: "/api/runs/{id}/archive",
    scope: "runs",
    tag: "Outputs",
    summary: "Download everything a run made",
    description:
      "`run.json`, `events.jsonl`, `outputs/<name>`, `custody.json`, `manifest.json` and the signed `attestation.json`, made as it is sent.",
    params: ofRun,
    replies: {
      200: {
        description: "One zip file",
        content: { "application/zip": "The archive" },
        headers: attachmentHeader,
      },
    },
    problems: ["run_not_started", "run_deleted", "too_many_requests"],
  },
  ...agentRoutes,
  ...approvalRoutes,
  ...bundleRoutes,
  ...forkRoutes,
  ...interactionRoutes,
  ...inventoryRoutes,
  ...secretRoutes,
  ...proxyRoutes,
  whoami: {
    method: "get",
    path: "/api/whoami",
    scope: "any",
    tag: "Gateway",
    summary: "Tell what this token opens",
    replies: { 200: { description: "The token, its workspace and its caps", schema: Whoami } },
  },
  attestationKey: {
    method: "get",
    path: "/api/attestation-key",
    scope: "any",
    tag: "Gateway",
    summary: "Get the public key with which archives are verified",
    replies: {
      200: { description: "The present key", schema: z.object({ key: AttestationKey }) },
    },
  },
  createToken: {
    method: "post",
    path: "/api/tokens",
    scope: "admin",
    tag: "Tokens",
    summary: "Make a token",
    body: NewToken,
    replies: {
      201: {
        description: "The token, and its secret for the only time",
        schema: z.object({ token: Token, secret: z.string() }),
      },
    },
  },
  listTokens: {
    method: "get",
    path: "/api/tokens",
    scope: "admin",
    tag: "Tokens",
    summary: "List the tokens of every workspace",
    replies: { 200: { description: "All tokens", schema: z.object({ tokens: z.array(Token) }) } },
  },
  revokeToken: {
    method: "delete",
    path: "/api/tokens/{id}",
    scope: "admin",
    tag: "Tokens",
    summary: "Revoke a token",
    description:
      "It opens nothing from the next request on; an open event stream ends within one heartbeat.",
    params: z.object({ id: TokenId }),
    replies: { 200: { description: "The revoked token", schema: z.object({ token: Token }) } },
  },
  verify: {
    method: "post",
    path: "/api/verify",
    scope: "admin",
    tag: "Upkeep",
    summary: "Check every chain, row and blob",
    replies: {
      200: { description: "What was found", schema: z.object({ report: VerifyReport }) },
    },
  },
  gc: {
    method: "post",
    path: "/api/gc",
    scope: "admin",
    tag: "Upkeep",
    summary: "Remove what nothing refers to",
    body: z.strictObject({ dryRun: z.boolean().describe("true: count, but remove nothing") }),
    replies: {
      200: { description: "What was removed, or would be", schema: z.object({ report: GcReport }) },
    },
  },
  doctor: {
    method: "get",
    path: "/api/doctor",
    scope: "admin",
    tag: "Upkeep",
    summary: "Probe what the host gives",
    replies: {
      200: { description: "Every probe", schema: z.object({ report: DoctorReport }) },
    },
  },
  healthz: {
    method: "get",
    path: "/healthz",
    scope: "none",
    tag: "Gateway",
    summary: "Tell whether the process answers",
    replies: { 200: { description: "It does", schema: z.object({ status: z.literal("ok") }) } },
  },
  readyz: {
    method: "get",
    path: "/readyz",
    scope: "none",
    tag: "Gateway",
    summary: "Tell whether runs are accepted",
    replies: {
      200: { description: "They are", schema: z.object({ status: z.literal("ok") }) },
      503: {
        description: "They are not, and why",
        schema: z.object({ status: z.literal("unavailable"), reason: z.string() }),
      },
    },
  },
  openapi: {
    method: "get",
    path: "/api/openapi.json",
    scope: "none",
    tag: "Gateway",
    summary: "This document",
    replies: {
      200: { description: "OpenAPI 3.1", schema: z.record(z.string(), z.unknown()) },
    },
  },
} as const satisfies Record<string, Route>;

export type RouteName = keyof typeof routes;
