import { headerValue } from "./session.ts";

const token = /^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,100}$/;

/**
 * The arguments that a server wants in headers as well (`x-mcp-header` in the schema of a property), so that what stands
 * before it can look at them. Only plain values; what is marked wrongly is not sent, and the server complains.
 */
export function parameterHeaders(
  schema: Record<string, unknown>,
  args: Record<string, unknown>,
): Record<string, string> {
  const headers: Record<string, string> = {};
  const { properties } = schema;
  if (typeof properties !== "object" || properties === null) return headers;
  for (const [name, property] of Object.entries(properties as Record<string, unknown>)) {
    if (typeof property !== "object" || property === null) continue;
    const value = Object.hasOwn(args, name) ? args[name] : undefined;
    const { "x-mcp-header": header } = property as Record<string, unknown>;
    if (typeof header === "string" && token.test(header) && isPlain(value)) {
      headers[`mcp-param-${header.toLowerCase()}`] = headerValue(String(value));
    }
    if (typeof value === "object" && value !== null && !Array.isArray(value)) {
      const below = parameterHeaders(
        property as Record<string, unknown>,
        value as Record<string, unknown>,
      );
      Object.assign(headers, below);
    }
  }
  return headers;
}

function isPlain(value: unknown): boolean {
  return typeof value === "string" || typeof value === "boolean" || Number.isSafeInteger(value);
}
