import { afterEach, describe, expect, it } from "vitest";

import { bytesOf, codeOf, openProxyTests, textOf } from "./proxy.testing.ts";

const { upstream, proxy, close, tcp } = openProxyTests();
afterEach(close);

describe("the budget of an endpoint", () => {
  it("lets exactly ten of fifty parallel calls reach the upstream when it is ten (H21)", async () => {
    const { baseUrl, arrived, connections } = await upstream();
    const { call, books } = proxy(baseUrl, { policy: { perCallBudget: 10, timeoutMs: 60_000 } });
    const answers = await Promise.all(Array.from({ length: 50 }, () => call({})));
    const codes = answers.map(codeOf);
    expect(codes.filter((code) => code === "ok")).toHaveLength(10);
    expect(codes.filter((code) => code === "budget_exceeded")).toHaveLength(40);
    expect(await Promise.all(answers.filter(({ ok }) => ok).map(textOf))).toHaveLength(10);
    expect([arrived.length, connections(), books.reserved]).toEqual([10, 10, 10]);
    const left = answers.map((answer) => (answer.ok ? answer.remainingCalls : -1));
    expect(Math.min(...left.filter((calls) => calls >= 0))).toBe(0);
  });

  it("of bytes is shared by parallel calls, to the byte, and then nothing is sent (H21)", async () => {
    const { baseUrl, arrived } = await upstream((_incoming, reply) => reply.end("x".repeat(400)));
    const { call, books } = proxy(baseUrl, { policy: { responseByteBudget: 1000 } });
    const door = "protocol" as const;
    const answers = await Promise.all(Array.from({ length: 8 }, () => call({ door })));
    const texts = await Promise.all(answers.map(textOf));
    expect(texts.join("").length).toBe(1000);
    expect(answers.some((answer) => answer.ok && answer.truncated())).toBe(true);
    const before = arrived.length;
    const late = await call({});
    expect([codeOf(late), arrived.length]).toEqual(["budget_exceeded", before]);
    expect(books.entries.slice(-2)).toEqual(["settle ok null", "settle denied budget_exceeded"]);
  });

  it("of bytes goes on where an earlier gateway left it", async () => {
    const { baseUrl } = await upstream((_incoming, reply) => reply.end("x".repeat(400)));
    const first = proxy(baseUrl, { policy: { responseByteBudget: 1000 } });
    await textOf(await first.call({}));
    const again = proxy(baseUrl, {
      policy: { responseByteBudget: 1000 },
      options: { books: first.books },
    });
    const answer = await again.call({ door: "protocol" });
    expect(await textOf(answer)).toHaveLength(400);
    expect(answer).toMatchObject({ ok: true });
    if (answer.ok) expect(answer.remainingBytes()).toBe(200);
  });

  it("of one answer lets through what has no body, whatever length that would have", async () => {
    const { port } = await tcp((peer) => {
      const head = "HTTP/1.1 304 Not Modified\r\nETag: x\r\nContent-Length: 5000\r\n\r\n";
      peer.once("data", () => peer.write(head));
    });
    const { call } = proxy(`http://up.test:${port}`, { policy: { maxResponseBytes: 20 } });
    const answer = await call({ headers: [["if-none-match", "x"]] });
    expect(answer).toMatchObject({ ok: true, status: 304 });
  });

  it("of one answer cuts the body off, and says so; plain HTTP refuses what says it is longer", async () => {
    const { baseUrl } = await upstream((incoming, reply) => {
      if (incoming.url === "/said") reply.setHeader("content-length", 50);
      reply.write("x".repeat(25));
      reply.end("x".repeat(25));
    });
    const { call, books } = proxy(baseUrl, { policy: { maxResponseBytes: 20 } });
    const cut = await call({ door: "protocol", path: "/said" });
    expect(await textOf(cut)).toHaveLength(20);
    expect(cut.ok && cut.truncated()).toBe(true);
    expect(books.settled[0]).toMatchObject({ truncated: true, response_bytes: 20, outcome: "ok" });
    const streamed = await call({ path: "/streamed" });
    expect([await textOf(streamed), streamed.ok && streamed.truncated()]).toEqual([
      "x".repeat(20),
      true,
    ]);
    expect(codeOf(await call({ path: "/said" }))).toBe("exceeded_cap");
    expect(books.settled[2]).toMatchObject({ outcome: "failed", response_bytes: 0, status: 200 });
  });
});

