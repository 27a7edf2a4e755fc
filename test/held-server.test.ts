/**
 * I9: a gateway that cannot be held. Clients that are slow, silent, huge, greedy or broken get an answer or an end; the
 * others are served meanwhile, memory and log stay bounded, and a stop does not wait for any of them.
 */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { call, clientOf } from "./support/airlock-api.ts";
import { type HeldSocket, holdSocket, requestHead } from "./support/held-sockets.ts";
import { residentBytes } from "./support/resident-memory.ts";
import { type StartedGateway, startGateway } from "./support/start-gateway.ts";

const MiB = 1024 * 1024;
const streamsMax = process.env.AIRLOCK_SOAK === "1" ? 3_000 : 1_000;
const turnsOfLong = 16;
const exec = (command: string) => ({ tool: "sandbox_exec", arguments: { command } });
const scripts = {
  quick: { turns: [{ text: "done" }] },
  big: {
    turns: [
      { calls: [exec("head -c 100000000 /dev/urandom > /workspace/out/big.bin")] },
      { text: "done" },
    ],
  },
  /** Begins when most of its followers listen, and says more than a socket holds that is not read. */
  long: {
    turns: Array.from({ length: turnsOfLong }, (_, turn) => ({
      ...(turn === 0 ? { delayMs: 3_000 } : {}),
      text: `turn ${turn}`,
      ...(turn < turnsOfLong - 1 ? { calls: [exec(`echo ${turn} # ${"x".repeat(60_000)}`)] } : {}),
    })),
  },
};

let gateway: StartedGateway;
let bearer: Record<string, string>;
const held: HeldSocket[] = [];
beforeAll(async () => {
  gateway = await startGateway({
    script: { scripts },
    env: {
      AIRLOCK_LOG_LEVEL: "debug",
      AIRLOCK_EVENT_STREAMS: String(streamsMax),
      AIRLOCK_HEADERS_SECONDS: "2",
      AIRLOCK_BODY_IDLE_SECONDS: "2",
    },
  });
  bearer = { Authorization: `Bearer ${gateway.token}` };
});
afterAll(async () => {
  for (const { socket } of held) socket.destroy();
  await gateway.stop();
});

async function hold(text: string, how?: { reads?: boolean }): Promise<HeldSocket> {
  const socket = await holdSocket(gateway.url, text, how);
  held.push(socket);
  return socket;
}

const runsNow = async () =>
  ((await call(gateway, "GET", "/api/runs")).body.runs as object[]).length;

/** Asks what users ask, again and again, until `until` has settled. Returns how often; every answer was good. */
async function serveMeanwhile(until: Promise<unknown>): Promise<number> {
  let over = false;
  let served = 0;
  const ended = until.finally(() => {
    over = true;
  });
  while (!over) {
    expect((await call(gateway, "GET", "/api/whoami")).status).toBe(200);
    const run = { model: "scripted/quick", prompt: "go" };
    if (served % 20 === 0) expect((await call(gateway, "POST", "/api/runs", run)).status).toBe(201);
    served += 1;
  }
  await ended;
  return served;
}

describe("clients that never come to an end", () => {
  it("of their headers or their body are closed in time, and the others are served", async () => {
    const headers = Array.from({ length: 200 }, () => hold("GET /api/whoami HTTP/1.1\r\nHost: l"));
    const body = requestHead("POST", "/api/runs", {
      ...bearer,
      "Content-Type": "application/json",
      "Content-Length": "1000",
    });
    const bodies = Array.from({ length: 200 }, () => hold(`${body}{"model": `));
    const all = await Promise.all([...headers, ...bodies]);
    const dripping = setInterval(() => {
      for (const { socket } of all.slice(0, 200)) socket.write("o");
    }, 100);
    try {
      const ends = Promise.all(all.map(({ closed }) => closed));
      expect(await serveMeanwhile(ends)).toBeGreaterThan(10);
      const statuses = (await ends).map((text) => text.slice(9, 12));
      expect(new Set(statuses.slice(0, 200))).toEqual(new Set(["408"]));
      expect(new Set(statuses.slice(200))).toEqual(new Set(["400"]));
    } finally {
      clearInterval(dripping);
    }
  });

  it("of a body that nobody let them send are closed too", async () => {
    const head = requestHead("POST", "/api/runs", {
      "Content-Type": "application/json",
      "Content-Length": "1000000",
    });
    const strangers = await Promise.all(Array.from({ length: 50 }, () => hold(`${head}{"model":`)));
    for (const { closed } of strangers) expect(await closed).toMatch(/^HTTP\/1\.1 401 /);
  });
});

