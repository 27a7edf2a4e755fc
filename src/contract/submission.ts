import { z } from "zod";
import { AgentId, Capability, InlineAgent } from "./agent.ts";
import { LlmConfig } from "./agent-parts.ts";
import { AgentsMdRef, FileRef, PinnedBundle, PinnedSkill, SkillRef } from "./bundle-ref.ts";
import { Environment } from "./environment.ts";
import { Digest, RunId } from "./ids.ts";
import { executionModes } from "./manifest.ts";
import { McpSecret, validateMcpSecrets } from "./mcp-secrets.ts";
import { McpServer, McpServers } from "./mcp-server.ts";
import { OutputDirs } from "./output-dirs.ts";
import { ProxyEndpointAuth, ProxyEndpointPolicy, validateProxyAuth } from "./proxy-endpoint.ts";
import { SecretName, SecretValue } from "./secret.ts";

/** A path of an input below `/workspace`: relative, forward slashes, no `.` or `..` or empty segment. */
export const InputPath = z
  .string()
  .min(1)
  .refine((path) => new TextEncoder().encode(path).length <= 512, "exceeds 512 bytes")
  .refine(
    (path) => !/[\0-\x1f\x7f\\]/.test(path),
    "must not contain control characters or a backslash",
  )
  .refine((path) => !path.startsWith("/"), "must be relative: it is placed in /workspace")
  .refine(
    (path) => path.split("/").every((part) => part !== "" && part !== "." && part !== ".."),
    "must not contain an empty, '.' or '..' segment",
  )
  .refine((path) => path.split("/").every((part) => new TextEncoder().encode(part).length <= 255), {
    error: "has a segment longer than 255 bytes",
  })
  .meta({ id: "InputPath" });

/**
 * One input file, placed in `/workspace` before the first call. Its bytes come from exactly one of: `content` (text),
 * `contentBase64`, or `slot`: the multipart part named `file:<slot>` of the same request.
 */
export const InputFile = z
  .strictObject({
    path: InputPath,
    content: z.string().optional(),
    contentBase64: z.base64().optional(),
    slot: z
      .string()
      .regex(/^[A-Za-z0-9_-]{1,64}$/, "expected 1 to 64 letters, digits, - or _")
      .optional(),
    sha256: Digest.optional().describe("When given, the bytes must have this digest"),
    executable: z.boolean().optional().describe("Mode 0755 in place of 0644"),
  })
  .refine(
    (file) =>
      [file.content, file.contentBase64, file.slot].filter((source) => source !== undefined)
        .length === 1,
    "must have exactly one of content, contentBase64 and slot",
  )
  .meta({ id: "InputFile" });
export type InputFile = z.infer<typeof InputFile>;

/** Limits of one run. Reaching one ends the run as `terminated` with a `stop_reason` of its own; outputs are kept. */
export const RunLimits = z
  .strictObject({
    wallClockSeconds: z.number().positive().max(2_592_000).optional(),
    turns: z.int().min(1).max(10_000).optional(),
    calls: z.int().min(1).max(100_000).optional(),
    outputTokens: z.int().min(1).max(100_000_000).optional(),
    diskBytes: z.int().min(1_048_576).max(1_099_511_627_776).optional(),
    memoryBytes: z.int().min(16_777_216).max(1_099_511_627_776).optional(),
    callSeconds: z.number().positive().max(86_400).optional(),
  })
  .meta({ id: "RunLimits" });
export type RunLimits = z.infer<typeof RunLimits>;

/**
 * What a run and everything that it starts may use up together. It is taken from before a model is asked, so the sum is
 * never above it; without enough left nothing is asked, and the run ends as `terminated` with `budget`.
 */
export const RunBudget = z
  .strictObject({
    tokens: z.int().min(1).max(100_000_000_000).optional().describe("Input and output, settled"),
    usd: z
      .number()
      .positive()
      .max(1_000_000)
      .optional()
      .describe("By the price table; a model without a price is not asked"),
    turns: z.int().min(1).max(1_000_000).optional(),
    calls: z.int().min(1).max(10_000_000).optional(),
    wallClockSeconds: z
      .number()
      .positive()
      .max(31_536_000)
      .optional()
      .describe("From the start of the first run, waiting included"),
  })
  .meta({ id: "RunBudget" });
export type RunBudget = z.infer<typeof RunBudget>;

/**
 * A duration: a number with `ms`, `s`, `m` or `h`, or of milliseconds. As `timeout` it is another spelling of
 * `limits.wallClockSeconds`.
 */
