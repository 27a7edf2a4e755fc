import type { IncomingMessage, ServerResponse } from "node:http";

import { limits } from "../base/limits.ts";

/** The headers of a request as they came, in order. */
export function incomingHeaders({ rawHeaders }: IncomingMessage): [name: string, value: string][] {
  const pairs: [string, string][] = [];
  for (let at = 0; at + 1 < rawHeaders.length; at += 2) {
    pairs.push([rawHeaders[at] ?? "", rawHeaders[at + 1] ?? ""]);
  }
  return pairs;
}

/**
 * What is wrong with the frame of a request: a length or a host that could be read in two ways (H04, H05). Node's parser
 * refuses most of it; this holds when that should ever change.
 */
export function wrongFraming(incoming: IncomingMessage): string | undefined {
  // Older versions have no way to tell a part of an answer from the whole.
  if (incoming.httpVersion !== "1.1") return "The request is not of version 1.1 of HTTP";
  const headers = incomingHeaders(incoming);
  const values = (name: string) =>
    headers.filter(([given]) => given.toLowerCase() === name).map(([, value]) => value);
  const lengths = values("content-length");
  const codings = values("transfer-encoding");
  const hosts = values("host");
  if (lengths.length + codings.length > 1) return "The request says twice how long its body is";
  if (lengths.some((length) => !/^\d{1,15}$/.test(length))) {
    return "The request has a Content-Length that is no number";
  }
  if (codings.some((coding) => coding.toLowerCase() !== "chunked")) {
    return "The request has a Transfer-Encoding other than chunked";
  }
  if (hosts.length > 1 || hosts.some((host) => /[^\w.:[\]-]/.test(host))) {
    return "The request does not name one host in its Host header";
  }
  return undefined;
}

/**
 * The body of a request, or null when it has none. A client that waits for `100 Continue` gets it when the body is
 * first asked for: what is refused before that is never sent (H22).
 */
export function incomingBody(
  incoming: IncomingMessage,
  answer: ServerResponse,
): AsyncIterable<Uint8Array> | null {
  const { "content-length": length, "transfer-encoding": coding } = incoming.headers;
  if (coding === undefined && (length === undefined || Number(length) === 0)) return null;
  return (async function* () {
    if (waitsToContinue(incoming)) answer.writeContinue();
    // Not destroyed at the end: the answer travels over the same socket.
    yield* incoming.iterator({ destroyOnReturn: false });
  })();
}

function waitsToContinue({ headers }: IncomingMessage): boolean {
  return headers.expect?.toLowerCase() === "100-continue";
}

/**
 * Reads and drops what a refused client still sends, for a while: a client whose connection ends while it writes never
 * gets to reading why. One that waits to continue sends nothing.
 */
export async function drain(incoming: IncomingMessage): Promise<void> {
  if (incoming.complete || waitsToContinue(incoming)) return;
  const { promise, resolve } = Promise.withResolvers<void>();
  let bytes = 0;
  const count = (chunk: Buffer) => {
    bytes += chunk.length;
    if (bytes > limits.proxyDrainBytes) resolve();
  };
  incoming.on("data", count).once("end", resolve).once("close", resolve);
  AbortSignal.timeout(limits.proxyDrainMs).addEventListener("abort", () => resolve());
  await promise;
  incoming.off("data", count).pause();
}
