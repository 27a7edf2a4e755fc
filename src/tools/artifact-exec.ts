import { z } from "zod";
import { assert } from "../base/assert.ts";
import { artifactFields, artifactNotFound, checkNamed, nameOf } from "./artifact-named.ts";
import { ApprovalRef, NetworkNone } from "./asked-arguments.ts";
import { CredentialEnvArgument, secretsOf } from "./credential-env.ts";
import { runInArtifact } from "./in-artifact.ts";
import type { Tool } from "./tool.ts";
import { wantsCode } from "./wanted.ts";

const ArtifactExec = z
  .strictObject({
    ...artifactFields,
    entrypoint: z.string().min(1).optional().describe("One of the artifact's entrypoints"),
    args: z
      .array(z.string().refine((text) => !text.includes("\0"), "must not contain NUL"))
      .max(1000)
      .optional()
      .describe("Given to it as they are; no shell reads them"),
    approval_ref: ApprovalRef.optional(),
    network: NetworkNone.optional(),
    credential_env: CredentialEnvArgument,
    intent: z.string().max(1000).optional().describe("What it is for, in one sentence, for people"),
  })
  .superRefine((args, check) => {
    if (args.approval_ref !== undefined) return;
    checkNamed(args, check);
    if (args.entrypoint !== undefined) return;
    const message = "expected one of the artifact's entrypoints";
    check.addIssue({ code: "custom", path: ["entrypoint"], message });
  });
type ArtifactExec = z.infer<typeof ArtifactExec>;

export const artifactExec: Tool<ArtifactExec> = {
  name: "artifact_exec",
  description:
    "Starts an entrypoint of an artifact, in a sandbox that has the artifact's files and layers, nothing else, and no network, unless you have NetworkAccess or a person approves what its files would reach.",
  input: ArtifactExec,
  repeatable: false,
  capability: "CodeExecution",
  wants: ({ entrypoint, args = [], network, credential_env, ...named }) =>
    wantsCode({
      artifact: nameOf(named),
      entrypoint: entrypoint ?? null,
      args,
      network: network ?? "granted",
      secrets: secretsOf(credential_env),
    }),

  async run(args, context) {
    const name = nameOf(args);
    const artifact = await context.findArtifact(name);
    if (artifact === undefined) return { result: artifactNotFound(name) };
    const { entrypoint } = args;
    assert(entrypoint !== undefined, "a call without an entrypoint is answered from its approval");
    const start = { entrypoint, args: args.args ?? [] };
    return runInArtifact(context, artifact, start, secretsOf(args.credential_env));
  },
};