export const Timeout = z
  .string()
  .regex(/^\d+(\.\d+)?(ms|s|m|h)?$/, "expected a duration, such as 90s, 30m or 1h")
  .refine((text) => durationSeconds(text) > 0, "must be more than 0")
  .refine((text) => durationSeconds(text) <= 2_592_000, "must be at most 720h")
  .meta({ id: "Timeout" });

/** Seconds of a `Timeout`. */
export function durationSeconds(text: string): number {
  const [, number = "", unit = "ms"] = /^([\d.]+)(ms|s|m|h)?$/.exec(text) ?? [];
  return (Number(number) * { ms: 1, s: 1000, m: 60_000, h: 3_600_000 }[unit as "ms"]) / 1000;
}

/** What becomes of a run's directories when it has ended. Its secrets are destroyed in any case. */
export const Cleanup = z
  .strictObject({
    session: z
      .enum(["retain", "delete"])
      .optional()
      .describe("retain: they stay, for the operator to look at, until the run is deleted"),
  })
  .meta({ id: "Cleanup" });

const nonBlank = (text: string) => text.trim() !== "";

export const ModelId = z
  .string()
  .regex(
    /^[A-Za-z0-9][A-Za-z0-9._:@/-]{0,199}$/,
    "expected provider/model, or a bare claude-…, gpt-… or gemini-…",
  )
  .meta({ id: "ModelId" });