describe("headers", () => {
  it.each([
    ["that are too large", `X-Large: ${"x".repeat(17_000)}\r\n`],
    ["that are too many", "X: y\r\n".repeat(101)],
    ["that are thousands", "a:\r\n".repeat(3_500)],
  ])("%s are refused with 431, and the connection ends", async (_, lines) => {
    const { closed } = await hold(`GET /healthz HTTP/1.1\r\nHost: localhost\r\n${lines}\r\n`);
    expect(await closed).toMatch(/^HTTP\/1\.1 431 [\s\S]*"code":"invalid_request"/);
  });
});

describe("a request that two readers could see as two", () => {
  const hidden = requestHead("GET", "/healthz");
  const post = (lines: string, body: string) =>
    `POST /api/gc HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n${lines}\r\n\r\n${body}`;
  it.each([
    ["a length and chunks", post("Content-Length: 4\r\nTransfer-Encoding: chunked", "0\r\n\r\n")],
    ["chunks and a length", post("Transfer-Encoding: chunked\r\nContent-Length: 4", "0\r\n\r\n")],
    ["two lengths", post("Content-Length: 0\r\nContent-Length: 5", "12345")],
    ["a list of lengths", post("Content-Length: 0, 0", "")],
    ["a signed length", post("Content-Length: +0", "")],
    ["a length in hex", post("Content-Length: 0x0", "")],
    ["chunks that are not last", post("Transfer-Encoding: chunked, identity", "0\r\n\r\n")],
    ["chunks with a tab", post("Transfer-Encoding:\tchunked, x", "0\r\n\r\n")],
    ["an unknown coding", post("Transfer-Encoding: xchunked", "0\r\n\r\n")],
    ["a folded header", post("X: a\r\n Content-Length: 0", "")],
    ["a space before the colon", post("Content-Length : 0", "")],
    ["a zero byte in a header", post("X: a\0b\r\nContent-Length: 0", "")],
    ["a bare line feed in the headers", post("X: a\nContent-Length: 0", "")],
    ["a bare carriage return", post("X: a\rContent-Length: 0", "")],
  ])("%s: one answer, 400, and the connection ends", async (_, text) => {
    const received = await (await hold(text + hidden)).closed;
    expect(received.match(/HTTP\/1\.1 /g)).toHaveLength(1);
    expect(received).toMatch(/^HTTP\/1\.1 400 /);
    expect(received).toMatch(/\r\nX-Request-Id: req_/i);
  });

  it.each([
    ["without a size", "zz\r\n\r\n"],
    ["of a size with a sign", "+1\r\na\r\n0\r\n\r\n"],
    ["whose size overflows", `${"f".repeat(17)}\r\na\r\n0\r\n\r\n`],
    ["longer than its size", "1\r\nabc\r\n0\r\n\r\n"],
    ["with a bare line feed", "1\na\n0\n\n"],
  ])("a chunk %s: 400 to who may send it, and the connection ends", async (_, body) => {
    const chunked = { "Content-Type": "application/json", "Transfer-Encoding": "chunked" };
    const head = requestHead("POST", "/api/gc", { ...bearer, ...chunked });
    const received = await (await hold(head + body + hidden)).closed;
    expect(received.match(/HTTP\/1\.1 /g)).toHaveLength(1);
    expect(received).toMatch(/^HTTP\/1\.1 400 /);
  });
});

