import type { IncomingMessage } from "node:http";
import { limits } from "../base/limits.ts";
import type { ProxyResponseMode } from "../contract/proxy-endpoint.ts";
import { answerHeaders } from "./answer-headers.ts";
import { decodedBody, decoderFor } from "./decode-body.ts";
import { ProxyCut } from "./proxy-cut.ts";
import type { Redactor } from "./redact.ts";

export interface ReadAnswerOptions {
  response: IncomingMessage;
  /** Of the request. */
  method: string;
  mode: ProxyResponseMode;
  redactor: Redactor;
  /** Of this body, after decompression. */
  maxBytes: number;
  /**
   * Asked before bytes are passed on, with how many there are (after decompression); answers how many the budget pays
   * for, which are thereby spent.
   */
  charge(bytes: number): number;
  /** Ends the answer, however slow its reader or its upstream is; the body then throws the signal's reason. */
  signal: AbortSignal;
}

/** The answer of an upstream as a run may see it. */
export interface ReadAnswer {
  status: number;
  /** Filtered and redacted; lower-case names; none in mode `status_only`. */
  headers: readonly (readonly [name: string, value: string])[];
  /** Decompressed, cut and redacted; to be read once. Null when there is none, or the mode has none. */
  body: AsyncIterable<Uint8Array> | null;
  /** At the end: the body was longer than the cap or the budget. */
  truncated(): boolean;
  /** At the end: a secret was cut out of a header or of the body. */
  redacted(): boolean;
  /** Bytes of the body that were charged so far. */
  bytes(): number;
}

/**
 * Reads the answer of an upstream. It is never followed anywhere (H08). The connection is kept for the next call when the
 * answer was read to its end, and destroyed in every other case. Throws `ProxyCut`, and so does the body: `upstream_error`
 * when the upstream breaks off or says what cannot be passed on, `exceeded_cap` for too many headers.
 */
export function readAnswer(options: ReadAnswerOptions): ReadAnswer {
  const { response, mode } = options;
  try {
    return readHead(options);
  } catch (error) {
    response.destroy();
    throw error;
  } finally {
    // What comes after an error has nobody to tell.
    response.on("error", () => undefined);
    if (mode !== "full") response.destroy();
  }
}

function readHead(options: ReadAnswerOptions): ReadAnswer {
  const { response, method, mode, redactor } = options;
  const status = response.statusCode ?? 0;
  if (status < 200 || status > 599) {
    throw new ProxyCut("upstream_error", "The upstream's answer has no valid status");
  }
  const watched = watchCuts(redactor);
  const all = [...answerHeaders(response.rawHeaders, watched.redactor), ...lengthOf(options)];
  const hasNoBody = method === "HEAD" || status === 204 || status === 304;
  const bare = { status, bytes: () => 0, truncated: () => false, redacted: watched.hasCut };
  if (mode !== "full") {
    return { ...bare, headers: mode === "status_only" ? [] : all, body: null };
  }
  if (hasNoBody) {
    // Read to its end, which is here already, so that the connection can be used again.
    response.resume();
    return { ...bare, headers: all, body: null };
  }
  decoderFor(response);
  return { ...readBody(options, watched.hasCut), status, headers: all };
}

/** Said only where there is no body: redaction and decompression change the length of any other. */
function lengthOf({ response, method }: ReadAnswerOptions): [name: string, value: string][] {
  const { "content-length": length, "content-encoding": encoding } = response.headers;
  const isTrue = method === "HEAD" && encoding === undefined && /^\d{1,15}$/.test(length ?? "");
  return isTrue && length !== undefined ? [["content-length", length]] : [];
}

function readBody(
  options: ReadAnswerOptions,
  headersCut: () => boolean,
): Pick<ReadAnswer, "body" | "bytes" | "truncated" | "redacted"> {
  const { response, redactor, maxBytes, charge, signal } = options;
  const stream = redactor.stream();
  let bytes = 0;
  let isTruncated = false;
  const abort = () => response.destroy();
  if (signal.aborted) abort();
  else signal.addEventListener("abort", abort, { once: true });

  async function* body(): AsyncGenerator<Uint8Array> {
    let rawBytes = 0;
    try {
      const decoded = decodedBody(response, (length) => {
        rawBytes += length;
        if (rawBytes > 2 * bytes + limits.proxyAnswerSlackBytes + length) {
          throw new ProxyCut("upstream_error", "The upstream's answer is compressed and empty");
        }
      });
      for await (const piece of decoded) {
        signal.throwIfAborted();
        if (piece.length === 0) continue;
        const wanted = Math.min(piece.length, maxBytes - bytes);
        const paid = wanted > 0 ? charge(wanted) : 0;
        bytes += paid;
        const shown = stream.push(piece.subarray(0, paid));
        isTruncated = paid < piece.length;
        if (shown.length > 0) yield shown;
        // What the redactor holds back may be the beginning of a secret, and is not shown.
        if (isTruncated) return;
      }
      const rest = stream.end();
      if (rest.length > 0) yield rest;
    } catch (error) {
      signal.throwIfAborted();
      if (error instanceof ProxyCut) throw error;
      throw new ProxyCut("upstream_error", "The upstream's answer broke off", { cause: error });
    } finally {
      signal.removeEventListener("abort", abort);
      if (!response.complete || isTruncated) response.destroy();
    }
  }

  return {
    body: body(),
    bytes: () => bytes,
    truncated: () => isTruncated,
    redacted: () => headersCut() || stream.hasCut(),
  };
}

/** The same redactor, and whether any stream of it has cut something out. */
function watchCuts(redactor: Redactor): { redactor: Redactor; hasCut: () => boolean } {
  const streams: ReturnType<Redactor["stream"]>[] = [];
  return {
    redactor: {
      ...redactor,
      stream() {
        const stream = redactor.stream();
        streams.push(stream);
        return stream;
      },
    },
    hasCut: () => streams.some((stream) => stream.hasCut()),
  };
}
