import { type IncomingMessage, request, type ServerResponse } from "node:http";
import type { Socket } from "node:net";

import { limits } from "../base/limits.ts";
import type { Count } from "./tunnel.ts";

const hopByHop = new Set(
  "connection keep-alive proxy-connection proxy-authenticate proxy-authorization te trailer transfer-encoding upgrade host".split(
    " ",
  ),
);

/**
 * Sends one plain HTTP request on, over a connection made for it alone. The host is the one of the URI that was decided
 * on, whatever the client's Host says; redirects are the client's to follow, through a decision of their own.
 * Resolves when the answer is through, with what ended it.
 */
export function forward(
  incoming: IncomingMessage,
  answer: ServerResponse,
  uri: URL,
  socket: Socket,
  count: Count,
  idleMs: number,
): Promise<"ended" | "bytes_limit" | "idle"> {
  return new Promise((resolve) => {
    let end: "ended" | "bytes_limit" | "idle" = "ended";
    const stop = (reason: "bytes_limit" | "idle") => {
      if (end === "ended") end = reason;
      socket.destroy();
      answer.destroy();
    };
    const length = incoming.headers["content-length"];
    const chunked = incoming.headers["transfer-encoding"] !== undefined;
    const outgoing = request({
      createConnection: () => socket,
      method: incoming.method ?? "GET",
      path: `${uri.pathname}${uri.search}`,
      setHost: false,
      maxHeaderSize: limits.egressHeadBytes,
      headers: [
        ...["Host", uri.host, "Connection", "close"],
        ...endToEnd(incoming),
        ...(chunked && length === undefined ? ["Transfer-Encoding", "chunked"] : []),
      ],
    });
    socket.setTimeout(idleMs, () => stop("idle"));
    socket.on("close", () => resolve(end));
    answer.on("close", () => socket.destroy());
    incoming.on("data", (chunk: Buffer) => count.up(chunk.length) || stop("bytes_limit"));
    const noAnswer = () => {
      if (answer.headersSent) answer.destroy();
      else answer.writeHead(502, { connection: "close" }).end("The host gave no valid answer\n");
    };
    outgoing.on("error", noAnswer);
    // Nobody asked for another protocol; without this Node would drop the host and leave the client to wait.
    outgoing.on("upgrade", () => {
      socket.destroy();
      noAnswer();
    });
    outgoing.on("response", (response) => {
      response.on("data", (chunk: Buffer) => count.down(chunk.length) || stop("bytes_limit"));
      response.on("error", () => answer.destroy());
      // A status below 200 would make writeHead throw here, where nobody could catch it.
      const status = response.statusCode ?? 0;
      answer.writeHead(status < 200 || status > 599 ? 502 : status, endToEnd(response));
      response.pipe(answer);
    });
    incoming.pipe(outgoing);
  });
}

/** The headers that are for the other end, as name and value in turn. */
function endToEnd(message: IncomingMessage): string[] {
  const listed = (message.headers.connection ?? "").toLowerCase().split(",");
  const local = new Set(listed.map((name) => name.trim()));
  const kept: string[] = [];
  for (let at = 0; at + 1 < message.rawHeaders.length; at += 2) {
    const name = message.rawHeaders[at] ?? "";
    const lower = name.toLowerCase();
    if (hopByHop.has(lower) || local.has(lower)) continue;
    kept.push(name, message.rawHeaders[at + 1] ?? "");
  }
  return kept;
}
