import type { Capability } from "../contract/agent.ts";
import { type McpServer, mcpPrefix } from "../contract/mcp-server.ts";
import type { RunSnapshot } from "../contract/submission.ts";

export type Declared = Pick<RunSnapshot, "agent" | "mcpServers">;

/**
 * The servers of a run: those of its submission, and those of its agent's manifest. Where both name one, that of the
 * submission stands for it. A run inherits none from the one that started it: declaring a server is the permission to
 * reach it, which only a submitter and an installed manifest give.
 */
export function mcpServersOf({ agent, mcpServers = [] }: Declared): McpServer[] {
  const named = new Set(mcpServers.map(({ name }) => name));
  const ofAgent = (agent?.mcp_servers ?? []).filter(({ name }) => !named.has(name));
  return [...mcpServers, ...ofAgent];
}

/** host:port, as approvals and decisions name it. */
export function hostOf({ url }: Pick<McpServer, "url">): string {
  const { hostname, port, protocol } = new URL(url);
  return `${hostname}:${port || (protocol === "https:" ? 443 : 80)}`;
}

/** The built-in agent may ask for the tools of the servers that its submission declares: nobody else did. */
export function ofSubmission(mcpServers: Declared["mcpServers"] = []): Capability[] {
  if (mcpServers.length === 0) return [];
  return [{ type: "SandboxFunctions", allowed: mcpServers.map(({ name }) => mcpPrefix(name)) }];
}
