import { z } from "zod";
import { AgentId } from "./agent.ts";
import { Digest } from "./ids.ts";
import { AgentManifest } from "./manifest.ts";

/** A note about a manifest that is in force all the same. */
export const ManifestNote = z
  .object({
    line: z.int().nullable().describe("Of SKILL.md, from 1"),
    path: z.string(),
    message: z.string(),
    remedy: z.string(),
  })
  .meta({ id: "ManifestNote" });
export type ManifestNote = z.infer<typeof ManifestNote>;

/** What is wrong with an agent, as the details of `agent_invalid` list it. */
export const AgentProblem = z
  .object({
    line: z.int().nullable().describe("Of SKILL.md, from 1; null: it is about another file"),
    column: z.int().nullable(),
    path: z.string().describe("In the manifest, as in `capabilities.0.patterns`"),
    message: z.string(),
    remedy: z.string(),
  })
  .meta({ id: "AgentProblem" });
export type AgentProblem = z.infer<typeof AgentProblem>;

/** One file of an agent's folder. */
export const AgentFile = z
  .object({ path: z.string(), sha256: Digest, bytes: z.int(), executable: z.boolean() })
  .meta({ id: "AgentFile" });
export type AgentFile = z.infer<typeof AgentFile>;

/** An agent of a workspace, by its active revision. */
export const Agent = z
  .object({
    id: AgentId,
    name: z.string(),
    description: z.string(),
    origin: z
      .enum(["installed", "reference"])
      .describe("`reference`: it comes with the gateway; an installed one of the same id hides it"),
    revision: Digest.describe("Of SKILL.md and every file beside it"),
    number: z.int().describe("Of the revision, from 1"),
    execution_mode: z.enum(["reasoning", "script"]),
    model: z.string().nullable().describe("What its manifest asks for; null: a script"),
    manifest: AgentManifest,
    createdAt: z.iso.datetime().nullable().describe("null: reference"),
    createdBy: z.string().nullable(),
  })
  .meta({ id: "Agent" });
export type Agent = z.infer<typeof Agent>;

/** The same with its text and files. */
export const AgentDetail = Agent.extend({
  instructions: z.string(),
  files: z.array(AgentFile),
  runtime_lock: z.string().describe("Made by the gateway"),
  notes: z.array(ManifestNote),
  revisions: z.array(z.object({ revision: Digest, number: z.int(), createdAt: z.iso.datetime() })),
}).meta({ id: "AgentDetail" });
export type AgentDetail = z.infer<typeof AgentDetail>;