describe("the body of a request", () => {
  it("that says it is over the cap is refused before anything is counted", async () => {
    const { baseUrl, connections } = await upstream();
    const { call, books } = proxy(baseUrl, { policy: { maxRequestBytes: 10 } });
    const answer = await call({ method: "POST", body: bytesOf("x".repeat(11)), bodyBytes: 11 });
    expect([codeOf(answer), connections(), books.reserved]).toEqual(["exceeded_cap", 0, 0]);
  });

  it("that has no length is sent in pieces and cut when it goes over the cap (H22)", async () => {
    let got = 0;
    const ended = Promise.withResolvers<void>();
    const { port } = await tcp((peer) => {
      peer.on("data", (chunk: Buffer) => {
        got += chunk.length;
      });
      peer.on("close", () => ended.resolve());
    });
    const { call, books } = proxy(`http://up.test:${port}`, {
      policy: { maxRequestBytes: 100_000 },
    });
    let made = 0;
    const endless = (async function* () {
      for (;;) {
        made += 10_000;
        yield Buffer.alloc(10_000, "x");
      }
    })();
    const answer = await call({ method: "PUT", body: endless });
    expect(codeOf(answer)).toBe("exceeded_cap");
    await ended.promise;
    expect(got).toBeLessThan(102_000);
    expect(made).toBeLessThan(200_000);
    expect(books.entries).toEqual(["reserve", "sent", "settle failed exceeded_cap"]);
  });

  it.each([
    ["shorter", ["abc"], 5],
    ["longer", ["abc", "GET /admin HTTP/1.1\r\nHost: x\r\n\r\n"], 3],
  ])("that is %s than it says never becomes a whole request (H05)", async (_how, parts, bytes) => {
    const { baseUrl, arrived } = await upstream();
    const { call } = proxy(baseUrl);
    const answer = await call({ method: "POST", body: bytesOf(...parts), bodyBytes: bytes });
    expect(codeOf(answer)).toBe("bad_request");
    await expect.poll(() => arrived.every(({ body }) => body.length <= bytes)).toBe(true);
    expect(arrived.map(({ url }) => url)).not.toContain("/admin");
    expect(await textOf(await call({}))).toBe("served");
  });

  it("that goes on after its length is cut before the upstream reads on (H05)", async () => {
    const { baseUrl, arrived } = await upstream(() => undefined);
    const { call } = proxy(baseUrl);
    const soon = () => new Promise((resolve) => setImmediate(resolve));
    const body = (async function* () {
      yield Buffer.from("abc");
      while (arrived[0]?.body !== "abc") await soon();
      yield Buffer.from("GET /admin HTTP/1.1\r\nHost: x\r\n\r\n");
      for (let i = 0; i < 20; i++) await soon();
    })();
    expect(codeOf(await call({ method: "POST", body, bodyBytes: 3 }))).toBe("bad_request");
    expect(arrived.map(({ url }) => url)).toEqual(["/"]);
  });

  it("of a GET or DELETE is framed, so that it is not read as a request of its own (H05)", async () => {
    const { baseUrl, arrived } = await upstream();
    const { call } = proxy(baseUrl);
    const inner = "GET /admin HTTP/1.1\r\nHost: x\r\n\r\n";
    for (const method of ["GET", "DELETE"]) {
      for (const bodyBytes of [inner.length, null]) {
        expect(await textOf(await call({ method, body: bytesOf(inner), bodyBytes }))).toBe(
          "served",
        );
      }
    }
    expect(arrived.map(({ url, body }) => [url, body])).toEqual(Array(4).fill(["/", inner]));
    expect(codeOf(await call({ method: "HEAD", body: bytesOf("x"), bodyBytes: 1 }))).toBe(
      "bad_request",
    );
  });

  it("whose sender goes away leaves no request behind", async () => {
    const { baseUrl } = await upstream();
    const { call, books } = proxy(baseUrl);
    const broken = (async function* () {
      yield Buffer.from("x");
      throw new Error("gone");
    })();
    expect(codeOf(await call({ method: "POST", body: broken }))).toBe("internal_error");
    expect(books.entries.at(-1)).toBe("settle interrupted null");
  });
});