describe("a form", () => {
  const part = (head: string, body: string) => `--b\r\n${head}\r\n\r\n${body}\r\n`;
  const named = (name: string, body: string) =>
    part(`Content-Disposition: form-data; name="${name}"`, body);
  const submission = named("submission", JSON.stringify({ model: "scripted/quick", prompt: "go" }));
  const files = (count: number) =>
    Array.from({ length: count }, (_, index) => named(`file:f${index}`, "x")).join("");
  const send = (body: string, headers: Record<string, string> = {}) =>
    call(gateway, "POST", "/api/runs", body, {
      "content-type": "multipart/form-data; boundary=b",
      ...headers,
    });

  it.each([
    ["of ten thousand parts", `${files(10_000)}--b--\r\n`, 400, "more than 1001 parts"],
    [
      "whose part has headers without an end",
      `--b\r\nX: ${"x".repeat(100_000)}`,
      400,
      "headers of part 1",
    ],
    [
      "whose part has headers that are too large",
      `${submission}${part(`Content-Disposition: form-data; name="file:a"; x="${"y".repeat(9_000)}"`, "z")}--b--\r\n`,
      400,
      "headers of part 2",
    ],
    ["without its end", submission, 400, "ends before its closing boundary"],
    ["that ends in a part", `--b\r\nContent-Disp`, 400, "ends before its closing boundary"],
    [
      "with a part that has no name at all",
      `${submission}${part("X: y", "lost")}--b--\r\n`,
      400,
      "2 parts of which 1",
    ],
    [
      "with a part of another disposition",
      `${submission}${part("Content-Disposition: attachment", "lost")}--b--\r\n`,
      400,
      "2 parts of which 1",
    ],
    [
      "in a form",
      `${part('Content-Type: multipart/mixed; boundary=c\r\nContent-Disposition: form-data; name="files"', "--c\r\n\r\nx\r\n--c--")}--b--\r\n`,
      400,
      'expected "submission", "file:<slot>", "skill:<slot>" or "agentsmd:<slot>"',
    ],
  ])("%s is refused, and makes no run", async (_, body, status, words) => {
    const before = await runsNow();
    const answer = await send(body);
    expect([answer.status, JSON.stringify(answer.body)]).toEqual([
      status,
      expect.stringContaining(JSON.stringify(words).slice(1, -1)),
    ]);
    expect(await runsNow()).toBe(before);
  });

  it.each(["gzip", "deflate", "br", "zstd", "x"])(
    "and JSON with the content encoding %s is refused with 415",
    async (encoding) => {
      const form = await send(`${submission}--b--\r\n`, { "content-encoding": encoding });
      expect(form.status).toBe(415);
      const json = { "content-encoding": encoding };
      const body = { model: "scripted/quick", prompt: "go" };
      expect((await call(gateway, "POST", "/api/runs", body, json)).status).toBe(415);
    },
  );

  it("as it should be makes a run, with words before its first boundary and after its last", async () => {
    expect((await send(`words\r\n${submission}--b--\r\nwords`)).status).toBe(201);
    expect((await send(`${submission}--b--`)).status).toBe(201);
  });
});

describe("a page of runs", () => {
  it("is bounded in bytes, and the next page goes on where it ended", async () => {
    const made: unknown[] = [];
    for (let index = 0; index < 5; index++) {
      const run = { model: "scripted/quick", prompt: `${index} ${"p".repeat(3 * MiB)}` };
      const { body } = await call(gateway, "POST", "/api/runs", run);
      made.unshift((body.run as { id: string }).id);
    }
    const seen: unknown[] = [];
    for (let cursor = ""; seen.length < made.length; ) {
      const { body } = await call(gateway, "GET", `/api/runs?limit=1000${cursor}`);
      expect(JSON.stringify(body).length).toBeLessThan(9 * MiB);
      seen.push(...(body.runs as { id: string }[]).map(({ id }) => id));
      if (seen.length < made.length) expect(body.nextCursor).toBeTypeOf("string");
      cursor = `&cursor=${String(body.nextCursor)}`;
    }
    expect(seen.slice(0, made.length)).toEqual(made);
  });
});

