import type { Socket } from "node:net";

import type { Clock } from "../base/clock.ts";
import { limits } from "../base/limits.ts";
import type { Log } from "../base/log.ts";
import type { Target } from "./host-name.ts";
import { openReach } from "./reach.ts";
import type { Resolver } from "./resolve.ts";
import { openSecured } from "./secured.ts";
import { upstreamList } from "./upstream-list.ts";
import { type Connection, openPool, type Upstream } from "./upstream-pool.ts";
import { type UpstreamReason, UpstreamRefused } from "./upstream-refused.ts";

export interface UpstreamsOptions {
  /** Names, addresses and CIDRs that may be upstreams although they are not of the public internet. */
  privateHosts: readonly string[];
  /** The proxy that this machine needs to reach the internet; what the operator lists is dialled directly. */
  upstreamProxy?: URL;
  /** Certificate authorities beside those that Node trusts, as PEM. */
  authorities?: readonly string[];
  resolver?: Resolver;
  clock: Clock;
  log: Log;
  /** For name, address and TLS together; that of `limits` unless given. */
  connectMs?: number;
}

export interface Upstreams {
  /**
   * A new pool, which nobody else ever gets: a connection that was opened for one credential carries no other (H20).
   * Never throws: a URL that may be no upstream is refused at each request.
   */
  open(baseUrl: URL): Upstream;
  /** Cuts the connections of all pools; later requests are refused. */
  close(): void;
}

/**
 * Opens the way to upstreams (H09, H10). Every new connection is decided on before anything is resolved, its name is
 * resolved once, every address is checked, a checked one is dialled, and TLS is verified for the name in the URL. A
 * connection that is kept was checked when it was made.
 */
export function openUpstreams(options: UpstreamsOptions): Upstreams {
  const { clock, log, connectMs = limits.egressConnectMs } = options;
  const list = upstreamList(options.privateHosts);
  const closing = new AbortController();
  const sockets = new Set<Socket>();
  const hold = (socket: Socket) => {
    sockets.add(socket);
    socket.once("close", () => sockets.delete(socket));
    if (closing.signal.aborted) socket.destroy();
  };
  const reach = openReach({ ...options, connectMs }, list, hold, closing.signal);
  const secured = openSecured(options.authorities ?? []);

  async function connect(target: Target, secure: boolean, gone: AbortSignal): Promise<Connection> {
    const refuse = (reason: UpstreamReason, more?: { address: string | null; code?: string }) =>
      new UpstreamRefused(target, reason, more);
    if (closing.signal.aborted || gone.aborted) throw refuse("call_ended");
    // Without TLS anybody on the way could answer, or read the credential.
    if (!secure && !list.allowsPrivate(target, target.host.text)) throw refuse("not_listed");
    const late = AbortSignal.timeout(connectMs);
    const reached = await reach(target, gone);
    if (!reached.ok) throw refuse(reached.reason);
    const { host, address } = reached;
    if (!secure) return { socket: host, address };
    try {
      const signal = AbortSignal.any([closing.signal, gone, late]);
      return { socket: await secured(host, target, signal), address };
    } catch (error) {
      host.destroy();
      if (closing.signal.aborted || gone.aborted) throw refuse("call_ended", { address });
      if (late.aborted) throw refuse("timed_out", { address });
      throw refuse("tls", { address, ...codeOf(error) });
    }
  }

  return {
    open(baseUrl) {
      return openPool(baseUrl, async (target, secure, gone) => {
        const from = clock.monotonic();
        const { hostname } = baseUrl;
        try {
          const made = await connect(target, secure, gone);
          const ms = clock.monotonic() - from;
          log.debug({ host: hostname, address: made.address, ms }, "upstream.connected");
          return made;
        } catch (error) {
          const reason = error instanceof UpstreamRefused ? error.reason : undefined;
          log.debug({ host: hostname, reason }, "upstream.refused");
          throw error;
        }
      });
    },
    close() {
      closing.abort();
      for (const socket of sockets) socket.destroy();
    },
  };
}

function codeOf(error: unknown): { code?: string } {
  const code = error instanceof Error && "code" in error ? error.code : undefined;
  return typeof code === "string" && /^[A-Z\d_]+$/.test(code) ? { code } : {};
}
