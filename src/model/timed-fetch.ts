import type { Clock } from "../base/clock.ts";
import { limits as gatewayLimits } from "../base/limits.ts";
import type { AskLimits } from "./attempt.ts";

/** A provider took longer than it may. `what` completes "The provider …". */
export class ProviderTimeout extends Error {
  override name = "ProviderTimeout";

  constructor(what: string, ms: number) {
    super(`${what} within ${ms / 1000} s`);
  }
}

/** The answer is longer than is read. */
export class AnswerTooLong extends Error {
  override name = "AnswerTooLong";
}

/**
 * A `fetch` that cannot hang: the head of the answer and every piece of its body must arrive in time. It follows no
 * redirect, because a redirect would carry the key to another host, and without a key it sends no credential header.
 */
export function timedFetch(options: {
  clock: Clock;
  limits: Pick<AskLimits, "modelFirstByteMs" | "modelIdleMs">;
  hasKey: boolean;
  /** What it asks with. */
  fetch: typeof fetch;
}): typeof fetch {
  const { clock, limits, hasKey, fetch: ask } = options;
  return async (input, init) => {
    const cut = new AbortController();
    const signal = init?.signal ? AbortSignal.any([init.signal, cut.signal]) : cut.signal;
    const headers = new Headers(init?.headers);
    if (!hasKey) for (const name of credentialHeaders) headers.delete(name);
    const answer = await within(
      clock,
      limits.modelFirstByteMs,
      "did not begin to answer",
      cut,
      ask(input, { ...init, headers, signal, redirect: "manual" }),
    );
    if (!answer.body) return answer;
    const body = timedBody(answer.body, (read) =>
      within(clock, limits.modelIdleMs, "sent nothing more", cut, read),
    );
    const { status, statusText } = answer;
    return new Response(body, { status, statusText, headers: answer.headers });
  };
}

const credentialHeaders = ["authorization", "x-api-key", "x-goog-api-key"];

type Chunk = Awaited<ReturnType<ReadableStreamDefaultReader<Uint8Array>["read"]>>;

function timedBody(
  body: ReadableStream<Uint8Array>,
  inTime: (read: Promise<Chunk>) => Promise<Chunk>,
): ReadableStream<Uint8Array> {
  const reader = body.getReader();
  let bytes = 0;
  return new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        const { done, value } = await inTime(reader.read());
        if (done) return controller.close();
        bytes += value.length;
        if (bytes > gatewayLimits.modelAnswerBytes) {
          await reader.cancel();
          throw new AnswerTooLong(
            `The answer is longer than ${gatewayLimits.modelAnswerBytes} bytes`,
          );
        }
        controller.enqueue(value);
      },
      cancel: (reason) => reader.cancel(reason),
    },
    { highWaterMark: 0 },
  );
}

/** Waits for `work`, at most `ms`; beyond that `cut` is aborted, which frees the connection. */
async function within<T>(
  clock: Clock,
  ms: number,
  what: string,
  cut: AbortController,
  work: Promise<T>,
): Promise<T> {
  const settled = new AbortController();
  const expiry = clock.sleep(ms, settled.signal).then((): never => {
    throw new ProviderTimeout(what, ms);
  });
  try {
    return await Promise.race([work, expiry]);
  } catch (error) {
    // `work` has lost the race: its own rejection, caused by the cut, has already been taken by `race`.
    if (error instanceof ProviderTimeout) cut.abort(error);
    throw error;
  } finally {
    settled.abort();
  }
}
