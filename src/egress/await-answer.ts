import type { ClientRequest, IncomingMessage, RequestOptions } from "node:http";
import { limits } from "../base/limits.ts";
import { ProxyCut } from "./proxy-cut.ts";

/** How an upstream's answer is parsed: strictly, and with a head that fits in memory. For `request` of node:http(s). */
export const answerParsing = {
  insecureHTTPParser: false,
  maxHeaderSize: limits.proxyAnswerHeadBytes,
} as const satisfies RequestOptions;

/**
 * Waits for the head of the answer. Interim answers are passed over, as HTTP demands, but not without end; a change of
 * protocol is refused. Whatever else comes instead of an answer rejects with `ProxyCut`, and the connection is gone; so
 * it is on abort, which rejects with the signal's reason. Call it before the request is ended.
 */
export function awaitAnswer(request: ClientRequest, signal: AbortSignal): Promise<IncomingMessage> {
  const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>();
  const fail = (reason: unknown) => {
    reject(reason);
    request.destroy();
  };
  const abort = () => fail(signal.reason);
  let interim = 0;
  const countInterim = () => {
    interim += 1;
    if (interim > limits.proxyInterimAnswers) fail(cut("The upstream sends interim answers only"));
  };
  request
    .on("response", resolve)
    .on("continue", countInterim)
    .on("information", countInterim)
    .on("upgrade", (_response, socket) => {
      socket.destroy();
      fail(cut("The upstream changed the protocol unasked"));
    })
    // Stays for the time after the answer: what breaks then is told by the body.
    .on("error", (error) => fail(answerError(error)))
    .on("close", () => reject(cut("The upstream closed the connection without an answer")));
  if (signal.aborted) abort();
  else signal.addEventListener("abort", abort, { once: true });
  return promise.finally(() => signal.removeEventListener("abort", abort));
}

/** An error of the connection or of the parser as the one of the call. */
function answerError(error: unknown): ProxyCut {
  if (error instanceof ProxyCut) return error;
  const code = error instanceof Error && "code" in error ? error.code : undefined;
  if (code === "HPE_HEADER_OVERFLOW") {
    return new ProxyCut("exceeded_cap", "The head of the upstream's answer is too large", {
      cause: error,
    });
  }
  return cut("The upstream gave no valid answer", error);
}

function cut(message: string, cause?: unknown): ProxyCut {
  return new ProxyCut("upstream_error", message, { cause });
}
