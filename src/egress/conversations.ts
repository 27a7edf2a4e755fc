import type { IncomingMessage, ServerResponse } from "node:http";
import type { Socket } from "node:net";
import type { Duplex } from "node:stream";

import type { Clock } from "../base/clock.ts";
import { limits as houseLimits } from "../base/limits.ts";
import { openTotal } from "./accounts.ts";
import type { EgressAllowed, EgressDenied, EgressLimits } from "./build-network.ts";
import { forward } from "./forward.ts";
import { parseTarget, type Target } from "./host-name.ts";
import type { Reached } from "./reach.ts";
import { type EgressReason, refusalStatus, refusalWords } from "./refusal.ts";
import { type Count, type TunnelEnd, tunnel } from "./tunnel.ts";

interface ConversationsOptions {
  clock: Clock;
  limits: EgressLimits;
  reach(target: Target): Promise<Reached>;
  onAllowed(record: EgressAllowed): void;
  onDenied(record: EgressDenied): void;
}

/** Answers what clients of the proxy ask for: a tunnel, or one plain request. */
export function openConversations(options: ConversationsOptions) {
  const { clock, limits } = options;
  const total = openTotal(limits);
  let open = 0;

  const deny = ({ host, port }: Target, reason: EgressReason) => {
    options.onDenied({ host: host.text, port, reason });
    return reason;
  };

  /** Reaches the target, lets `talk` go on with it, and writes down what became of it; a refusal is for the caller. */
  async function converse(
    target: Target,
    talk: (host: Socket, count: Count) => Promise<TunnelEnd>,
  ): Promise<EgressReason | undefined> {
    if (total.spent()) return deny(target, "bytes_limit");
    if (open >= limits.connections) return deny(target, "connections_limit");
    open += 1;
    try {
      const reached = await options.reach(target);
      if (!reached.ok) return deny(target, reached.reason);
      const from = clock.monotonic();
      const count = total.open();
      const end = await talk(reached.host, count);
      if (end !== "ended" && end !== "idle") deny(target, end);
      if (end === "sni_mismatch" || end === "not_tls") return undefined;
      options.onAllowed({
        host: target.host.text,
        port: target.port,
        address: reached.address,
        bytes_up: count.sent(),
        bytes_down: count.received(),
        duration_ms: Math.round(clock.monotonic() - from),
      });
      return undefined;
    } finally {
      open -= 1;
    }
  }

  async function onConnect(incoming: IncomingMessage, client: Socket, head: Buffer) {
    client.on("error", () => client.destroy());
    const target = parseTarget(incoming.url ?? "");
    if (target === undefined) return refuse(client, 400, "CONNECT wants host:port");
    const reason = await converse(target, async (host, count) => {
      if (client.destroyed) {
        host.destroy();
        return "ended";
      }
      client.write("HTTP/1.1 200 Connection established\r\n\r\n");
      if (head.length > 0) client.unshift(head);
      return tunnel(client, host, target, count, limits.idleMs);
    });
    if (reason !== undefined) refuse(client, refusalStatus(reason), refusalWords(target, reason));
  }

  async function onRequest(incoming: IncomingMessage, answer: ServerResponse) {
    const uri = parseUri(incoming.url ?? "");
    if (uri === undefined) {
      answer.writeHead(400, { connection: "close" }).end("A proxy request names its http:// URI\n");
      return;
    }
    const { target, url } = uri;
    const reason = await converse(target, async (host, count) => {
      if (answer.destroyed) {
        host.destroy();
        return "ended";
      }
      return forward(incoming, answer, url, host, count, limits.idleMs);
    });
    if (reason === undefined) return;
    answer.writeHead(refusalStatus(reason), { connection: "close", "content-type": "text/plain" });
    answer.end(`${refusalWords(target, reason)}\n`);
  }

  // What goes wrong with one connection ends that one: nobody waits for these, and a rejection would end the process.
  return {
    onConnect(incoming: IncomingMessage, client: Duplex, head: Buffer): void {
      // A server of its own sockets gives no other kind; the type allows for what a caller emits.
      onConnect(incoming, client as Socket, head).catch(() => client.destroy());
    },
    onRequest(incoming: IncomingMessage, answer: ServerResponse): void {
      onRequest(incoming, answer).catch(() => answer.destroy());
    },
  };
}

/** What else the client sends is read and dropped, so that it gets to reading the answer; it may not stay for ever. */
function refuse(client: Socket, status: number, words: string): void {
  client.setTimeout(houseLimits.egressConnectMs, () => client.destroy()).resume();
  const text = `${words}\n`;
  client.end(
    [
      `HTTP/1.1 ${status} ${words}`,
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
