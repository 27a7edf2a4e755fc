import { constants } from "node:fs";
import { chmod, type FileHandle, lchown, mkdir, open, rm } from "node:fs/promises";
import { createServer, type Server } from "node:http";
import { basename, dirname } from "node:path";
import type { Duplex } from "node:stream";
import type { Clock } from "../base/clock.ts";
import { limits } from "../base/limits.ts";
import { openDenials } from "./accounts.ts";
import { allowList } from "./allow-list.ts";
import { openConversations } from "./conversations.ts";
import type { ProxyDoors } from "./proxy-doors.ts";
import { openReach } from "./reach.ts";
import type { EgressReason } from "./refusal.ts";
import type { Resolver } from "./resolve.ts";

export interface EgressAllowed {
  host: string;
  port: number;
  /** The address that was dialled; null behind an upstream proxy, which resolves itself. */
  address: string | null;
  bytes_up: number;
  bytes_down: number;
  duration_ms: number;
  /** Why it was ended for both sides; null when one of them ended it. */
  cut: "bytes_limit" | "idle" | null;
}

export interface EgressDenied {
  /** Empty when it is not known: the connection was cut before it said so, or what it said was no host. */
  host: string;
  port: number | null;
  reason: EgressReason;
}

/** What one opening may use; each is that of `limits` unless given. */
export interface EgressLimits {
  connections: number;
  connectionsInAll: number;
  connectMs: number;
  idleMs: number;
  upBytes: number;
  downBytes: number;
}

export interface BuildNetworkOptions {
  /** Path of the unix socket. Its directory becomes the run's own: 0700, owned by `owner`. */
  socket: string;
  /** Who may connect; the gateway's own user unless given (a root gateway gives the run's). */
  owner?: { uid: number; gid: number };
  hosts: readonly string[] | undefined;
  privateHosts?: readonly string[];
  /** `http://[user:password@]host:port` of the proxy that this machine needs to reach the internet. */
  upstreamProxy?: URL;
  clock: Clock;
  resolver?: Resolver;
  limits?: Partial<EgressLimits>;
  /** The endpoints of the run; they are reached by name beside `hosts`. */
  proxy?: ProxyDoors;
  /** Every connection that asks for something is one record: this when it has ended … */
  onAllowed(record: EgressAllowed): void;
  /** … or this when it was refused. A connection that is kept for several plain requests is one for each. */
  onDenied(record: EgressDenied): void;
}

export interface BuildNetwork {
  /** True when any public host may be reached, which has to be shown loudly. */
  anyHost: boolean;
  /** Refusals that were not reported, because so many were before them. */
  deniedUnreported(): number;
  /** Cuts every connection, and removes the socket; again, it changes nothing. All records were given when it resolves. */
  close(): Promise<void>;
}

const houseLimits: EgressLimits = {
  connections: limits.egressConnections,
  connectionsInAll: limits.egressConnectionsInAll,
  connectMs: limits.egressConnectMs,
  idleMs: limits.egressIdleMs,
  upBytes: limits.egressUpBytes,
  downBytes: limits.egressDownBytes,
};

/** Opens a run's way out: an HTTP proxy on a unix socket that knows its hosts and nothing else. */
export async function openBuildNetwork(options: BuildNetworkOptions): Promise<BuildNetwork> {
  const allowed = allowList(options.hosts, options.privateHosts);
  const most: EgressLimits = { ...houseLimits, ...options.limits };
  const closing = new AbortController();
  const sockets = new Set<Duplex>();
  const denials = openDenials(options.onDenied);
  const hold = (socket: Duplex) => {
    sockets.add(socket);
    socket.once("close", () => sockets.delete(socket));
    if (closing.signal.aborted) socket.destroy();
  };
  const server = createServer({
    insecureHTTPParser: false,
    maxHeaderSize: limits.egressHeadBytes,
    headersTimeout: most.connectMs,
    requestTimeout: 0,
    keepAliveTimeout: most.idleMs,
    connectionsCheckingInterval: 1000,
    noDelay: true,
  });
  // Above the limit a client is told so; what comes in still greater numbers has no time to be listened to.
  server.maxConnections = 2 * most.connections;
  const tooMany: EgressDenied = { host: "", port: null, reason: "connections_limit" };
  server.on("connection", hold).on("drop", () => denials.add(tooMany));
  const reach = openReach({ ...options, connectMs: most.connectMs }, allowed, hold, closing.signal);
  const talks = openConversations({
    clock: options.clock,
    limits: most,
    reach,
    onAllowed: options.onAllowed,
    onDenied: denials.add,
    ...(options.proxy ? { proxy: options.proxy } : {}),
  });
  server.on("connect", talks.onConnect).on("request", talks.onRequest);
  server.on("checkContinue", talks.onContinue);
  server.on("clientError", talks.onBroken);
  const directory = await listen(server, options);
  const close = async () => {
    closing.abort();
    const closed = new Promise<void>((resolve) => server.close(() => resolve()));
    for (const socket of sockets) socket.destroy();
    await closed;
    await directory.close();
    await talks.settled();
  };
  let closed: Promise<void> | undefined;
  return {
    anyHost: allowed.anyHost,
    deniedUnreported: denials.unreported,
    close() {
      closed ??= close();
      return closed;
    },
  };
}

/**
 * The directory is 0700 before there is a socket in it, so that no other user ever finds one open. A socket's name may
 * have 107 bytes, and a data directory's path has more, so it is named by the open directory, which the answer closes.
 */
async function listen(server: Server, { socket, owner }: BuildNetworkOptions): Promise<FileHandle> {
  const path = dirname(socket);
  await mkdir(path, { recursive: true, mode: 0o700 });
  const directory = await open(path, constants.O_RDONLY | constants.O_DIRECTORY);
  try {
    const name = `/proc/self/fd/${directory.fd}/${basename(socket)}`;
    await directory.chmod(0o700);
    await rm(name, { force: true });
    await new Promise<void>((resolve, reject) => {
      server.once("error", reject).listen(name, resolve);
    });
    await chmod(name, 0o600);
    if (owner) {
      await lchown(name, owner.uid, owner.gid);
      await directory.chown(owner.uid, owner.gid);
    }
    return directory;
  } catch (error) {
    await directory.close();
    throw error;
  }
}
