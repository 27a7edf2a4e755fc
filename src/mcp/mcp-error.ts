import { limits } from "../base/limits.ts";
import type { McpErrorCode } from "../contract/mcp-server.ts";

/**
 * Why a server did not do what it was asked. The message may quote the server: it is bounded here, and shortened by whoever
 * shows it, once secrets are cut out of it.
 */
export class McpError extends Error {
  override name = "McpError";
  readonly code: McpErrorCode;

  constructor(code: McpErrorCode, message: string, options?: ErrorOptions) {
    super(clip(message, limits.eventStringBytes / 4), options);
    this.code = code;
  }
}

/** The first characters of a text, never half of one. */
export function clip(text: string, most: number): string {
  return text.length <= most ? text : `${text.slice(0, most - 1).toWellFormed()}…`;
}
