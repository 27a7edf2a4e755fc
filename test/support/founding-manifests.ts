/**
 * What the manifests of the two founding agents say, and the shapes in which such a manifest is written. Their powers are
 * those of `founding-agents.ts`; the instructions are not theirs.
 */
import { stringify } from "yaml";
import { coder, packager } from "./founding-agents.ts";

const runtime = {
  ...{ engine: "autonoetic", gateway_version: "0.1.0", sdk_version: "0.1.0" },
  ...{ type: "stateful", sandbox: "bubblewrap", runtime_lock: "runtime.lock" },
};
const llm_config = {
  ...{ provider: "openrouter", model: "google/gemini-3-flash-preview", temperature: 0.1 },
};
const outputPolicy = (ms: number) => ({
  ...{ max_reply_length_chars: 2000, min_artifact_builds: 1 },
  repair: { auto: true, max_attempts: 1 },
  validation_max_duration_ms: ms,
});

export const foundingManifests = [
  {
    skill: {
      name: "coder.default",
      description: "Durable software engineering agent for reusable code and artifacts.",
    },
    manifest: {
      version: "1.0",
      runtime,
      agent: {
        id: "coder.default",
        name: "Coder Default",
        description:
          "Produces tested, minimal, and auditable code changes intended for reuse, review, or installation.",
      },
      llm_config,
      capabilities: coder.capabilities,
      validation: "soft",
      io: { output_policy: outputPolicy(60_000) },
    },
  },
  {
    skill: {
      name: "packager.default",
      description: "Build-time dependency resolution and artifact layering agent.",
    },
    manifest: {
      version: "1.0",
      runtime,
      agent: {
        id: "packager.default",
        name: "Packager Default",
        description: "Resolves and packages build-time dependencies into artifact layers.",
      },
      llm_config,
      capabilities: packager.capabilities,
      validation: "soft",
      io: { output_policy: outputPolicy(120_000) },
      remote_access: packager.remote_access,
    },
  },
];

type Founding = (typeof foundingManifests)[number];

const document = (frontmatter: object) => `---\n${stringify(frontmatter)}---\n\n# Work\n\nDo it.\n`;

/** Every way in which a manifest is written, by name. */
export const manifestShapes: Record<string, (one: Founding) => string> = {
  "YAML below metadata.autonoetic": ({ skill, manifest }) =>
    document({ ...skill, metadata: { autonoetic: manifest } }),
  "YAML below metadata.airlock": ({ skill, manifest }) =>
    document({ ...skill, metadata: { airlock: manifest } }),
  "metadata as one JSON text": ({ skill, manifest }) =>
    document({ ...skill, metadata: JSON.stringify({ autonoetic: manifest }) }),
  "metadata as JSON in the YAML itself": ({ skill, manifest }) =>
    `---\nname: ${skill.name}\ndescription: ${skill.description}\nmetadata: ${JSON.stringify({ autonoetic: manifest })}\n---\n\n# Work\n\nDo it.\n`,
  "metadata.autonoetic as a JSON text": ({ skill, manifest }) =>
    document({ ...skill, metadata: { autonoetic: JSON.stringify(manifest) } }),
  bare: ({ manifest }) => document(manifest),
};
