import { type ClientRequest, Agent as HttpAgent, request as requestHttp } from "node:http";
import { Agent as HttpsAgent, type RequestOptions, request as requestHttps } from "node:https";
import { Socket } from "node:net";
import type { Duplex } from "node:stream";

import { limits } from "../base/limits.ts";
import { parseTarget, type Target } from "./host-name.ts";
import { UpstreamRefused } from "./upstream-refused.ts";

/** What a request of an upstream says. Where it goes is the pool's alone, whatever `Host` it names. */
export type UpstreamRequest = Pick<
  RequestOptions,
  "method" | "path" | "headers" | "signal" | "setHost" | "maxHeaderSize" | "joinDuplicateHeaders"
>;

/** The connections to one upstream, of one owner. */
export interface Upstream {
  /** `request` of `node:http` or `node:https`, over this pool. A refusal arrives as its error: `UpstreamRefused`. */
  request(options: UpstreamRequest): ClientRequest;
  /** Whether a request would be sent over a connection that is there already. */
  isKept(): boolean;
  /** The address behind a request that has its socket; null when it is not known (behind an upstream proxy). */
  addressOf(request: ClientRequest): string | null;
  /** Cuts every connection; later requests are refused. */
  close(): void;
}

export interface Connection {
  socket: Socket;
  address: string | null;
}

/**
 * A pool of kept connections to one URL's host, all of them made by `connect`. `gone` is aborted when the request that
 * the connection is for has been, or the pool.
 */
export function openPool(
  url: URL,
  connect: (target: Target, secure: boolean, gone: AbortSignal) => Promise<Connection>,
): Upstream {
  const secure = url.protocol === "https:";
  // The parser of rules and not of URLs has the last word: what it does not understand is nobody's host.
  const target =
    url.username || url.password ? undefined : parseTarget(url.host, secure ? 443 : 80);
  const closing = new AbortController();
  const addresses = new WeakMap<Duplex, string | null>();
  const sockets = new Set<Duplex>();
  let opening = 0;

  const make = async (signal: AbortSignal | undefined): Promise<Duplex> => {
    if (target === undefined || (!secure && url.protocol !== "http:")) {
      throw new UpstreamRefused(
        { host: { kind: "name", text: url.hostname }, port: 0 },
        "not_listed",
      );
    }
    // The agent's own limit counts no connection that is still being made, so that a burst would pass it.
    if (sockets.size + opening >= limits.upstreamConnections) {
      throw new UpstreamRefused(target, "connections_limit");
    }
    opening++;
    try {
      const gone =
        signal === undefined ? closing.signal : AbortSignal.any([closing.signal, signal]);
      const { socket, address } = await connect(target, secure, gone);
      addresses.set(socket, address);
      sockets.add(socket);
      socket.once("close", () => sockets.delete(socket));
      return socket;
    } finally {
      opening--;
    }
  };
  const agent = openAgent(secure, make);
  return {
    request(options) {
      const request = secure ? requestHttps : requestHttp;
      const place = target && { host: target.host.text, port: target.port };
      // Node takes `signal` away before it asks for a connection, which would then be made for nobody.
      const asked = {
        ...options,
        ...place,
        agent,
        insecureHTTPParser: false,
        gone: options.signal,
      };
      const asking = request(asked);
      // Node would tell of it by "close" alone, and whoever waits for an answer or an error would wait for ever.
      asking.on("upgrade", (_answer, socket) => {
        socket.destroy();
        asking.emit("error", new Error("The upstream switches to another protocol"));
      });
      return asking;
    },
    isKept: () =>
      Object.values(agent.freeSockets).some((list) => list?.some((socket) => !socket.destroyed)),
    addressOf: (request) => (request.socket && addresses.get(request.socket)) ?? null,
    close() {
      closing.abort();
      agent.destroy();
      for (const socket of sockets) socket.destroy();
    },
  };
}

function openAgent(
  secure: boolean,
  make: (signal: AbortSignal | undefined) => Promise<Duplex>,
): HttpAgent {
  const options = {
    keepAlive: true,
    maxFreeSockets: limits.upstreamIdleConnections,
    timeout: limits.upstreamIdleMs,
  };
  const agent = secure ? new HttpsAgent(options) : new HttpAgent(options);
  agent.createConnection = (request: object, done) => {
    make("gone" in request && request.gone instanceof AbortSignal ? request.gone : undefined).then(
      (socket) => done?.(null, socket),
      // Beside an error the socket is not looked at; the type wants one.
      (error: Error) => done?.(error, new Socket()),
    );
    return undefined;
  };
  return agent;
}
