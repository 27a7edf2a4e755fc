import { limits } from "../base/limits.ts";
import { mcpPrefix } from "../contract/mcp-server.ts";
import { decide } from "../policy/policy.ts";
import { agentScript, findTool, isOfTree, type Tool } from "../tools/tools.ts";
import type { Drive } from "./drive.ts";
import { mcpServersOf } from "./mcp-servers.ts";
import { mcpTool, wantsOf } from "./mcp-tool.ts";
import { scriptAgentOf } from "./script-agent.ts";

export interface ShownTools {
  tools: readonly Tool[];
  /** How many more it might call, which are too many to be shown. */
  hidden: number;
}

/** What the model is shown: the gateway's own tools, and those of its servers that some call could be allowed of. */
export async function shownTools(drive: Drive): Promise<ShownTools> {
  const { state } = drive.ledger;
  if (drive.mcp === undefined) return { tools: drive.tools, hidden: 0 };
  const remote: Tool[] = [];
  let hidden = 0;
  let bytes = 0;
  for (const server of mcpServersOf(state.snapshot)) {
    for (const listed of state.mcp.get(server.name)?.listed.tools ?? []) {
      if (decide(wantsOf(server, listed), drive.power).decision === "deny") continue;
      const size = Buffer.byteLength(JSON.stringify(listed));
      const isTooMuch = bytes + size > limits.mcpToolsShownBytes;
      if (isTooMuch || remote.length === limits.mcpToolsShown) {
        hidden += 1;
        continue;
      }
      bytes += size;
      remote.push(await mcpTool(drive, server, listed));
    }
  }
  return { tools: [...drive.tools, ...remote], hidden };
}

/**
 * The tool of this name, whether the agent may use it or not; the older dotted spelling is understood. A tool of a server
 * never stands in the place of one of the gateway's own, and the run of a script agent has one tool, which no other has.
 */
export async function findRunTool(drive: Drive, name: string): Promise<Tool | undefined> {
  if (scriptAgentOf(drive.ledger.state.snapshot) !== undefined) {
    return name === agentScript.name ? agentScript : undefined;
  }
  const { agent } = drive.ledger.state.snapshot;
  // What needs no capability is not refused by the policy, so who is not given it must not find it by its name either.
  if (agent?.llm_config?.chat_only === true) return undefined;
  const own = findTool(name);
  if (own !== undefined && agent === undefined && isOfTree(own)) return undefined;
  if (own !== undefined || drive.mcp === undefined) return own;
  const { state } = drive.ledger;
  const spelling = name.replaceAll(".", "_");
  const server = mcpServersOf(state.snapshot).find((one) =>
    spelling.startsWith(mcpPrefix(one.name)),
  );
  const listed = server && state.mcp.get(server.name)?.listed;
  const tool = listed?.tools.find((one) => one.name === spelling);
  return server && tool && mcpTool(drive, server, tool);
}