/** The model credential of this run only: sealed at rest, destroyed at its end, and stronger than the gateway's own. */
const ProviderSecret = z.strictObject({
  apiKey: z.string().min(8).max(4096),
  baseUrl: z
    .url({ protocol: /^https?$/, error: "expected https://host[:port][/path]" })
    .max(2048)
    .refine((text) => !/[@?#]/.test(text), "must not have user information, a query or fragment")
    .optional()
    .describe("In place of the provider's own address; a public one, unless the operator lists it"),
});

export const providers = [
  "anthropic",
  "openai",
  "google",
  "mistral",
  "deepseek",
  "openrouter",
] as const;
export type Provider = (typeof providers)[number];

export const RunSecrets = z
  .strictObject({
    ...(Object.fromEntries(providers.map((name) => [name, ProviderSecret.optional()])) as Record<
      Provider,
      z.ZodOptional<typeof ProviderSecret>
    >),
    proxyEndpointAuth: z
      .array(ProxyEndpointAuth)
      .max(64)
      .optional()
      .describe("The credentials of `proxyEndpoints`"),
    mcpServers: z
      .array(McpSecret)
      .max(16)
      .optional()
      .describe("Headers with which `mcpServers` of the submission are called"),
    env: z
      .record(SecretName, SecretValue)
      .refine((map) => Object.keys(map).length <= 64, "expected at most 64 secrets")
      .optional()
      .describe("Secrets of this run for `credential_env`, stronger than the workspace's own"),
  })
  .meta({ id: "RunSecrets" });
export type RunSecrets = z.infer<typeof RunSecrets>;

export const Metadata = z.record(z.string().min(1).max(128), z.json()).meta({ id: "Metadata" });

/** What a caller sends to `POST /api/runs`. Unknown members are refused. */
export const RunSubmission = z
  .strictObject({
    model: ModelId.optional().describe(
      "Of a run without an agent and of an inline agent; the manifest of an installed one names its own",
    ),
    fallbackModel: ModelId.optional().describe("Tried once the first model cannot answer"),
    prompt: z
      .union([
        z.string().refine(nonBlank, "must not be blank"),
        z.array(z.string().refine(nonBlank, "must not be blank")).min(1).max(1000),
      ])
      .optional(),
    message: z
      .string()
      .refine(nonBlank, "must not be blank")
      .optional()
      .describe("The same as `prompt`, as one says it to an agent"),
    input: z
      .json()
      .optional()
      .describe("In place of a message: JSON for an agent, checked against its `io.accepts`"),
    system: z.string().optional(),
    agent: z
      .union([AgentId, InlineAgent])
      .optional()
      .describe("The id of an agent, or one inline. Without agent and model: the lead agent"),
    grant: z
      .array(Capability)
      .max(32)
      .optional()
      .describe(
        "The most that the run and everything it spawns may do. Default: what its agent may",
      ),
    files: z
      .array(z.union([InputFile, FileRef]))
      .max(1000)
      .optional()
      .describe("Inputs that are placed in /workspace, and bundles that are mounted"),
    skills: z.array(SkillRef).max(64).optional(),
    agentsMd: z.array(AgentsMdRef).max(16).optional(),
    environment: Environment.optional(),
    outputDirs: OutputDirs.optional(),
    timeout: Timeout.optional(),
    cleanup: Cleanup.optional(),
    limits: RunLimits.optional(),
    budget: RunBudget.optional(),
    mcpServers: McpServers.optional(),
    metadata: Metadata.optional(),
    idempotencyKey: z
      .string()
      .max(255)
      .refine(nonBlank, "must not be blank")
      .optional()
      .describe("Also accepted as the header Idempotency-Key"),
    proxyEndpoints: z
      .array(ProxyEndpointPolicy)
      .max(64)
      .optional()
      .describe("The upstreams that the run may call, each with its policy"),
    secrets: RunSecrets.optional(),
  })
  .superRefine(({ prompt, message, input }, check) => {
    const given = [prompt, message, input].filter((one) => one !== undefined);
    if (given.length === 1) return;
    const error =
      given.length === 0
        ? "expected a prompt (or message, or input for an agent)"
        : "expected only one of prompt, message and input";
    check.addIssue({ code: "custom", path: ["prompt"], message: error });
  })
  .superRefine(({ proxyEndpoints = [], mcpServers = [], secrets }, check) => {
    for (const problem of [
      ...validateProxyAuth(proxyEndpoints, secrets?.proxyEndpointAuth),
      ...validateMcpSecrets(mcpServers, secrets?.mcpServers),
    ]) {
      check.addIssue({ code: "custom", ...problem });
    }
  })
  .meta({ id: "RunSubmission" });
export type RunSubmission = z.input<typeof RunSubmission>;

/** An input file as the run keeps it: by digest, wherever its bytes came from. */
export const PlacedFile = z.strictObject({
  path: z.string(),
  sha256: Digest,
  bytes: z.int(),
  executable: z.boolean(),
});
export type PlacedFile = z.infer<typeof PlacedFile>;

/** What a run without a model does: one program of an artifact, and then it ends. */
export const RunProgram = z.strictObject({
  artifact: z.string().describe("art_… or ar.…"),
  entrypoint: z.string().optional(),
  command: z.string().optional(),
  args: z.array(z.string()),
  prove: z.boolean().describe("Keep what came of it as evidence"),
});
export type RunProgram = z.infer<typeof RunProgram>;

/** The agent of a run, whole: what it is does not change when another revision is installed. */
export const RunAgent = InlineAgent.extend({
  revision: Digest.optional().describe("Of an installed agent; `id` is its id then"),
  execution_mode: z.enum(executionModes).optional(),
  script_entry: z.string().optional(),
  llm_config: LlmConfig.optional(),
  files: z.array(PlacedFile).optional().describe("Its folder, without SKILL.md"),
}).meta({ id: "RunAgent" });
export type RunAgent = z.infer<typeof RunAgent>;

/** The run that a fork goes on from. */
export const ForkedFrom = z.strictObject({
  run_id: RunId,
  turn: z.int(),
  head: z.string().describe("The hash of the last event that it remembers"),
  transcript: Digest.describe("The blob with what was said until then"),
});
export type ForkedFrom = z.infer<typeof ForkedFrom>;

/** The model of a run that has none. */
export const noModel = "none";

/**
 * The submission as the gateway understood it: parsed, normalised, defaults left out, without secrets. Its canonical JSON
 * is what an idempotency key is compared on, so spelling, key order and rotated credentials never make a new run.
 */
export const RunSnapshot = z
  .strictObject({
    model: z.string(),
    fallbackModel: z.string().optional(),
    prompt: z.array(z.string()),
    input: z.json().optional().describe("What a script agent is given; JSON"),
    inputChanges: z
      .array(z.string())
      .optional()
      .describe("How the input was made to fit what its agent accepts, in words without values"),
    system: z.string().optional(),
    agent: RunAgent.optional(),
    mappedModel: z
      .strictObject({ asked: z.string(), rule: z.string() })
      .optional()
      .describe("The operator gave another model than the agent's manifest asks for"),
    grant: z.array(Capability).optional(),
    files: z.array(PlacedFile).optional(),
    fileBundles: z.array(PinnedBundle).optional(),
    skills: z.array(PinnedSkill).optional(),
    agentsMd: z.array(PinnedBundle).optional(),
    environment: Environment.optional(),
    outputDirs: z.array(z.string()).optional(),
    cleanup: Cleanup.optional(),
    limits: RunLimits.optional(),
    budget: RunBudget.optional(),
    mcpServers: z.array(McpServer).optional(),
    metadata: Metadata.optional(),
    proxyEndpoints: z.array(ProxyEndpointPolicy).optional(),
    forked: ForkedFrom.optional(),
    program: RunProgram.optional().describe("In place of a model, which is then `none`"),
  })
  .meta({ id: "RunSnapshot" });
export type RunSnapshot = z.infer<typeof RunSnapshot>;
