import type { IncomingMessage } from "node:http";
import type { Clock } from "../base/clock.ts";

/** A body that is no larger is read to its end although nobody wants it. */
const restBytesMax = 1024 * 1024;
const restMs = 1000;

/**
 * Reads the body of a request that was refused before anybody looked at it, when it is small: the answer would otherwise
 * be followed by the end of the connection, and a client that is still sending hears of that end and not of the answer.
 * What is large, slow or of no stated length is left alone.
 */
export async function readRest(
  incoming: IncomingMessage | undefined,
  clock: Pick<Clock, "sleep">,
): Promise<void> {
  if (incoming === undefined || incoming.complete || incoming.readableDidRead) return;
  const bytes = Number(incoming.headers["content-length"] ?? Number.NaN);
  if (!(bytes <= restBytesMax)) return;
  const enough = new AbortController();
  const ended = new Promise<void>((resolve) => {
    for (const event of ["end", "close", "error"]) incoming.once(event, () => resolve());
  });
  incoming.resume();
  const late = clock.sleep(restMs, enough.signal).catch(() => undefined);
  await Promise.race([ended, late]);
  enough.abort();
}
