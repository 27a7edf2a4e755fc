import type { Config } from "../base/config.ts";
import { type McpServer, mcpNameProblem } from "../contract/mcp-server.ts";
import { Problem } from "../contract/problem.ts";
import type { RunSnapshot } from "../contract/submission.ts";
import { checkUpstreamUrl } from "../egress/egress.ts";
import { mcpServersOf } from "./mcp-servers.ts";
import type { WorkspaceVault } from "./opened-secrets.ts";

interface Submitted {
  mcpServers?: McpServer[] | undefined;
  agent?: RunSnapshot["agent"] | undefined;
  /** The secrets that come with the run. */
  env?: Record<string, string> | undefined;
}

/**
 * Checks the MCP servers of a run and of its agent at submission: each has an address that the gateway would connect to,
 * and a secret that is there. Throws `invalid_request` with the field.
 */
export async function checkMcpServers(
  deps: { workspace: WorkspaceVault; privateHosts: Config["privateHosts"] },
  workspaceId: string,
  { mcpServers, agent, env = {} }: Submitted,
): Promise<void> {
  const declared = mcpServersOf({
    ...(mcpServers === undefined ? {} : { mcpServers }),
    ...(agent === undefined ? {} : { agent }),
  });
  const fieldOf = (server: McpServer) => {
    const at = mcpServers?.indexOf(server) ?? -1;
    if (at >= 0) return `mcpServers[${at}]`;
    return `agent.mcp_servers[${agent?.mcp_servers?.indexOf(server)}]`;
  };
  const twice = mcpNameProblem(declared);
  const wrong = twice && declared[twice.index];
  if (wrong !== undefined) throw invalid(`${fieldOf(wrong)}.name`, twice?.message ?? "");
  for (const server of declared) {
    const field = fieldOf(server);
    checkUpstreamUrl(`${field}.url`, server.url, deps.privateHosts);
    const { secret } = server;
    if (secret === undefined || Object.hasOwn(env, secret)) continue;
    if ((await deps.workspace.value(workspaceId, secret)) !== undefined) continue;
    throw invalid(
      `${field}.secret`,
      `neither the run (secrets.env) nor its workspace has a secret ${JSON.stringify(secret)}; set it with airlock secrets set ${secret}`,
    );
  }
}

function invalid(path: string, message: string): Problem {
  return new Problem("invalid_request", `${path}: ${message}`, { fields: [{ path, message }] });
}
