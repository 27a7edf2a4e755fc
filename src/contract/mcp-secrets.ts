import { z } from "zod";
import type { McpServer } from "./mcp-server.ts";
import { SecretValue } from "./secret.ts";

/** Headers that the protocol or the connection has its own say about. */
const ownHeaders =
  /^(accept|connection|content-(length|type|encoding)|expect|host|keep-alive|last-event-id|mcp-.*|proxy-.*|te|trailer|transfer-encoding|upgrade)$/i;

/** The headers with which one MCP server of a submission is called: spent there, and written down nowhere. */
export const McpSecret = z.strictObject({
  name: z.string().min(1).max(64),
  url: z.string().min(1).max(2048).describe("The same as the server's own, byte by byte"),
  headers: z
    .record(
      z
        .string()
        .regex(/^[A-Za-z0-9!#$%&'*+.^_`|~-]{1,64}$/, "expected the name of a header")
        .refine((name) => !ownHeaders.test(name), "is a header of the protocol's own"),
      SecretValue.refine((value) => !/[^\t\x20-\x7e\x80-\xff]/.test(value), {
        error: "has a line break or what is not Latin-1, which no header can carry",
      }),
    )
    .refine((map) => Object.keys(map).length <= 16, "expected at most 16 headers")
    .refine(
      (map) =>
        new Set(Object.keys(map).map((name) => name.toLowerCase())).size ===
        Object.keys(map).length,
      "has a header twice",
    ),
});
export type McpSecret = z.infer<typeof McpSecret>;

/** What is wrong with the credentials of a submission's servers, each by the place of the credential. */
export function validateMcpSecrets(
  servers: readonly McpServer[],
  secrets: readonly McpSecret[] = [],
): { path: (string | number)[]; message: string }[] {
  const declared = new Map(servers.map((server) => [server.name, server]));
  const seen = new Set<string>();
  return secrets.flatMap(({ name, url, headers }, at) => {
    const path = ["secrets", "mcpServers", at];
    const shown = JSON.stringify(name);
    if (seen.has(name)) return [{ path: [...path, "name"], message: `${shown} is there twice` }];
    seen.add(name);
    const server = declared.get(name);
    if (server === undefined) {
      return [{ path: [...path, "name"], message: `mcpServers declares no server ${shown}` }];
    }
    // Another spelling may be another server to somebody on the way.
    if (server.url !== url) {
      const message = `is not the URL that mcpServers declares for ${shown}, byte by byte`;
      return [{ path: [...path, "url"], message }];
    }
    const twice = Object.keys(headers).find((header) => header.toLowerCase() === "authorization");
    if (server.secret === undefined || twice === undefined) return [];
    const message = `the server ${shown} has a secret that is its Authorization; expected one of the two`;
    return [{ path: [...path, "headers", twice], message }];
  });
}
