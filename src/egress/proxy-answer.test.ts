import { once } from "node:events";
import { Agent, request } from "node:http";
import type { Socket } from "node:net";
import { afterEach, expect, test } from "vitest";
import { awaitAnswer } from "./await-answer.ts";
import { call, chunk, chunkedHead, framed, openAnswerTests } from "./proxy-answer.testing.ts";
import { readAnswer } from "./proxy-answer.ts";
import { redactor } from "./redact.ts";

const { upstream, close } = openAnswerTests();
afterEach(close);

const secret = "Zq9-canary-Xw7";
const redacting = { redactor: redactor([secret]) };

test("a whole answer comes as it was said", async () => {
  const body = Buffer.from(Array.from({ length: 1000 }, (_, i) => i % 256));
  const { port } = await upstream((socket) =>
    socket.write(framed(body, "Content-Type: a/b", "ETag: x")),
  );
  const found = await call(port, redacting);
  expect(found).toMatchObject({ status: 200, headers: { "content-type": "a/b", etag: "x" }, body });
  expect(found.answer?.bytes()).toBe(1000);
  expect(found.answer?.truncated()).toBe(false);
  expect(found.answer?.redacted()).toBe(false);
});

test("a body of exactly the cap is whole, and one of a byte more is cut", async () => {
  const { port } = await upstream((socket) => socket.write(framed("0123456789")));
  const exact = await call(port, { maxBytes: 10 });
  expect(exact.body.toString()).toBe("0123456789");
  expect(exact.answer?.truncated()).toBe(false);
  const cut = await call(port, { maxBytes: 9 });
  expect(cut.body.toString()).toBe("012345678");
  expect(cut.answer?.truncated()).toBe(true);
  expect(cut.answer?.bytes()).toBe(9);
});

test("answers that are read at once never take more than is left together", async () => {
  let left = 10_000;
  const { port } = await upstream((socket) => {
    socket.write(`${chunkedHead}\r\n`);
    for (let i = 0; i < 50; i++) socket.write(chunk("x".repeat(50)));
    socket.write("0\r\n\r\n");
  });
  const charge = (bytes: number) => {
    const paid = Math.min(bytes, left);
    left -= paid;
    return paid;
  };
  const all = await Promise.all(Array.from({ length: 10 }, () => call(port, { charge })));
  expect(left).toBe(0);
  expect(all.reduce((sum, { body }) => sum + body.length, 0)).toBe(10_000);
  expect(all.filter(({ answer }) => answer?.truncated()).length).toBeGreaterThan(0);
});

test("nothing is charged that was not read, and nothing read when nothing is left", async () => {
  const { port, allClosed } = await upstream((socket) => socket.write(framed("x".repeat(1000))));
  const found = await call(port, { charge: () => 0 });
  expect(found.body.length).toBe(0);
  expect(found.answer?.truncated()).toBe(true);
  expect(found.answer?.bytes()).toBe(0);
  await allClosed();
});

test.each([
  ["status_only", {}],
  ["headers_only", { "content-type": "a/b", location: "/?k=[redacted]" }],
] as const)(
  "mode %s reads nothing of the body, and the connection is gone",
  async (mode, headers) => {
    const { port, allClosed } = await upstream((socket) => {
      socket.write(
        `HTTP/1.1 201 Made\r\nContent-Type: a/b\r\nLocation: /?k=${secret}\r\nContent-Length: 99999\r\n\r\n`,
      );
      socket.write("x".repeat(1000));
    });
    let charged = 0;
    const found = await call(port, {
      ...redacting,
      mode,
      charge: (bytes) => {
        charged += bytes;
        return bytes;
      },
    });
    expect(found).toMatchObject({ status: 201, headers });
    expect(Object.keys(found.headers ?? {})).toEqual(Object.keys(headers));
    expect(found.answer?.body).toBeNull();
    expect(charged).toBe(0);
    await allClosed();
  },
);

test.each([
  ["HEAD", "200 OK", { "content-length": "123", etag: "x" }],
  ["GET", "204 No Content", { etag: "x" }],
  ["GET", "304 Not Modified", { etag: "x" }],
])("%s with %s has no body, and its connection is used again", async (method, status, headers) => {
  const { port, connections } = await upstream((socket) =>
    socket.write(
      `HTTP/1.1 ${status}\r\nETag: x\r\n${method === "HEAD" ? "Content-Length: 123\r\n" : ""}\r\n`,
    ),
  );
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  for (let i = 0; i < 2; i++) {
    const found = await over(agent, port, method);
    expect(found.answer.body).toBeNull();
    expect(Object.fromEntries(found.answer.headers)).toEqual(headers);
    await found.free;
  }
  expect(connections()).toBe(1);
  agent.destroy();
});

test("a connection is used again when its answer was read to its end, and not when it was cut", async () => {
  const { port, connections } = await upstream((socket) => socket.write(framed("0123456789")));
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  for (const [maxBytes, expected] of [
    [10, 1],
    [10, 1],
    [5, 1],
    [10, 2],
  ] as const) {
    const { answer, free, gone } = await over(agent, port, "GET", maxBytes);
    for await (const part of answer.body ?? []) expect(part.length).toBeLessThanOrEqual(maxBytes);
    expect(connections()).toBe(expected);
    await (answer.truncated() ? gone : free);
  }
  agent.destroy();
});

test("a reader that stops early takes the connection with it", async () => {
  const { port, allClosed } = await upstream((socket) => {
    socket.write(`${chunkedHead}\r\n${chunk("some")}`);
  });
  const asked = request({ host: "127.0.0.1", port, agent: false });
  const { signal } = new AbortController();
  const awaited = awaitAnswer(asked, signal);
  asked.end();
  const answer = readAnswer({ ...fixed, response: await awaited, signal });
  for await (const part of answer.body ?? []) {
    expect(Buffer.from(part).toString()).toBe("some");
    break;
  }
  await allClosed();
});

test("an answer before the call is over already is not waited for", async () => {
  const { port } = await upstream((socket) => socket.write(framed("ok")));
  const over = new Error("over");
  expect(await call(port, { signal: AbortSignal.abort(over) })).toMatchObject({ error: over });
});

test("the canary is told wherever an upstream shows it", async () => {
  const { port } = await upstream((socket) => socket.write(framed(btoa(`u:${secret}`), "X-A: b")));
  let met = 0;
  const onCanary = () => {
    met += 1;
  };
  const found = await call(port, { redactor: redactor([], { canary: secret, onCanary }) });
  expect(met).toBe(1);
  expect(found.body.toString()).toContain("[redacted]");
});

const fixed = {
  method: "GET",
  mode: "full",
  redactor: redactor([]),
  maxBytes: 1000,
  charge: (bytes: number) => bytes,
} as const;

/** One call over a pool; `free` and `gone` say what became of its connection. */
async function over(agent: Agent, port: number, method: string, maxBytes = 1000) {
  const asked = request({ host: "127.0.0.1", port, method, agent });
  const { signal } = new AbortController();
  const awaited = awaitAnswer(asked, signal);
  asked.end();
  const response = await awaited;
  const socket = asked.socket as Socket;
  const free = once(agent, "free");
  const gone = once(socket, "close");
  return { answer: readAnswer({ ...fixed, response, method, maxBytes, signal }), free, gone };
}