describe("a flood of requests that are refused", () => {
  it("fills no log: of one kind the first are written down, then how many", async () => {
    const before = gateway.log().length;
    const wrong = { url: gateway.url, token: "wrong" };
    for (let sent = 0; sent < 10_000; sent += 50) {
      const some = Array.from({ length: 50 }, () => call(wrong, "GET", "/api/runs"));
      for (const { status } of await Promise.all(some)) expect(status).toBe(401);
    }
    const lines = gateway.log().slice(before).split("\n");
    const refused = lines.filter((line) => line.includes('"unauthorized"'));
    expect(refused.length).toBeGreaterThan(10);
    expect(refused.length).toBeLessThan(500);
    expect(lines.length).toBeLessThan(1_000);
  }, 180_000);
});

describe("thousands of streams, and readers that do not read", () => {
  it("cost bounded memory, take no event from those that read, and hold up no stop", async () => {
    const client = clientOf(gateway);
    const outputDirs = ["/workspace/out"];
    const big = await client.submitRun({ model: "scripted/big", prompt: "go", outputDirs });
    await big.wait();
    const long = await client.submitRun({ model: "scripted/long", prompt: "go" });
    const before = residentBytes(gateway.pid);
    const accept = { Accept: "text/event-stream", Connection: "close" };
    const stream = requestHead("GET", `/api/runs/${long.id}/events`, { ...bearer, ...accept });
    const readers: HeldSocket[] = [];
    for (let opened = 0; opened < streamsMax; opened += 100) {
      const some = Array.from({ length: 100 }, (_, i) => hold(stream, { reads: i < 2 }));
      readers.push(...(await Promise.all(some)).slice(0, 2));
    }
    // A stream that is one too many is told so, once the gateway has come to all the others; a host so slow that the run
    // is over by then has streams that have ended.
    const isFullOrOver = async () => {
      const oneMore = { accept: "text/event-stream" };
      const path = `/api/runs/${long.id}/events`;
      const { status } = await call(gateway, "HEAD", path, undefined, oneMore);
      return status === 429 || (await long.get()).finishedAt !== null;
    };
    await expect.poll(isFullOrOver, { timeout: 60_000 }).toBe(true);
    const archive = requestHead("GET", `/api/runs/${big.id}/archive`, bearer);
    await Promise.all(Array.from({ length: 50 }, () => hold(archive, { reads: false })));
    expect(await serveMeanwhile(Promise.all(readers.map(({ closed }) => closed)))).toBeGreaterThan(
      0,
    );
    const { lastSeq } = await long.get();
    const all = Array.from({ length: lastSeq }, (_, index) => String(index + 1));
    for (const { received } of readers) {
      const ids = [...received().matchAll(/^id: (\d+)$/gm)].map((match) => match[1]);
      // What follows the end of the run (its cleaning) is not for a stream.
      expect(ids).toEqual(all.slice(0, ids.length));
      expect(received()).toContain("event: run.finished");
    }
    const grown = residentBytes(gateway.pid) - before;
    expect(grown).toBeLessThan((200 + streamsMax / 5) * MiB);
    const headers = Array.from({ length: 50 }, () => hold("GET / HTTP/1.1\r\nHost: l"));
    await Promise.all(headers);
    // Ten seconds for those that are still owed an answer, and then nobody is waited for.
    const asked = performance.now();
    expect(await gateway.stop()).toBe(0);
    expect(performance.now() - asked).toBeLessThan(40_000);
  }, 240_000);
});