describe("the end of a run", () => {
  it("cuts calls within a second, before and after their answers began, and settles them (H21)", {
    retry: 3,
  }, async () => {
    const { baseUrl, arrived } = await upstream((incoming, reply) => {
      if (incoming.url === "/body") reply.write("begun");
    });
    const { proxy: endpoints, call, books } = proxy(baseUrl);
    const waiting = [call({}), call({})];
    const begun = await call({ path: "/body" });
    const unread = await call({ path: "/body" });
    expect(unread.ok).toBe(true);
    const reading = expect(textOf(begun)).rejects.toMatchObject({ code: "internal_error" });
    await expect.poll(() => arrived.length).toBe(4);
    const from = performance.now();
    await endpoints.close();
    expect(performance.now() - from).toBeLessThan(1000);
    await reading;
    expect((await Promise.all(waiting)).map(codeOf)).toEqual(Array(2).fill("internal_error"));
    expect(books.settled.map(({ outcome, error }) => [outcome, error])).toEqual(
      Array(4).fill(["interrupted", null]),
    );
    const entries = books.entries.length;
    expect(codeOf(await call({}))).toBe("policy_denied");
    expect([arrived.length, books.entries.length]).toEqual([4, entries]);
  });

  it("of the caller alone cuts its call alone", async () => {
    const { baseUrl, arrived } = await upstream((incoming, reply) => {
      if (incoming.url === "/") reply.end("served");
    });
    const { call, books } = proxy(baseUrl);
    const gone = new AbortController();
    const waiting = call({ path: "/slow", signal: gone.signal });
    await expect.poll(() => arrived.length).toBe(1);
    gone.abort();
    expect(codeOf(await waiting)).toBe("internal_error");
    expect(books.entries.at(-1)).toBe("settle interrupted null");
    expect(await textOf(await call({}))).toBe("served");
  });
});

describe("calls of one run", () => {
  it("are bounded in number at once, and those above are told to slow down", async () => {
    const { baseUrl } = await upstream(() => undefined);
    const { proxy: endpoints, call } = proxy(baseUrl, { policy: { perCallBudget: 1000 } });
    const calls = Array.from({ length: 80 }, () => call({}));
    const late = await Promise.all(calls.slice(64));
    expect(late.map(codeOf)).toEqual(Array(16).fill("rate_limited"));
    await endpoints.close();
    await Promise.all(calls);
  });

  it("in a burst wait for a connection, however many of them are destroyed", async () => {
    const { baseUrl, connections, arrived } = await upstream((_incoming, reply) => {
      setImmediate(() => reply.end("served"));
    });
    const { call } = proxy(baseUrl, { policy: { perCallBudget: 1000 } });
    for (const responseMode of ["full", "headers_only", "full"]) {
      const burst = Array.from({ length: 60 }, async () => {
        const answer = await call({ responseMode });
        await textOf(answer);
        return codeOf(answer);
      });
      expect(new Set(await Promise.all(burst))).toEqual(new Set(["ok"]));
    }
    expect(arrived).toHaveLength(180);
    expect(connections()).toBeLessThan(180);
  });

  it("in envelopes are bounded by the memory that their answers may take", async () => {
    const { baseUrl, arrived } = await upstream((_incoming, reply) => reply.write("begun"));
    const policy = { maxResponseBytes: 2 ** 30, responseByteBudget: 2 ** 40 };
    const { proxy: endpoints, call } = proxy(baseUrl, { policy });
    const door = "protocol" as const;
    const calls = await Promise.all([1, 2, 3].map(() => call({ door })));
    expect(calls.map(codeOf)).toEqual(["ok", "ok", "rate_limited"]);
    expect(codeOf(await call({ door: "http" }))).toBe("ok");
    expect(arrived).toHaveLength(3);
    await endpoints.close();
  });

  it("that are refused in a loop do not fill the books", async () => {
    const { baseUrl } = await upstream();
    const { proxy: endpoints, call, books } = proxy(baseUrl, { policy: { allowMethods: ["GET"] } });
    for (let i = 0; i < 40; i++) await call({ method: "POST" });
    await call({ method: "PUT" });
    expect(books.settled).toHaveLength(17);
    expect(endpoints.deniedUnreported()).toBe(24);
  });

  it("fail closed when the books cannot be written", async () => {
    const { baseUrl, arrived } = await upstream();
    const { books } = proxy(baseUrl);
    const broken = (name: "reserve" | "sent" | "settle") => ({
      ...books,
      [name]: async () => {
        throw new Error("The disk is gone");
      },
    });
    for (const name of ["reserve", "sent"] as const) {
      const { call } = proxy(baseUrl, { options: { books: broken(name) } });
      expect(codeOf(await call({}))).toBe("internal_error");
    }
    expect(arrived).toEqual([]);
    const { call } = proxy(baseUrl, { options: { books: broken("settle") } });
    await expect(textOf(await call({}))).rejects.toMatchObject({ code: "internal_error" });
  });
});
