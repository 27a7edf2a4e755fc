import type { Log } from "../base/log.ts";
import type { Ctx } from "./front.ts";
import { openSpentPieces } from "./spent-pieces.ts";

/**
 * A reader that takes nothing for this long is cut, so that it cannot keep a place or a file open for ever. Event streams
 * stay clear of it by their heartbeats.
 */
const stalledMs = 120_000;

/**
 * A response body that is made only as fast as the client takes it: one chunk is asked for when the one before has gone
 * to the socket, so a slow reader costs one chunk of memory. `stop` is called exactly once, however it ends: at its
 * natural end, by a failure, or because the client went away, even before the first chunk. `spent`: the chunks are of nobody
 * else, and are freed when they have been sent.
 *
 * After a failure the connection is cut, because an answer that just ended would look complete.
 */
export function pulledBody(
  c: Ctx,
  log: Log,
  source: AsyncIterator<Uint8Array>,
  stop: () => void,
  { spent = false }: { spent?: boolean } = {},
): ReadableStream<Uint8Array> {
  const outgoing = c.env?.outgoing;
  const pieces = spent && outgoing ? openSpentPieces(outgoing) : undefined;
  outgoing?.setTimeout(stalledMs, () => outgoing.destroy());
  let stopped = false;
  const stopOnce = () => {
    if (stopped) return;
    stopped = true;
    stop();
  };
  return new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        try {
          pieces?.next();
          const { done, value } = await source.next();
          if (stopped) return;
          if (!done) {
            pieces?.sending(value);
            return controller.enqueue(value);
          }
          stopOnce();
          controller.close();
        } catch (error) {
          if (stopped) return;
          stopOnce();
          log.error({ requestId: c.get("requestId"), err: error }, "http.stream_failed");
          if (outgoing) outgoing.destroy();
          else controller.error(error);
        }
      },
      async cancel() {
        stopOnce();
        await source.return?.();
      },
    },
    { highWaterMark: 0 },
  );
}
