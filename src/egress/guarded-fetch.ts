import type { ClientRequest, IncomingMessage } from "node:http";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";

import type { Upstream } from "./upstream-pool.ts";
import type { Upstreams } from "./upstreams.ts";

/**
 * A `fetch` whose every connection is one of `upstreams`, over pools of its own: one for each owner of a credential
 * (H20). It follows no redirect, whatever it is told: the answer is given as it is. It asks for no compression and
 * undoes none, so bytes that are counted are bytes that came. Rejects as `fetch` does: with the reason of the signal, or
 * with a `TypeError` whose cause may be an `UpstreamRefused`.
 */
export function guardedFetch(upstreams: Pick<Upstreams, "open">): typeof fetch {
  const pools = new Map<string, Upstream>();
  const poolOf = (url: URL) => {
    const pool = pools.get(url.origin) ?? upstreams.open(url);
    // A base URL has one origin: whoever asks for ever more of them gets no pool to keep.
    if (pools.size < originsKept) pools.set(url.origin, pool);
    return pool;
  };
  return async (input, init) => {
    // The signal of a Request that nobody holds any more may be forgotten with it, so the given one is used.
    const signal = init?.signal ?? (input instanceof Request ? input.signal : undefined);
    signal?.throwIfAborted();
    const { request, body } = await requestOf(input, init);
    const url = new URL(request.url);
    const asking = poolOf(url).request({
      method: request.method,
      path: url.pathname + url.search,
      headers: headersOf(request, body),
      ...(signal ? { signal } : {}),
    });
    try {
      const answering = answerOf(asking);
      send(asking, body);
      return responseTo(request, asking, await answering, signal);
    } catch (error) {
      asking.destroy();
      signal?.throwIfAborted();
      throw new TypeError("fetch failed", { cause: error });
    }
  };
}

const originsKept = 16;

type Body = Uint8Array | ReadableStream<Uint8Array> | null;

/** A body that is there as a whole is sent with its length: many servers take no chunks. */
async function requestOf(
  input: Parameters<typeof fetch>[0],
  init: RequestInit | undefined,
): Promise<{ request: Request; body: Body }> {
  const given = init?.body ?? null;
  const isStream = given instanceof ReadableStream || Symbol.asyncIterator in Object(given);
  const request = new Request(input, isStream ? { ...init, duplex: "half" } : init);
  if (request.body === null) return { request, body: null };
  return { request, body: given === null || isStream ? request.body : await request.bytes() };
}

/** Who is asked, and where a message ends, is said here and by no caller. */
const ownHeaders = ["connection", "content-length", "expect", "host", "keep-alive", "te"].concat([
  "trailer",
  "transfer-encoding",
  "upgrade",
]);

function headersOf(request: Request, body: Body): Record<string, string> {
  const headers = Object.fromEntries(request.headers);
  for (const name of ownHeaders) delete headers[name];
  headers["accept-encoding"] = "identity";
  headers["user-agent"] ??= "airlock";
  if (body instanceof Uint8Array) headers["content-length"] = String(body.length);
  return headers;
}

function answerOf(asking: ClientRequest): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    // What breaks after the answer has begun is told by its body.
    asking.once("response", resolve).on("error", reject);
    asking.once("close", () => reject(new Error("The host closed the connection")));
  });
}

/** An upstream may answer before it has read all, so what breaks here ends the request, whose answer then tells. */
function send(asking: ClientRequest, body: Body): void {
  if (body === null) asking.end();
  else if (body instanceof Uint8Array) asking.end(body);
  else pipeline(Readable.fromWeb(body), asking).catch((error) => asking.destroy(error));
}

function responseTo(
  request: Request,
  asking: ClientRequest,
  answer: IncomingMessage,
  signal: AbortSignal | undefined,
): Response {
  const headers = new Headers();
  const { rawHeaders, statusCode: status = 0, statusMessage: statusText = "" } = answer;
  for (let at = 0; at + 1 < rawHeaders.length; at += 2) {
    headers.append(rawHeaders[at] ?? "", rawHeaders[at + 1] ?? "");
  }
  const hasBody = request.method !== "HEAD" && ![204, 205, 304].includes(status);
  if (!hasBody) answer.resume();
  const body = hasBody ? bodyOf(asking, answer, signal) : null;
  return new Response(body, { status, statusText, headers });
}

function bodyOf(
  asking: ClientRequest,
  answer: IncomingMessage,
  signal: AbortSignal | undefined,
): ReadableStream<Uint8Array> {
  const chunks: AsyncIterator<Uint8Array> = answer[Symbol.asyncIterator]();
  return new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        try {
          const { done, value } = await chunks.next();
          if (done) controller.close();
          else controller.enqueue(value);
        } catch (error) {
          signal?.throwIfAborted();
          throw new TypeError("terminated", { cause: error });
        }
      },
      cancel: () => void asking.destroy(),
    },
    { highWaterMark: 0 },
  );
}
