import { z } from "zod";
import { SecretName } from "./secret.ts";

/**
 * A remote MCP server whose tools an agent may ask for, over HTTP: as `mcp_<name>_<tool>`, each gated by
 * `SandboxFunctions` and asked about unless it is listed in `preapproved`.
 */
export const McpServer = z
  .strictObject({
    name: z
      .string()
      .regex(/^[a-z][a-z0-9]*([_-][a-z0-9]+)*$/, "expected lower-case words joined by _ or -")
      .max(32),
    url: z
      .url({ protocol: /^https?$/, error: "expected https://host[:port][/path]" })
      .max(2048)
      .refine((text) => !/[@#]/.test(text), "must not have user information or a fragment"),
    transport: z
      .literal("http")
      .optional()
      .describe("Streamable HTTP, which is the only one; it may be left out"),
    secret: SecretName.optional().describe(
      "A secret of the run (secrets.env) or of the workspace, sent as Authorization: Bearer",
    ),
    preapproved: z
      .array(z.string().min(1).max(200))
      .max(256)
      .optional()
      .describe("Tools that nobody is asked about: a name, a prefix ending in *, or *"),
  })
  .meta({ id: "McpServer" });
export type McpServer = z.infer<typeof McpServer>;

/** What the names of a server's tools begin with. */
export function mcpPrefix(server: string): string {
  return `mcp_${server.replaceAll("-", "_")}_`;
}

/**
 * What is wrong with servers that stand side by side: two of one name, or one whose name begins another's, so that a rule
 * for the tools of the first would cover those of the second.
 */
export function mcpNameProblem(
  servers: readonly Pick<McpServer, "name">[],
): { index: number; message: string } | undefined {
  for (const [index, { name }] of servers.entries()) {
    for (const other of servers.slice(0, index)) {
      const [short, long] =
        other.name.length <= name.length ? [other.name, name] : [name, other.name];
      if (short === long) return { index, message: `${name} is declared twice` };
      if (!mcpPrefix(long).startsWith(mcpPrefix(short))) continue;
      const message = `what covers the tools of ${short} would cover those of ${long} as well; expected a name that does not begin another`;
      return { index, message };
    }
  }
  return undefined;
}

/** The servers of one declaration. */
export const McpServers = z
  .array(McpServer)
  .max(16)
  .superRefine((servers, check) => {
    const problem = mcpNameProblem(servers);
    if (problem === undefined) return;
    check.addIssue({
      code: "custom",
      path: [problem.index, "name"],
      message: problem.message,
    });
  });

/** Why a server has told of no tools, or a call has no answer. */
export const mcpErrorCodes = [
  "not_covered",
  "secret_missing",
  "refused",
  "unreachable",
  "unauthorized",
  "timed_out",
  "too_large",
  "protocol",
  "server_error",
] as const;
export type McpErrorCode = (typeof mcpErrorCodes)[number];

/** One tool of a server, as models are shown it in this run. */
export const McpTool = z.object({
  name: z.string().describe("For models: `mcp_<server>_<tool>`, unique in the run"),
  tool: z.string().describe("What the server calls it"),
  description: z.string().describe("The server's own words, shortened"),
  input_schema: z.record(z.string(), z.unknown()),
});
export type McpTool = z.infer<typeof McpTool>;

/** What one server said when it was asked for its tools; the run keeps to it from then on. */
export const McpListed = z.object({
  server: z.string(),
  host: z.string().describe("host:port"),
  protocol: z.string().nullable().describe("The version of MCP that both speak"),
  tools: z.array(McpTool),
  left_out: z
    .array(z.object({ tool: z.string(), reason: z.string() }))
    .optional()
    .describe("Tools that models are not shown, the first of them"),
  error: z
    .object({ code: z.enum(mcpErrorCodes), message: z.string() })
    .nullable()
    .describe("It told of none; it is asked again at a later turn, a few times"),
});
export type McpListed = z.infer<typeof McpListed>;
