import type { IncomingMessage, ServerResponse } from "node:http";
import type { Socket } from "node:net";
import type { Duplex } from "node:stream";

import { limits as houseLimits } from "../base/limits.ts";
import { type ConverseOptions, openConverse } from "./converse.ts";
import { forward } from "./forward.ts";
import { parseTarget, type Target } from "./host-name.ts";
import { answerProxy, type ProxyDoors, proxyHost, proxyTarget } from "./proxy-doors.ts";
import { type EgressReason, refusalStatus, refusalWords } from "./refusal.ts";
import { tunnel } from "./tunnel.ts";

/**
 * Answers what clients of the proxy ask for: a tunnel, or one plain request. Each gives one record. What is for an
 * endpoint of the run goes to `proxy`, which keeps its own; its names are never looked up.
 */
export function openConversations(options: ConverseOptions & { proxy?: ProxyDoors }) {
  const converse = openConverse(options);
  const { run, isAsking, settled } = openRunning();

  const misunderstood = (reason: EgressReason) => {
    options.onDenied({ host: "", port: null, reason });
    return refusalWords(reason);
  };

  const overTls = (name: string) => {
    const host = { kind: "name" as const, text: name };
    options.onDenied({ host: name, port: 443, reason: "endpoint_over_tls" });
    return refusalWords("endpoint_over_tls", { host, port: 443 });
  };

  async function onConnect(incoming: IncomingMessage, client: Socket, head: Buffer) {
    client.on("error", () => client.destroy());
    const authority = incoming.url ?? "";
    const target = parseTarget(authority);
    const ours = options.proxy && proxyHost(target?.host.text ?? authority);
    if (ours !== undefined) return refuse(client, "endpoint_over_tls", () => overTls(ours));
    if (target === undefined) return refuse(client, "not_understood", misunderstood);
    const reason = await converse(target, async (host, count) => {
      if (client.destroyed) {
        host.destroy();
        return "ended";
      }
      client.write("HTTP/1.1 200 Connection established\r\n\r\n");
      if (head.length > 0) client.unshift(head);
      return tunnel(client, host, target, count, options.limits.idleMs);
    });
    if (reason !== undefined) refuse(client, reason, () => refusalWords(reason, target));
  }

  async function onRequest(incoming: IncomingMessage, answer: ServerResponse) {
    const uri = parseUri(incoming.url ?? "");
    if (options.proxy) {
      const named = proxyTarget(incoming.url ?? "");
      // In whatever spelling: a name of ours is nothing to ask DNS for.
      const ours = named ?? (proxyHost(uri?.target.host.text ?? "") && unknownName);
      if (ours) return answerProxy(options.proxy, ours, incoming, answer);
    }
    const plain = { connection: "close", "content-type": "text/plain" };
    if (uri === undefined) {
      const words = misunderstood("not_understood");
      answer.writeHead(400, words, plain).end(`${words}\n`);
      return;
    }
    const { target, url } = uri;
    const reason = await converse(target, async (host, count) => {
      if (answer.destroyed) {
        host.destroy();
        return "ended";
      }
      return forward(incoming, answer, url, host, count, options.limits.idleMs);
    });
    if (reason === undefined) return;
    const words = refusalWords(reason, target);
    answer.writeHead(refusalStatus(reason), words, plain).end(`${words}\n`);
  }

  return {
    onConnect(incoming: IncomingMessage, client: Duplex, head: Buffer): void {
      // A server of its own sockets gives no other kind; the type allows for what a caller emits.
      run(client, onConnect(incoming, client as Socket, head));
    },
    onRequest(incoming: IncomingMessage, answer: ServerResponse): void {
      run(incoming.socket, onRequest(incoming, answer));
    },
    /** A client that waits for `100 Continue`: an endpoint sends it when the body is wanted, all others at once. */
    onContinue(incoming: IncomingMessage, answer: ServerResponse): void {
      if (!options.proxy || !proxyTarget(incoming.url ?? "")) answer.writeContinue();
      run(incoming.socket, onRequest(incoming, answer));
    },
    /** What is no HTTP, or too much of it, or too slow. A client that has just gone has asked for nothing. */
    onBroken(error: NodeJS.ErrnoException, client: Duplex): void {
      if (isAsking(client) || !client.writable || error.code === "ECONNRESET") client.destroy();
      else refuse(client as Socket, brokenReason(error.code), misunderstood);
    },
    /** Resolves when all that was asked for has its record. */
    settled,
  };
}

/** What goes wrong with one connection ends that one: nobody waits for these, and a rejection would end the process. */
function openRunning() {
  const running = new Set<Promise<void>>();
  /** Clients with a request that is being answered: what breaks then is told by the record of that request. */
  const asking = new Map<Duplex, number>();
  const run = (client: Duplex, answering: Promise<void>) => {
    asking.set(client, (asking.get(client) ?? 0) + 1);
    const done = answering
      .catch(() => void client.destroy())
      .finally(() => {
        running.delete(done);
        const more = (asking.get(client) ?? 1) - 1;
        if (more > 0) asking.set(client, more);
        else asking.delete(client);
      });
    running.add(done);
  };
  return {
    run,
    isAsking: (client: Duplex) => asking.has(client),
    async settled(): Promise<void> {
      await Promise.all(running);
    },
  };
}

const unknownName = { kind: "unknown" } as const;

function brokenReason(code: string | undefined): EgressReason {
  if (code === "HPE_HEADER_OVERFLOW") return "head_too_long";
  return code === "ERR_HTTP_REQUEST_TIMEOUT" ? "head_too_slow" : "not_understood";
}

/** What else the client sends is read and dropped, so that it gets to reading the answer; it may not stay for ever. */
function refuse(client: Socket, reason: EgressReason, say: (reason: EgressReason) => string): void {
  client.setTimeout(houseLimits.egressConnectMs, () => client.destroy()).resume();
  const words = say(reason);
  const text = `${words}\n`;
  client.end(
    [
      `HTTP/1.1 ${refusalStatus(reason)} ${words}`,
      "Content-Type: text/plain",
      `Content-Length: ${Buffer.byteLength(text)}`,
      "Connection: close",
      `\r\n${text}`,
    ].join("\r\n"),
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
