import type { Clock } from "../base/clock.ts";
import type { Config } from "../base/config.ts";
import type { Log } from "../base/log.ts";
import type { McpServer } from "../contract/mcp-server.ts";
import {
  type BearerFetch,
  CredentialUnfit,
  openBearerFetch,
  openUpstreams,
  UpstreamRefused,
} from "../egress/egress.ts";
import { type McpClient, McpError, openMcpClient } from "../mcp/mcp.ts";

/** The clients of one drive of a run: opened when they are needed, gone with it. A run that waits holds none (I12). */
export interface McpClients {
  of(server: McpServer): McpClient;
  /** Ends their sessions and cuts their connections. */
  close(): Promise<void>;
}

export interface McpClientsOptions {
  config: Pick<Config, "privateHosts" | "upstreamProxy">;
  /** What this machine trusts besides what Node brings, as PEM. */
  authorities: readonly string[];
  /** The value of a secret in the moment in which it is spent; undefined: there is none. */
  secret: (name: string) => Promise<string | undefined>;
  /** The headers of a server that came with the run, in the moment in which they are spent. */
  headers: (server: string) => Record<string, string> | undefined;
  clock: Clock;
  log: Log;
}

export function openMcpClients(options: McpClientsOptions): McpClients {
  const { config, authorities, clock, log } = options;
  const { privateHosts, upstreamProxy } = config;
  const proxy = upstreamProxy === undefined ? {} : { upstreamProxy };
  const upstreams = openUpstreams({ privateHosts, ...proxy, authorities, clock, log });
  const open = new Map<string, { client: McpClient; door: BearerFetch }>();
  return {
    of(server) {
      const found = open.get(server.name);
      if (found !== undefined) return found.client;
      const door = openBearerFetch(upstreams, server.url, spender(options, server), () =>
        options.headers(server.name),
      );
      const client = openMcpClient({ reach: reachOf(door, server), clock, log });
      open.set(server.name, { client, door });
      return client;
    },
    async close() {
      await Promise.all([...open.values()].map(({ client }) => client.close()));
      for (const { door } of open.values()) door.close();
      open.clear();
      upstreams.close();
    },
  };
}

function spender(
  options: McpClientsOptions,
  { secret }: McpServer,
): (() => Promise<string>) | undefined {
  if (secret === undefined) return undefined;
  return async () => {
    const value = await options.secret(secret);
    if (value !== undefined) return value;
    const message = `Neither the run nor its workspace has the secret ${secret}`;
    throw new McpError("secret_missing", message);
  };
}

/** What keeps a request from its server, in words that neither the server nor a credential has a part in. */
function reachOf(door: BearerFetch, { secret }: McpServer) {
  return async (init: RequestInit & { signal: AbortSignal }): Promise<Response> => {
    try {
      return await door.fetch(init);
    } catch (error) {
      init.signal.throwIfAborted();
      if (error instanceof CredentialUnfit) {
        throw new McpError(
          "secret_missing",
          `The secret ${secret} cannot be sent: ${error.message}`,
        );
      }
      const cause = error instanceof TypeError ? error.cause : undefined;
      if (cause instanceof UpstreamRefused) {
        throw new McpError(cause.isFinal ? "refused" : "unreachable", cause.message, { cause });
      }
      if (!(error instanceof TypeError)) throw error;
      throw new McpError("unreachable", "The connection broke before there was an answer", {
        cause: error,
      });
    }
  };
}
