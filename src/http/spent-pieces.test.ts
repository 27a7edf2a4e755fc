import { createHash, randomBytes } from "node:crypto";
import { get, IncomingMessage, ServerResponse } from "node:http";
import { Socket } from "node:net";
import { Readable } from "node:stream";
import { setTimeout as sleep } from "node:timers/promises";
import { afterEach, describe, expect, it } from "vitest";
import { openFrontDoor } from "../../test/support/front-door.ts";
import type { Listening } from "./listen.ts";
import { openSpentPieces } from "./spent-pieces.ts";

const KiB = 1024;
let server: Listening | undefined;
afterEach(() => server?.close(0));

/** The server takes the first ones before it sends anything. Then sizes that are freed, some that are not, and one that is far more than a socket takes at once. */
const sizes = [
  256,
  128,
  1,
  ...Array(24).fill(128),
  3,
  2048,
  128,
  128,
  64,
  128,
  4096,
  ...Array(24).fill(256),
];

/** An archive of these pieces, and what a client got of it. */
async function sent(
  pieces: Buffer[],
  {
    lateFirst = false,
    read,
  }: { lateFirst?: boolean; read: (answer: IncomingMessage) => Promise<string> },
): Promise<string> {
  const door = openFrontDoor();
  const caller = door.token();
  const run = door.addRun(caller.token.workspaceId, "succeeded");
  door.corridor.archive = async () => {
    const source = async function* () {
      if (lateFirst) await sleep(50);
      yield* pieces;
    };
    return { filename: "a.zip", stream: Readable.from(source(), { highWaterMark: 1 }) };
  };
  server = await door.listen({ host: "127.0.0.1", port: 0 });
  const { port } = server;
  return await new Promise<string>((resolve, reject) => {
    const path = `/api/runs/${run.id}/archive`;
    get({ host: "127.0.0.1", port, path, headers: caller.header }, (answer) => {
      read(answer).then(resolve, reject);
    }).on("error", reject);
  });
}

async function digest(answer: IncomingMessage, pauseMs = 0): Promise<string> {
  const hash = createHash("sha256");
  let pieces = 0;
  for await (const piece of answer) {
    hash.update(piece as Buffer);
    pieces += 1;
    if (pauseMs > 0 && pieces % 20 === 0) await sleep(pauseMs);
  }
  return hash.digest("hex");
}

function some(): { pieces: Buffer[]; expected: string } {
  const pieces = sizes.map((size) => Buffer.from(randomBytes(size * KiB).buffer));
  return { pieces, expected: createHash("sha256").update(Buffer.concat(pieces)).digest("hex") };
}

const whole = (piece: Buffer) => piece.byteLength > 0;

describe("pieces of an archive", () => {
  it.each([
    ["at once", 0, false],
    ["slowly", 5, false],
    ["at once, when the first comes late", 0, true],
    ["slowly, when the first comes late", 5, true],
  ])("arrive byte for byte where they are read %s", async (_how, pauseMs, lateFirst) => {
    const { pieces, expected } = some();
    const read = (answer: IncomingMessage) => digest(answer, pauseMs);
    expect(await sent(pieces, { lateFirst, read })).toBe(expected);
  });

  it("are freed when they have been sent, and small ones are left alone", async () => {
    const { pieces, expected } = some();
    expect(await sent(pieces, { read: digest })).toBe(expected);
    const large = pieces.filter((_, at) => (sizes[at] ?? 0) >= 128);
    const left = large.filter(whole);
    expect(left.length).toBeLessThan(large.length / 2);
    const small = pieces.filter((_, at) => (sizes[at] ?? 0) < 128);
    expect(small.filter(whole)).toHaveLength(small.length);
  });

  it("are not freed while a client that does not read has them still to come", async () => {
    const { pieces } = some();
    const read = async (answer: IncomingMessage) => {
      answer.pause();
      await sleep(300);
      const freed = pieces.filter((piece) => !whole(piece)).length;
      const all = await digest(answer);
      return `${freed < pieces.length / 2} ${all}`;
    };
    const expected = createHash("sha256").update(Buffer.concat(pieces)).digest("hex");
    expect(await sent(pieces, { read })).toBe(`true ${expected}`);
  });

  it("are not freed while the server or the socket still has them", () => {
    const request = new IncomingMessage(new Socket());
    const outgoing = new ServerResponse(request);
    // It is not connected yet, so what is written waits.
    outgoing.assignSocket(request.socket);
    const spent = openSpentPieces(outgoing);
    const early = Buffer.alloc(128 * KiB);
    // Before the head is sent the server may hold what it was given.
    spent.sending(early);
    spent.next();
    expect(early.byteLength).toBe(128 * KiB);
    outgoing.writeHead(200);
    const piece = Buffer.alloc(128 * KiB);
    spent.sending(piece);
    outgoing.write(piece);
    spent.next();
    expect(piece.byteLength).toBe(128 * KiB);
    request.socket.destroy();
  });
});
