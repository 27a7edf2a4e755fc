import { z } from "zod";
import { AgentIo } from "./agent-parts.ts";
import { McpServers } from "./mcp-server.ts";
import { RemoteAccess } from "./remote-access.ts";
import { SecretName } from "./secret.ts";

/** What an agent may do, in the manifest's own words (snake_case, tagged by `type`, unknown members refused). */
const Scopes = z
  .array(
    z
      .string()
      .regex(
        /^(\*|self\.\*|[A-Za-z0-9_][A-Za-z0-9_./-]*\*?)$/,
        "expected *, self.*, a content name or a name prefix ending in *",
      ),
  )
  .min(1)
  .max(64);

/**
 * A host that may be reached: `example.org`, `example.org:8443`, `*.example.org` (what is below it), an address, or `*`.
 * Without a port, 443 and 80.
 */
export const NetworkHost = z
  .string()
  .max(300)
  .regex(/^(\*|(\*\.)?[A-Za-z0-9_]([A-Za-z0-9_.-]*[A-Za-z0-9_])?|\[[0-9A-Fa-f:.]+\])(:\d{1,5})?$/, {
    error: ({ input }) =>
      `${JSON.stringify(input)} is no host: expected example.org, example.org:8443, *.example.org or *, without https://`,
  });

const Name = z.string().min(1).max(200);

/** An agent's id, what ids start with (`coder.*`), or `*`. */
const AgentPattern = z
  .string()
  .regex(
    /^(\*|[A-Za-z0-9_-][A-Za-z0-9_.-]*\*?)$/,
    "expected an agent's id, a prefix ending in *, or *",
  );

/** Letters, digits, - and _, in parts joined by dots: `coder.default`. */
export const AgentId = z
  .string()
  .regex(
    /^[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*$/,
    "expected letters, digits, - and _, in parts joined by dots",
  )
  .max(128)
  .meta({ id: "AgentId" });

export const Capability = z
  .discriminatedUnion("type", [
    z.strictObject({ type: z.literal("ReadAccess"), scopes: Scopes }),
    z.strictObject({ type: z.literal("WriteAccess"), scopes: Scopes }),
    z.strictObject({
      type: z.literal("CodeExecution"),
      patterns: z
        .array(z.string().min(1).max(1000))
        .min(1)
        .max(256)
        .describe(
          "Commands that may be run: `python3 ` is that program with any arguments, `npm install` also its first words, * every command",
        ),
    }),
    z.strictObject({
      type: z.literal("NetworkAccess"),
      hosts: z
        .array(NetworkHost)
        .max(256)
        .describe(
          "What commands may reach; everything else stays out of reach. * is any public host",
        ),
    }),
    z.strictObject({
      type: z.literal("SandboxFunctions"),
      allowed: z
        .array(Name)
        .max(256)
        .describe("MCP tools and SDK calls: a name, or what it starts with, as in `knowledge.`"),
    }),
    z.strictObject({
      type: z.literal("AgentSpawn"),
      max_children: z.int().min(1).max(10_000),
      agents: z.array(AgentPattern).max(256).optional().describe("Default: every agent"),
    }),
    z.strictObject({ type: z.literal("AgentMessage"), patterns: z.array(AgentPattern).max(256) }),
    z.strictObject({
      type: z.literal("BackgroundReevaluation"),
      min_interval_secs: z.int().min(1),
      allow_reasoning: z.boolean(),
    }),
    z.strictObject({ type: z.literal("EmergencyStop") }),
    z.strictObject({
      type: z.literal("AgentInstall"),
      agents: z.array(AgentPattern).max(256).optional().describe("Default: every agent"),
    }),
    z.strictObject({ type: z.literal("PromotionRecord"), role: z.enum(["evaluator", "auditor"]) }),
  ])
  .meta({ id: "Capability" });
export type Capability = z.infer<typeof Capability>;

/**
 * An agent carried by a submission: instructions and exactly the power it may use. Without one, a run uses the built-in
 * agent: code in the sandbox, its own content, no network.
 */
export const InlineAgent = z
  .strictObject({
    id: AgentId.optional(),
    name: z.string().min(1).max(128).optional(),
    description: z.string().max(1024).optional(),
    instructions: z.string().min(1),
    capabilities: z.array(Capability).max(32),
    remote_access: RemoteAccess.optional(),
    credential_env: z
      .array(SecretName)
      .max(64)
      .optional()
      .describe(
        "The secrets that its calls may ask to have in their environment. Default: every one, and a person is asked about each",
      ),
    limits: z
      .strictObject({
        max_memory_mb: z.int().min(16).max(1_048_576).optional(),
        max_execution_time_sec: z.int().min(1).max(604_800).optional(),
      })
      .optional(),
    io: AgentIo.optional(),
    mcp_servers: McpServers.optional(),
  })
  .meta({ id: "InlineAgent" });
export type InlineAgent = z.infer<typeof InlineAgent>;
