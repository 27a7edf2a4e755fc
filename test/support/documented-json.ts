/** What the JSON of each document is an example of: a document that drifts from what the gateway takes and gives is red. */
import { z } from "zod";
import { Capability, InlineAgent } from "../../src/contract/agent.ts";
import { ErrorBody } from "../../src/contract/problem.ts";
import { ProxyEnvelope } from "../../src/contract/proxy-call.ts";
import { ProxyEndpointAuth, ProxyEndpointPolicy } from "../../src/contract/proxy-endpoint.ts";
import { ModelId, RunSecrets, RunSubmission } from "../../src/contract/submission.ts";
import { findTool, parseArguments } from "../../src/tools/tools.ts";
import type { Block } from "./documents.ts";

/** Of a document, in order; those that are the arguments of a tool say so themselves. */
const shown: Record<string, z.ZodType[]> = {
  "agents.md": [z.array(given({ agent: "weather.default" }))],
  "budgets.md": [RunSubmission],
  "build-network.md": [InlineAgent],
  "credentials.md": [RunSecrets],
  "http.md": [z.strictObject(ErrorBody.shape)],
  "mcp.md": [RunSubmission],
  "operating.md": [z.record(z.string(), ModelId), z.array(Capability)],
  "proxy-endpoints.md": [
    RunSubmission,
    ProxyEndpointPolicy,
    ProxyEndpointAuth,
    ProxyEnvelope.strict(),
  ],
  "runs.md": [RunSubmission, RunSubmission],
};

/** A submission that says the rest elsewhere. */
function given(rest: object) {
  return z.transform((own) => ({ ...rest, ...(own as object) })).pipe(RunSubmission);
}

/** Throws when a block is not what it is an example of, or when nobody said what that is. */
export function checkJson(document: string, { label, text, nth }: Block): void {
  if (text.trim() === "") return;
  // An ellipsis stands for a value that nobody shows.
  const value = JSON.parse(text.replaceAll("…", "canary-0123456789"));
  const tool = label === undefined ? undefined : findTool(label);
  if (tool !== undefined) {
    const parsed = parseArguments(tool, value);
    if (!parsed.ok) throw new Error(`Not for ${label}: ${JSON.stringify(parsed)}`);
    return;
  }
  const schema = shown[document]?.[nth];
  if (schema === undefined) throw new Error("Nobody said what this JSON is an example of");
  schema.parse(value);
}
