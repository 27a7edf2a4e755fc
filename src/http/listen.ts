import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import type { Duplex } from "node:stream";
import { getRequestListener, type HttpBindings, RequestError } from "@hono/node-server";
import type { Clock } from "../base/clock.ts";
import type { Log } from "../base/log.ts";
import { newId } from "../contract/ids.ts";
import { Problem } from "../contract/problem.ts";
import { answerProblem, rawProblem } from "./answer-problem.ts";
import type { FrontLimits } from "./front.ts";
import type { RefusalLog } from "./refusal-log.ts";

const serverOptions = {
  insecureHTTPParser: false,
  maxHeaderSize: 16 * 1024,
  /** From the first byte to the last of one request: a gigabyte over a slow line needs most of it. */
  requestTimeout: 60 * 60_000,
  keepAliveTimeout: 30_000,
  /** A request without Host gets an answer of ours, with a request id. */
  requireHostHeader: false,
};
/** Nobody honest sends more; Node would drop what is beyond 2,000 of them in silence. */
const headersMax = 100;
const headersCheckedMs = 5_000;

export interface Listening {
  url: string;
  port: number;
  /**
   * Stops: accepts nothing new, waits up to `drainMs` for what is under way, then cuts. Event streams must have been told
   * to end before. Resolves when no connection is left; a second call waits for the first.
   */
  close(drainMs: number): Promise<void>;
}

/** Serves `fetch` over HTTP/1.1. Rejects with a sentence when the address cannot be taken. */
export async function listen(
  fetch: (request: Request, env: HttpBindings) => Response | Promise<Response>,
  options: {
    host: string;
    port: number;
    limits: Pick<FrontLimits, "eventStreams" | "headersMs">;
    clock: Clock;
    log: Log;
    refusals: RefusalLog;
  },
): Promise<Listening> {
  const { host, port, limits, clock, log } = options;
  const listener = getRequestListener((request, env) => fetch(request, env as HttpBindings), {
    // Replacing the global Request and Response would change them for everybody in this process.
    overrideGlobalObjects: false,
    errorHandler: (error) => unparsed(error, options.refusals),
  });
  const timeouts = {
    headersTimeout: limits.headersMs,
    connectionsCheckingInterval: Math.min(headersCheckedMs, limits.headersMs),
  };
  const server = createServer({ ...serverOptions, ...timeouts }, (incoming, outgoing) => {
    if (incoming.rawHeaders.length > 2 * headersMax) refuseHeaders(incoming.socket);
    else void listener(incoming, outgoing);
  });
  // Event streams, as many other requests again, and some room for those that idle.
  server.maxConnections = 3 * limits.eventStreams;
  const requests = trackRequests(server, log);
  server.on("clientError", (error, socket) => {
    refuseConnection(error, socket, requests.isAnswering(socket));
  });
  await new Promise<void>((resolve, reject) => {
    server.once("error", (cause) =>
      reject(new Error(`Cannot listen on ${host}:${port}: ${cause.message}`, { cause })),
    );
    server.listen(port, host, resolve);
  });
  server.on("error", (error) => log.error({ err: error }, "http.server_failed"));
  const bound = server.address() as AddressInfo;
  let closed: Promise<void> | undefined;
  return {
    url: `http://${urlHost(host)}:${bound.port}`,
    port: bound.port,
    close(drainMs) {
      closed ??= drain(server, requests.allAnswered, clock, drainMs);
      return closed;
    },
  };
}

/** The requests that have no complete answer yet, and a way to wait until there are none. */
function trackRequests(server: Server, log: Log) {
  const open = new Map<ServerResponse, Duplex>();
  let whenIdle: (() => void) | undefined;
  server.on("request", ({ socket }: IncomingMessage, outgoing: ServerResponse) => {
    open.set(outgoing, socket);
    // A client that goes away while we write is its own business, but unheard it would end the process.
    outgoing.on("error", (error) => log.debug({ err: error }, "http.client_gone"));
    outgoing.on("close", () => {
      open.delete(outgoing);
      if (open.size === 0) whenIdle?.();
    });
  });
  return {
    isAnswering: (socket: Duplex) =>
      open.entries().some(([outgoing, its]) => its === socket && outgoing.headersSent),
    allAnswered: () =>
      new Promise<void>((resolve) => {
        whenIdle = resolve;
        if (open.size === 0) resolve();
      }),
  };
}

async function drain(
  server: Server,
  allAnswered: () => Promise<void>,
  clock: Clock,
  drainMs: number,
): Promise<void> {
  const closed = new Promise<void>((resolve) => server.close(() => resolve()));
  const late = new AbortController();
  try {
    await Promise.race([allAnswered(), clock.sleep(drainMs, late.signal).catch(() => undefined)]);
  } finally {
    late.abort();
  }
  server.closeAllConnections();
  await closed;
}

function refuseHeaders(socket: Duplex): void {
  const message = `The request has more than ${headersMax} headers`;
  socket.end(rawProblem(431, message, newId("request")));
}

function unparsed(error: unknown, refusals: RefusalLog): Response {
  const problem =
    error instanceof RequestError
      ? new Problem("invalid_request", `Cannot read the request: ${error.message}`)
      : error;
  return answerProblem(problem, { requestId: newId("request"), method: "?", route: "?" }, refusals);
}

const refusals: Record<string, { status: number; message: string }> = {
  HPE_HEADER_OVERFLOW: {
    status: 431,
    message: `The headers are larger than ${serverOptions.maxHeaderSize} bytes`,
  },
  ERR_HTTP_REQUEST_TIMEOUT: { status: 408, message: "The request did not come in time" },
};

/**
 * What cannot be parsed as HTTP gets one answer and no second chance: the next bytes could mean anything. In the middle of
 * another answer it gets none, because the client would take it for a part of that one.
 */
function refuseConnection(
  error: Error & { code?: string },
  socket: Duplex,
  isAnswering: boolean,
): void {
  if (isAnswering || !socket.writable || error.code === "ECONNRESET") {
    socket.destroy();
    return;
  }
  const { status, message } = refusals[error.code ?? ""] ?? {
    status: 400,
    message: "The request is not valid HTTP/1.1",
  };
  socket.end(rawProblem(status, message, newId("request")));
}

function urlHost(host: string): string {
  if (host === "0.0.0.0") return "127.0.0.1";
  if (host === "::") return "[::1]";
  return host.includes(":") ? `[${host}]` : host;
}
