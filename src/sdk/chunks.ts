import { AirlockNetworkError } from "./errors.ts";

/**
 * The body of an answer, piece by piece. A connection that says nothing for `idleMs` is given up as
 * dead (a peer that lost its power never closes), and the connection is let go whatever ends the
 * loop.
 */
export async function* chunks(
  response: Response,
  idleMs: number,
  signal?: AbortSignal,
): AsyncGenerator<Uint8Array> {
  if (response.body === null) return;
  const reader = response.body.getReader();
  let finished = false;
  try {
    while (true) {
      const { done, value } = await withinIdle(reader.read(), idleMs, signal);
      if (done) {
        finished = true;
        return;
      }
      yield value;
    }
  } catch (error) {
    if (signal?.aborted || error instanceof AirlockNetworkError) throw error;
    throw new AirlockNetworkError({
      code: "connection_lost",
      message: "The connection to the gateway broke in the middle of an answer",
      cause: error,
    });
  } finally {
    // Cancelling an answer that already failed rejects with the same error again: nothing is left
    // to tell.
    if (!finished) reader.cancel().catch(() => undefined);
  }
}

/** The whole body as text. */
export async function readText(
  response: Response,
  idleMs: number,
  signal?: AbortSignal,
): Promise<string> {
  const decoder = new TextDecoder();
  let text = "";
  for await (const chunk of chunks(response, idleMs, signal)) {
    text += decoder.decode(chunk, { stream: true });
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

function withinIdle<T>(read: Promise<T>, idleMs: number, signal?: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const onAbort = () => settle(() => reject(signal?.reason));
    const timer = setTimeout(() => {
      const message = `The gateway said nothing for ${idleMs} ms in the middle of an answer`;
      settle(() => reject(new AirlockNetworkError({ code: "connection_silent", message })));
    }, idleMs);
    const settle = (end: () => void) => {
      clearTimeout(timer);
      signal?.removeEventListener("abort", onAbort);
      end();
    };
    if (signal?.aborted) return onAbort();
    signal?.addEventListener("abort", onAbort, { once: true });
    read.then(
      (value) => settle(() => resolve(value)),
      (error: unknown) => settle(() => reject(error)),
    );
  });
}
