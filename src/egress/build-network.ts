import { chmod, chown, mkdir, rm } from "node:fs/promises";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { Socket } from "node:net";
import { dirname } from "node:path";
import type { Duplex } from "node:stream";

import type { Clock } from "../base/clock.ts";
import { limits } from "../base/limits.ts";
import { openDenials, openTotal } from "./accounts.ts";
import { allowList } from "./allow-list.ts";
import { forward } from "./forward.ts";
import { parseTarget, type Target } from "./host-name.ts";
import { openReach, type Reached } from "./reach.ts";
import type { Resolver } from "./resolve.ts";
import { type Count, type TunnelEnd, tunnel } from "./tunnel.ts";

export interface EgressAllowed {
  host: string;
  port: number;
  /** The address that was dialled; null behind an upstream proxy, which resolves itself. */
  address: string | null;
  bytes_up: number;
  bytes_down: number;
  duration_ms: number;
}

export interface EgressDenied {
  host: string;
  port: number;
  reason: string;
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
  onAllowed(record: EgressAllowed): void;
  onDenied(record: EgressDenied): void;
}

export interface BuildNetwork {
  anyHost: boolean;
  /** Refusals that were the same as a reported one, or more than are reported. */
  deniedUnreported(): number;
  /** Cuts every connection, and removes the socket. */
  close(): Promise<void>;
}

/** Opens a run's way out: an HTTP proxy on a unix socket that knows its hosts and nothing else. */
export async function openBuildNetwork(options: BuildNetworkOptions): Promise<BuildNetwork> {
  const allowed = allowList(options.hosts, options.privateHosts);
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
    headersTimeout: limits.egressConnectMs,
    requestTimeout: 0,
    keepAliveTimeout: limits.egressIdleMs,
    connectionsCheckingInterval: 1000,
    noDelay: true,
  });
  server.maxConnections = limits.egressConnections;
  server.on("connection", hold);
  const answers = openAnswers(
    options,
    openReach(options, allowed, hold, closing.signal),
    denials.add,
  );
  server.on("connect", answers.onConnect).on("request", answers.onRequest);
  await listen(server, options);
  return {
    anyHost: allowed.anyHost,
    deniedUnreported: denials.unreported,
    async close() {
      closing.abort();
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      for (const socket of sockets) socket.destroy();
      await closed;
    },
  };
}

/** The directory is 0700 before there is a socket in it, so that no other user ever finds one open. */
async function listen(server: Server, { socket, owner }: BuildNetworkOptions): Promise<void> {
  const directory = dirname(socket);
  await mkdir(directory, { recursive: true, mode: 0o700 });
  await chmod(directory, 0o700);
  await rm(socket, { force: true });
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject).listen(socket, resolve);
  });
  await chmod(socket, 0o600);
  if (!owner) return;
  await chown(socket, owner.uid, owner.gid);
  await chown(directory, owner.uid, owner.gid);
}

function openAnswers(
  options: BuildNetworkOptions,
  reach: (target: Target) => Promise<Reached>,
  deny: (record: EgressDenied) => void,
) {
  const total = openTotal();

  /** Lets the host and the client talk, and writes down what became of it. */
  async function account(
    target: Target,
    address: string | null,
    talk: (count: Count) => Promise<TunnelEnd>,
  ): Promise<void> {
    const from = options.clock.monotonic();
    const count = total.open();
    const end = await talk(count);
    const named = { host: target.host.text, port: target.port };
    if (end !== "ended" && end !== "idle") deny({ ...named, reason: end });
    if (end === "sni_mismatch" || end === "not_tls") return;
    options.onAllowed({
      ...named,
      address,
      bytes_up: count.sent(),
      bytes_down: count.received(),
      duration_ms: Math.round(options.clock.monotonic() - from),
    });
  }

  async function onConnect(incoming: IncomingMessage, client: Duplex, head: Buffer) {
    client.on("error", () => client.destroy());
    const target = parseTarget(incoming.url ?? "");
    if (target === undefined)
      return refuse(client, 400, "Bad Request", "CONNECT wants host:port\n");
    const reached = await reach(target);
    if (!reached.ok) {
      const { reason } = reached;
      deny({ host: target.host.text, port: target.port, reason });
      const phrase = `Airlock ${reason} ${name(target)}`;
      return refuse(client, status(reason), phrase, words(target, reason));
    }
    const host: Socket = reached.host;
    if (client.destroyed) return void host.destroy();
    client.write("HTTP/1.1 200 Connection established\r\n\r\n");
    if (head.length > 0) client.unshift(head);
    await account(target, reached.address, (count) => tunnel(client, host, target, count));
  }

  async function onRequest(incoming: IncomingMessage, answer: ServerResponse) {
    const uri = parseUri(incoming.url ?? "");
    if (uri === undefined) {
      answer.writeHead(400, { connection: "close" }).end("A proxy request names its http:// URI\n");
      return;
    }
    const { target } = uri;
    const reached = await reach(target);
    if (!reached.ok) {
      deny({ host: target.host.text, port: target.port, reason: reached.reason });
      answer.writeHead(status(reached.reason), { connection: "close" });
      answer.end(words(target, reached.reason));
      return;
    }
    const host: Socket = reached.host;
    if (answer.destroyed) return void host.destroy();
    await account(target, reached.address, (count) =>
      forward(incoming, answer, uri.url, host, count),
    );
  }

  // What goes wrong with one connection ends that one: nobody waits for these, and a rejection would end the process.
  return {
    onConnect(incoming: IncomingMessage, client: Duplex, head: Buffer): void {
      onConnect(incoming, client, head).catch(() => client.destroy());
    },
    onRequest(incoming: IncomingMessage, answer: ServerResponse): void {
      onRequest(incoming, answer).catch(() => answer.destroy());
    },
  };
}

function status(reason: string): number {
  return reason === "not_listed" || reason === "private_address" ? 403 : 502;
}

function name({ host, port }: Target): string {
  return host.kind === "ipv6" ? `[${host.text}]:${port}` : `${host.text}:${port}`;
}

function words(target: Target, reason: string): string {
  return `Airlock cannot let this run reach ${name(target)}: ${reason}\n`;
}

function refuse(client: Duplex, status: number, phrase: string, text: string): void {
  const length = Buffer.byteLength(text);
  client.end(
    `HTTP/1.1 ${status} ${phrase}\r\nContent-Length: ${length}\r\nConnection: close\r\n\r\n${text}`,
  );
}

/** An absolute URI, whose authority is parsed by the one parser and not by URL, which would forgive too much. */
function parseUri(text: string): { url: URL; target: Target } | undefined {
  const authority = /^http:\/\/([^/?#\\]+)/i.exec(text)?.[1];
  const target = authority === undefined ? undefined : parseTarget(authority, 80);
  if (target === undefined || !URL.canParse(text)) return undefined;
  const url = new URL(text);
  const same = parseTarget(url.host, 80);
  return same?.host.text === target.host.text ? { url, target } : undefined;
}
