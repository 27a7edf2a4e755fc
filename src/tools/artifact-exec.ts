import { z } from "zod";
import { artifactFields, artifactNotFound, checkNamed, nameOf } from "./artifact-named.ts";
import { runInArtifact } from "./in-artifact.ts";
import type { Tool } from "./tool.ts";

const ArtifactExec = z
  .strictObject({
    ...artifactFields,
    entrypoint: z.string().min(1).describe("One of the artifact's entrypoints"),
    args: z
      .array(z.string().refine((text) => !text.includes("\0"), "must not contain NUL"))
      .max(1000)
      .optional()
      .describe("Given to it as they are; no shell reads them"),
    intent: z.string().max(1000).optional().describe("What it is for, in one sentence, for people"),
  })
  .superRefine(checkNamed);
type ArtifactExec = z.infer<typeof ArtifactExec>;

export const artifactExec: Tool<ArtifactExec> = {
  name: "artifact_exec",
  description:
    "Starts an entrypoint of an artifact, in a sandbox that has the artifact's files and layers, nothing else, and no network.",
  input: ArtifactExec,
  repeatable: false,
  capability: "CodeExecution",
  need: ({ entrypoint, args = [] }) => ({
    ...{ type: "CodeExecution", command: null, shown: [entrypoint, ...args].join(" ") },
    ...{ findings: [], network: "none", installsFrom: null },
  }),

  async run(args, context) {
    const name = nameOf(args);
    const artifact = await context.findArtifact(name);
    if (artifact === undefined) return { result: artifactNotFound(name) };
    return runInArtifact(context, artifact, { entrypoint: args.entrypoint, args: args.args ?? [] });
  },
};
