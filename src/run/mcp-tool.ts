import { z } from "zod";
import { limits } from "../base/limits.ts";
import type { McpErrorCode, McpServer, McpTool } from "../contract/mcp-server.ts";
import { clip, McpError } from "../mcp/mcp.ts";
import { type Need, prefixCovers } from "../policy/policy.ts";
import { failure, type Tool, type ToolContext, type ToolOutcome } from "../tools/tools.ts";
import type { Drive } from "./drive.ts";
import { mcpOutcome } from "./mcp-outcome.ts";
import { hostOf } from "./mcp-servers.ts";

/** The server judges arguments by itself; here they only have to be an object. */
const Arguments = z.record(z.string(), z.unknown());
type Arguments = z.infer<typeof Arguments>;

/** The power that a call of this tool needs. */
export function wantsOf(
  server: McpServer,
  { name, tool }: Pick<McpTool, "name" | "tool">,
): Extract<Need, { type: "SandboxFunctions" }> {
  const preapproved = (server.preapproved ?? []).some((pattern) => prefixCovers(pattern, tool));
  return {
    ...{ type: "SandboxFunctions", name },
    remote: { server: server.name, host: hostOf(server), preapproved },
  };
}

/** A tool of a server as the corridor calls it. It is not repeatable: what a server has done once, it would do twice. */
export async function mcpTool(
  drive: Pick<Drive, "mcp" | "record" | "secrets">,
  server: McpServer,
  listed: McpTool,
): Promise<Tool> {
  const { name, tool, description, input_schema } = (await drive.record.restore(listed)) as McpTool;
  const said = description === "" ? "says nothing of it" : `says of it: ${description}`;
  const remote = {
    ...{ server: server.name, url: server.url, secret: server.secret ?? null },
    ...{ tool, description, schema: input_schema },
  };
  return {
    name,
    description: `The tool ${JSON.stringify(tool)} of the MCP server ${server.name} (${hostOf(server)}), which ${said}`,
    input: Arguments,
    remote,
    repeatable: false,
    capability: "SandboxFunctions",
    wants: () => wantsOf(server, { name, tool }),
    run: (args, context) => call(drive, server, listed, args as Arguments, context),
  };
}

async function call(
  { mcp, record, secrets }: Pick<Drive, "mcp" | "record" | "secrets">,
  server: McpServer,
  listed: McpTool,
  args: Arguments,
  context: ToolContext,
): Promise<ToolOutcome> {
  const { tool, input_schema } = (await record.restore(listed)) as McpTool;
  const ms = context.limits.timeoutMs;
  try {
    const client = mcp?.of(server);
    if (client === undefined) throw new McpError("unreachable", "The run is over");
    const given = await client.callTool(
      {
        ...{ tool, arguments: args, inputSchema: input_schema, ms },
        onProgress: context.onProgress,
      },
      context.cut,
    );
    return await mcpOutcome(server.name, given, context);
  } catch (error) {
    // The run is stopped; else only the approval was taken back.
    context.signal.throwIfAborted();
    if (context.cut.aborted) return { result: revoked };
    if (!(error instanceof McpError)) throw error;
    // Before it is shortened: half of a secret would not be found (I6).
    const message = secrets.redactor("transcript").text(error.message);
    return { result: toldError(server, error.code, clip(message, limits.mcpErrorChars)) };
  }
}

const revoked = failure(
  "permission",
  "The approval of this call was taken back while the server was at work: it may have done some, all or none of it",
  "Look at what is there before you do anything else",
  { approval_revoked: true },
);

/** What could not be asked at all has done nothing; of everything else nobody knows. */
function toldError(server: McpServer, code: McpErrorCode, message: string): ToolOutcome["result"] {
  const where = `The MCP server ${server.name} (${hostOf(server)}) gave no result`;
  const surelyNot = code === "secret_missing" || code === "refused" || code === "unauthorized";
  const hint = surelyNot
    ? "Nothing was done there. Go on without it, and say that it was not available"
    : "It may have done some, all or none of it: look at what is there before you call again";
  return failure("resource", `${where}: ${message}`, hint, { error_kind: `mcp_${code}` });
}
