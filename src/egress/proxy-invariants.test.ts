import type { RequestListener } from "node:http";
import fc from "fast-check";
import { expect, it } from "vitest";

import { bytesOf, codeOf, openProxyTests, textOf } from "./proxy.testing.ts";

/** How an upstream treats a request, by its path. */
const upstreams: Record<string, RequestListener> = {
  fine: (_incoming, reply) => reply.end("x".repeat(300)),
  pieces: (_incoming, reply) => {
    reply.write("x".repeat(200));
    setImmediate(() => reply.end("x".repeat(200)));
  },
  breaks: (_incoming, reply) => {
    reply.write("x".repeat(50));
    setImmediate(() => reply.destroy());
  },
  silent: (incoming) => incoming.socket.destroy(),
  hangs: () => undefined,
  endless: (_incoming, reply) => {
    const more = () => {
      while (!reply.destroyed && reply.write("x".repeat(5000)));
      if (!reply.destroyed) reply.once("drain", more);
    };
    more();
  },
};

const asked = fc.record({
  path: fc.constantFrom(...Object.keys(upstreams), "../denied"),
  door: fc.constantFrom("http" as const, "protocol" as const),
  body: fc.constantFrom(undefined, "small", "x".repeat(200)),
  mode: fc.constantFrom("full", "headers_only", "status_only"),
  reader: fc.constantFrom("reads", "turns away", "ignores", "aborts"),
});

it("calls of any kind at once are settled once each, and never take more than the budget (H21)", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(asked, { minLength: 1, maxLength: 24 }), async (calls) => {
      const { upstream, proxy, close } = openProxyTests();
      try {
        const { baseUrl, arrived } = await upstream((incoming, reply) =>
          upstreams[(incoming.url ?? "").slice(1)]?.(incoming, reply),
        );
        const policy = {
          ...{ perCallBudget: 10, responseByteBudget: 4000, maxResponseBytes: 900 },
          ...{ maxRequestBytes: 100, timeoutMs: 150 },
        };
        const { proxy: endpoints, call, books } = proxy(baseUrl, { policy });
        let read = 0;
        await Promise.all(
          calls.map(async ({ path, door, body, mode, reader }) => {
            const gone = new AbortController();
            const answering = call({
              ...{ door, path: `/${path}`, responseMode: mode, signal: gone.signal },
              ...(body === undefined ? {} : { method: "POST", body: bytesOf(body) }),
            });
            if (reader === "aborts") setImmediate(() => gone.abort());
            const answer = await answering;
            if (codeOf(answer) !== "ok" || reader === "ignores") return;
            if (reader === "turns away" && answer.ok && answer.body) {
              for await (const part of answer.body) {
                read += part.length;
                return;
              }
            }
            read += await textOf(answer).then(
              (text) => text.length,
              () => 0,
            );
          }),
        );
        await endpoints.close();
        const ids = new Set(books.settled.map(({ id }) => id));
        expect(ids.size).toBe(books.settled.length);
        expect(ids.size + endpoints.deniedUnreported()).toBe(calls.length);
        const counted = books.settled.filter(({ outcome }) => outcome !== "denied");
        expect(counted.length).toBeLessThanOrEqual(10);
        expect(books.reserved).toBe(counted.length);
        expect(arrived.length).toBeLessThanOrEqual(counted.length);
        const charged = books.settled.reduce((sum, row) => sum + row.response_bytes, 0);
        expect(charged).toBeLessThanOrEqual(4000);
        expect(read).toBeLessThanOrEqual(charged);
        expect(books.settled.every(({ response_bytes }) => response_bytes <= 900)).toBe(true);
      } finally {
        await close();
      }
    }),
    { numRuns: 25 },
  );
});
