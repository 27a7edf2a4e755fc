import { NetworkError } from "./errors.ts";

/**
 * The body of an answer, piece by piece. A connection that says nothing for `idleMs` is given up as
 * dead (a peer that lost its power never closes), and the connection is let go whatever ends the
 * loop.
 */
export async function* chunks(
  response: Response,
  idleMs: number,
  ...signals: readonly (AbortSignal | undefined)[]
): AsyncGenerator<Uint8Array> {
  if (response.body === null) return;
  const reader = response.body.getReader();
  let finished = false;
  try {
    while (true) {
      const { done, value } = await withinIdle(reader.read(), idleMs, signals);
      if (done) {
        finished = true;
        return;
      }
      yield value;
    }
  } catch (error) {
    if (error instanceof NetworkError || signals.some((signal) => signal?.aborted)) throw error;
    throw new NetworkError({
      code: "connection_lost",
      message: "The network connection to the gateway broke in the middle of an answer",
      cause: error,
    });
  } finally {
    // Cancelling an answer that already failed rejects with the same error again: nothing is left
    // to tell.
    if (!finished) reader.cancel().catch(() => undefined);
  }
}

/** Far above any answer of a gateway. */
const answerBytesMax = 256 * 1024 * 1024;
/** Of an answer that is no success more would only be cut later. */
const refusalBytesMax = 4 * 1024 * 1024;

/** The body as text. One that has no end is cut, and its connection let go: what is held is bounded (I9). */
export async function readText(
  response: Response,
  idleMs: number,
  ...signals: readonly (AbortSignal | undefined)[]
): Promise<string> {
  const bytesMax = response.ok ? answerBytesMax : refusalBytesMax;
  const decoder = new TextDecoder();
  let text = "";
  let bytes = 0;
  for await (const chunk of chunks(response, idleMs, ...signals)) {
    text += decoder.decode(chunk, { stream: true });
    bytes += chunk.length;
    if (bytes > bytesMax) break;
  }
  return text + decoder.decode();
}

/** All pieces as one. */
export async function joined(pieces: AsyncIterable<Uint8Array>): Promise<Uint8Array<ArrayBuffer>> {
  const parts: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of pieces) {
    parts.push(chunk);
    length += chunk.length;
  }
  const bytes = new Uint8Array(length);
  let offset = 0;
  for (const part of parts) {
    bytes.set(part, offset);
    offset += part.length;
  }
  return bytes;
}

/** Listens for as long as the read takes and no longer: a signal may outlive any number of answers. */
function withinIdle<T>(
  read: Promise<T>,
  idleMs: number,
  signals: readonly (AbortSignal | undefined)[],
): Promise<T> {
  return new Promise((resolve, reject) => {
    const onAbort = () => {
      const aborted = signals.find((signal) => signal?.aborted);
      settle(() => reject(aborted?.reason));
    };
    const timer = setTimeout(() => {
      const message = `The network brought nothing of the gateway for ${idleMs} ms in the middle of an answer`;
      settle(() => reject(new NetworkError({ code: "connection_silent", message })));
    }, idleMs);
    const settle = (end: () => void) => {
      clearTimeout(timer);
      for (const signal of signals) signal?.removeEventListener("abort", onAbort);
      end();
    };
    if (signals.some((signal) => signal?.aborted)) return onAbort();
    for (const signal of signals) signal?.addEventListener("abort", onAbort, { once: true });
    read.then(
      (value) => settle(() => resolve(value)),
      (error: unknown) => settle(() => reject(error)),
    );
  });
}
