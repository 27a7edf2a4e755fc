/**
 * MCP: a client of remote MCP servers, over streamable HTTP. It is told how to reach a server and touches neither the
 * network nor a credential by itself. Whatever a server says is a stranger's word: parsed, bounded, and never obeyed.
 */
export { type CallFile, type CallResult, readCallResult } from "./call-result.ts";
export { fitTools } from "./fit-tools.ts";
export { clip, McpError } from "./mcp-error.ts";
export {
  type McpClient,
  type McpClientOptions,
  openMcpClient,
  type Progress,
} from "./open-client.ts";
