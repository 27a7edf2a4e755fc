import { z } from "zod";
import { AgentId, Capability } from "./agent.ts";
import { AgentIo, LlmConfig, OutputPolicy } from "./agent-parts.ts";
import { McpServers } from "./mcp-server.ts";
import { RemoteAccess } from "./remote-access.ts";
import { SecretName } from "./secret.ts";

const Text = z.string().min(1).max(1000);

/** Where an agent runs. Read for what people wrote in it; the gateway decides by itself. */
const ManifestRuntime = z.strictObject({
  engine: Text.optional(),
  gateway_version: Text.optional(),
  sdk_version: Text.optional(),
  type: z.enum(["stateful", "stateless"]).optional(),
  sandbox: z.enum(["bubblewrap", "bwrap"]).optional(),
  runtime_lock: Text.optional(),
});

const Background = z.strictObject({
  enabled: z.boolean(),
  interval_secs: z.int().min(1).optional(),
  mode: z.enum(["deterministic", "reasoning"]).optional(),
  wake_predicates: z.record(z.string(), z.boolean()).optional(),
  validate_on_install: z.boolean().optional(),
});

const Disclosure = z.strictObject({
  rules: z
    .array(
      z.strictObject({
        source: Text,
        path_pattern: Text.optional(),
        class: z.enum(["public", "internal", "confidential", "secret"]),
      }),
    )
    .max(256),
  default_class: z.enum(["public", "internal", "confidential", "secret"]).optional(),
});

/** What agents promised about their answers before there was `io.output_policy`. */
export const ResponseContract = OutputPolicy.omit({ repair: true })
  .extend({ validation_max_loops: z.int().min(1).max(8).optional() })
  .meta({ id: "ResponseContract" });

export const executionModes = ["reasoning", "script"] as const;

/** What `airlock agents init --script` writes a first script in; any program with a shebang will do. */
export const scriptLanguages = ["python", "javascript", "bash"] as const;
export type ScriptLanguage = (typeof scriptLanguages)[number];

/** The longest text that a manifest's instructions may be, bytes. */
export const instructionsBytesMax = 256 * 1024;

/**
 * The frontmatter of an agent's `SKILL.md`: top level, or below `metadata.autonoetic` or `metadata.airlock`, where
 * `metadata` may be an object or a JSON string. Unknown members are refused.
 */
export const AgentManifest = z
  .strictObject({
    version: z.string().optional(),
    runtime: ManifestRuntime.optional(),
    agent: z.strictObject({
      id: AgentId,
      name: z.string().min(1).max(128).optional(),
      description: z.string().max(1024).optional(),
    }),
    llm_config: LlmConfig.optional().describe("Required unless `execution_mode` is `script`"),
    capabilities: z.array(Capability).max(32),
    limits: z
      .strictObject({
        max_memory_mb: z.int().min(16).max(1_048_576).optional(),
        max_execution_time_sec: z.int().min(1).max(604_800).optional(),
        token_budget_monthly: z.int().min(1).optional(),
      })
      .optional(),
    background: Background.optional(),
    disclosure: Disclosure.optional(),
    io: AgentIo.optional(),
    middleware: z
      .strictObject({ pre_process: Text.optional(), post_process: Text.optional() })
      .optional(),
    execution_mode: z.enum(executionModes).optional(),
    script_entry: z.string().min(1).max(512).optional(),
    response_contract: ResponseContract.optional().describe(
      "The older form of `io.output_policy`, and read as that",
    ),
    validation: z.enum(["soft", "strict"]).optional(),
    remote_access: RemoteAccess.optional(),
    credential_env: z.array(SecretName).max(64).optional(),
    mcp_servers: McpServers.optional(),
  })
  .meta({ id: "AgentManifest" });
export type AgentManifest = z.infer<typeof AgentManifest>;
