import type { IncomingMessage } from "node:http";

/** What is taken at once of what came. */
const rawPieceBytes = 64 * 1024;

/**
 * The body of an answer as it came. All that is there at once as one piece: an upstream may send each byte as a chunk of its own, and then a step for each of
 * them would keep the gateway busy for nothing. `onRaw` gets the length of every piece. Rejects when the answer breaks off.
 */
export async function* rawPieces(
  response: IncomingMessage,
  onRaw: (bytes: number) => void,
): AsyncGenerator<Uint8Array, undefined> {
  const state = watch(response);
  for (;;) {
    const parts: Buffer[] = [];
    let length = 0;
    for (let part = response.read(); part !== null; part = response.read()) {
      parts.push(part);
      length += part.length;
      if (length >= rawPieceBytes) break;
    }
    if (length > 0) {
      onRaw(length);
      yield Buffer.concat(parts);
    } else if (await state.isOver()) return;
  }
}

/** Whether a response that has nothing now is over; waits until that is known. Rejects when it broke off. */
function watch(response: IncomingMessage): { isOver(): Promise<boolean> } {
  let wake = () => {};
  let isEnded = false;
  let failure: unknown;
  const told = () => wake();
  response
    .on("readable", told)
    .on("end", () => {
      isEnded = true;
      told();
    })
    .on("error", (error) => {
      failure = error;
      told();
    })
    .on("close", () => {
      failure ??= new Error("The connection was closed");
      told();
    });
  return {
    async isOver() {
      const { promise, resolve } = Promise.withResolvers<void>();
      wake = resolve;
      if (!isEnded && failure === undefined && !response.destroyed && response.readableLength === 0)
        await promise;
      if (isEnded) return true;
      if (failure !== undefined || response.destroyed)
        throw failure ?? new Error("The connection was closed");
      return false;
    },
  };
}
