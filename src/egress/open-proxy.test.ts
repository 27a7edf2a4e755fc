import { readFileSync } from "node:fs";
import { createServer, type Socket } from "node:net";
import { afterEach, describe, expect, it } from "vitest";

import {
  bearer,
  bytesOf,
  calling,
  codeOf,
  openProxyTests,
  openTestBooks,
  textOf,
} from "./proxy.testing.ts";

const { upstream, secureUpstream, proxy, close, tcp, trusted } = openProxyTests();
afterEach(close);

describe("a call of an endpoint", () => {
  it("arrives with the credential, and is written down before its answer ends", async () => {
    const { baseUrl, arrived, port } = await upstream();
    const { call, books } = proxy(`${baseUrl}/base`);
    const body = { body: bytesOf("hey", "!"), bodyBytes: 4 };
    const answer = await call({ method: "POST", path: "/v1/x", query: "a=1", ...body });
    expect(books.entries).toEqual(["reserve", "sent"]);
    expect(await textOf(answer)).toBe("served");
    expect(arrived).toMatchObject([{ method: "POST", url: "/base/v1/x?a=1", body: "hey!" }]);
    expect(arrived[0]?.rawHeaders).toEqual([
      ...["host", `up.test:${port}`, "user-agent", "airlock-proxy/1.0"],
      ...["authorization", `Bearer ${bearer}`, "content-length", "4", "Connection", "keep-alive"],
    ]);
    expect(books.entries).toEqual(["reserve", "sent", "settle ok null"]);
    const sizes = { request_bytes: 4, response_bytes: 6, status: 200, address: "127.0.0.1" };
    const row = { endpoint: "up", method: "POST", path: "/v1/x", truncated: false, ...sizes };
    expect(books.settled).toMatchObject([row]);
    expect(JSON.stringify(books.settled)).not.toContain("a=1");
  });

  it("over TLS is made only when the upstream proves to be the host of the URL", async () => {
    trusted();
    const { baseUrl, arrived } = await secureUpstream();
    const authorities = [readFileSync(trusted().certificate, "utf8")];
    expect(await textOf(await proxy(baseUrl, { options: { authorities } }).call({}))).toBe(
      "served",
    );
    const stranger = proxy(baseUrl);
    expect(codeOf(await stranger.call({}))).toBe("upstream_error");
    expect(stranger.books.entries).toEqual(["reserve", "settle failed upstream_error"]);
    expect(arrived).toHaveLength(1);
  });

  it("brings the injected credential exactly once, whatever the caller says (H04, H07)", async () => {
    const { baseUrl, arrived, port } = await upstream();
    const { call } = proxy(baseUrl, { policy: { allowHeaders: ["x-team"] } });
    const headers: [string, string][] = [
      ["Authorization", "Bearer mine"],
      ["authorization", "Basic bWluZQ=="],
      ["Cookie", "a=b"],
      ["Proxy-Authorization", "x"],
      ["X-Forwarded-For", "127.0.0.1"],
      ["Host", "evil.test"],
      ["Connection", "authorization, x-team"],
      ["X-Team", "7"],
      ["Transfer-Encoding", "chunked"],
      ["Content-Length", "5"],
    ];
    expect(codeOf(await call({ headers }))).toBe("ok");
    expect(arrived[0]?.rawHeaders).toEqual([
      ...["host", `up.test:${port}`, "user-agent", "airlock-proxy/1.0"],
      ...["authorization", `Bearer ${bearer}`, "Connection", "keep-alive"],
    ]);
  });

  it("spends a credential of the query after all else, and writes no query down (H18)", async () => {
    const { baseUrl, arrived } = await upstream();
    const { call, books } = proxy(baseUrl, {
      policy: { authShape: { type: "query", name: "key" } },
      credential: { type: "query", value: bearer },
    });
    expect(codeOf(await call({ query: "a=1&%6bey=mine" }))).toBe("policy_denied");
    const answer = await call({ path: `/x/${bearer}`, query: "a=1" });
    expect(await textOf(answer)).toBe("served");
    expect(arrived.map(({ url }) => url)).toEqual([`/x/${bearer}?a=1&key=${bearer}`]);
    expect(books.settled.at(-1)?.path).toBe("/x/[redacted]");
    expect(JSON.stringify(books.settled)).not.toMatch(/a=1|tok_/);
  });

  it("leaves no secret in the path of its row, however the path spells it (H18)", async () => {
    const { baseUrl } = await upstream();
    const { call, books } = proxy(baseUrl);
    const spelled = bearer.replace("t", "%74").replace("_", "%5F");
    for (const path of [`/a/${spelled}`, `/%zz/${bearer}`, `/\n${bearer}`]) {
      await textOf(await call({ path }));
    }
    expect(books.settled).toHaveLength(3);
    expect(books.settled.map(({ path }) => path).join()).not.toMatch(/dGhpcy/);
  });

  it("leaves no part of a secret in its row, whatever its letters and wherever it stands (H18)", async () => {
    const { baseUrl } = await upstream();
    const secret = "schlüssel-über-alles-4711";
    const { call, books } = proxy(baseUrl, { secrets: [secret, bearer] });
    for (const letters of [secret, Buffer.from(secret).toString("latin1")]) {
      await textOf(await call({ path: `/a/${letters}` }));
    }
    await textOf(await call({ method: bearer, endpoint: `up${"p".repeat(50)}${bearer}` }));
    expect(books.settled.slice(0, 2).map(({ path }) => path)).toEqual(
      Array(2).fill("/a/[redacted]"),
    );
    expect(JSON.stringify(books.settled[2])).not.toMatch(/tok_dGhp/);
  });

  it("that its caller stops reading is over, and its budget is charged what was read", async () => {
    const { baseUrl } = await upstream((_incoming, reply) => reply.write("x".repeat(100)));
    const { call, books } = proxy(baseUrl);
    const answer = await call({});
    for await (const part of (answer.ok && answer.body) || []) {
      expect(part).toHaveLength(100);
      break;
    }
    expect(books.settled).toMatchObject([{ outcome: "interrupted", response_bytes: 100 }]);
  });

  it("that the policy does not let through costs nothing and reaches nobody", async () => {
    const { baseUrl, arrived, connections } = await upstream();
    const {
      proxy: endpoints,
      call,
      books,
      asked,
    } = proxy(baseUrl, {
      policy: { allowPathPrefixes: ["/v1/"], allowMethods: ["GET"], perCallBudget: 1 },
    });
    const path = "/v1/x";
    expect(codeOf(await call({ path: "/v1/../admin" }))).toBe("policy_denied");
    expect(codeOf(await call({ path, method: "DELETE" }))).toBe("policy_denied");
    expect(codeOf(await call({ path, headers: [["a", "b\r\nc: d"]] }))).toBe("bad_request");
    expect(codeOf(await call({ path, responseMode: "everything" }))).toBe("bad_request");
    const other = await calling(endpoints, { endpoint: "other", path });
    expect(other).toMatchObject({ status: 404, error: { error: "endpoint_not_found" } });
    expect(await textOf(other)).toContain("The run has: up");
    expect([arrived, asked, connections()]).toEqual([[], [], 0]);
    expect(books.settled.map((row) => row.error)).toHaveLength(5);
    expect(books.settled.every((row) => row.outcome === "denied")).toBe(true);
    expect(books.reserved).toBe(0);
    expect(codeOf(await call({ path }))).toBe("ok");
  });

  it("whose credential is not there any more costs nothing, and nobody is dialled", async () => {
    const { baseUrl, connections } = await upstream();
    const { books, call } = proxy(baseUrl, { credential: undefined });
    expect(codeOf(await call({}))).toBe("internal_error");
    expect(books.entries).toEqual(["settle denied internal_error"]);
    expect(connections()).toBe(0);
  });

  it("to an upstream at a private address is given back and denied (H10)", async () => {
    const { baseUrl, connections } = await upstream();
    const { call, books } = proxy(baseUrl, { options: { privateHosts: [] } });
    expect(codeOf(await call({}))).toBe("ssrf_denied");
    expect(books.entries).toEqual(["reserve", "release", "settle denied ssrf_denied"]);
    expect(connections()).toBe(0);
  });

  it("is not followed where a redirect leads, and nothing arrives there (H08)", async () => {
    const trap = await upstream();
    const places = [
      "//evil.test/x",
      "file:///etc/passwd",
      "data:text/plain,x",
      `${trap.baseUrl}/x`,
    ];
    for (const status of [301, 302, 303, 307, 308]) {
      for (const location of places) {
        const { baseUrl, arrived } = await upstream((_incoming, reply) =>
          reply.writeHead(status, { location }).end("moved"),
        );
        const { call, asked } = proxy(baseUrl);
        const answer = await call({});
        expect(answer).toMatchObject({ ok: true, status });
        expect(await textOf(answer)).toBe("moved");
        expect(arrived).toHaveLength(1);
        expect(asked).toEqual(["up.test"]);
      }
    }
    expect(trap.arrived).toEqual([]);
  });

  it("leads a client of plain HTTP back to the endpoint when the upstream redirects to itself", async () => {
    const { baseUrl, arrived } = await upstream((_incoming, reply) =>
      reply.writeHead(302, { location: `${baseUrl}/base/there?a=1` }).end(),
    );
    const { call } = proxy(`${baseUrl}/base`);
    const locationOf = async (door: "http" | "protocol") => {
      const answer = await call({ door, path: "/here" });
      return answer.ok && Object.fromEntries(answer.headers).location;
    };
    expect(await locationOf("http")).toBe("http://up.proxy/there?a=1");
    expect(await locationOf("protocol")).toBe(`${baseUrl}/base/there?a=1`);
    expect(arrived).toHaveLength(2);
  });

  it("has what came back without the credential, wherever the upstream repeats it", async () => {
    const { baseUrl } = await upstream((incoming, reply) => {
      const { authorization = "" } = incoming.headers;
      reply.writeHead(200, { "x-echo": authorization }).write(authorization.slice(0, 12));
      reply.end(authorization.slice(12));
    });
    const { call, books } = proxy(baseUrl);
    const answer = await call({});
    expect(await textOf(answer)).toBe("Bearer [redacted]");
    expect(JSON.stringify(answer)).not.toContain(bearer);
    expect(books.settled[0]?.redacted).toBe(true);
  });

  it("whose policy gives less than the body has no body, and is settled before its answer", async () => {
    const { baseUrl } = await upstream((_incoming, reply) =>
      reply.writeHead(201, { etag: "x" }).end("served"),
    );
    const { call, books } = proxy(baseUrl, { policy: { responseMode: "headers_only" } });
    const answer = await call({ responseMode: "full" });
    expect(answer).toMatchObject({
      status: 201,
      body: null,
      mode: "headers_only",
      modeClamped: true,
    });
    expect(books.settled).toMatchObject([{ mode_clamped: true, outcome: "ok", response_bytes: 0 }]);
    const less = await call({ responseMode: "status_only" });
    expect(less).toMatchObject({ headers: [], mode: "status_only", modeClamped: false });
  });
});

const modes = ["status_only", "headers_only", "full"] as const;

describe("how much of an answer a call is given", () => {
  it.each(modes.flatMap((given) => modes.map((asked) => [given, asked] as const)))(
    "is no more than the policy gives (%s) and no more than was asked for (%s)",
    async (given, asked) => {
      const { baseUrl } = await upstream((_incoming, reply) =>
        reply.writeHead(200, { etag: "x" }).end("served"),
      );
      const { call } = proxy(baseUrl, { policy: { responseMode: given } });
      const answer = await call({ responseMode: asked });
      const mode = modes[Math.min(modes.indexOf(given), modes.indexOf(asked))];
      const modeClamped = modes.indexOf(asked) > modes.indexOf(given);
      expect(answer).toMatchObject({ status: 200, mode, modeClamped });
      expect(await textOf(answer)).toBe(mode === "full" ? "served" : "");
      expect("headers" in answer ? answer.headers.length > 0 : undefined).toBe(
        mode !== "status_only",
      );
    },
  );
});

describe("what an upstream does to a call", () => {
  it("that breaks off is an error, in the midst of the body too", async () => {
    const silentOne = await tcp((peer) => {
      peer.once("data", () => {
        peer.end("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nonly this");
      });
    });
    const { call, books } = proxy(`http://up.test:${silentOne.port}`);
    await expect(call({}).then(textOf)).rejects.toMatchObject({ code: "upstream_error" });
    expect(books.entries.at(-1)).toBe("settle failed upstream_error");
    const silent = await tcp((peer) => peer.end());
    const { call: ask } = proxy(`http://up.test:${silent.port}`);
    expect(codeOf(await ask({}))).toBe("upstream_error");
  });

  it("and never answers ends with the time of the policy, head and body alike", async () => {
    const { baseUrl } = await upstream((incoming, reply) => {
      if (incoming.url === "/body") reply.write("begun");
    });
    const { call, books } = proxy(baseUrl, { policy: { timeoutMs: 200 } });
    expect(codeOf(await call({}))).toBe("upstream_timeout");
    const begun = await call({ path: "/body" });
    await expect(textOf(begun)).rejects.toMatchObject({ code: "upstream_timeout" });
    expect(books.entries.filter((entry) => entry.startsWith("settle"))).toEqual(
      Array(2).fill("settle failed upstream_timeout"),
    );
  });

  it("and that closes a kept connection before a byte was sent gets the call over another", async () => {
    const sockets = new Set<Socket>();
    const { baseUrl, arrived, connections } = await upstream((incoming, reply) => {
      sockets.add(incoming.socket);
      reply.end("served");
    });
    const books = openTestBooks();
    const closing = {
      ...books,
      async reserve(...wanted: Parameters<typeof books.reserve>) {
        for (const socket of sockets) socket.destroy();
        // As long as it takes until the news is here.
        for (let i = 0; i < 20; i++) await new Promise((resolve) => setImmediate(resolve));
        return books.reserve(...wanted);
      },
    };
    const { call } = proxy(baseUrl, { options: { books: closing } });
    for (let i = 1; i <= 5; i++) {
      expect(await textOf(await call({ method: "POST" }))).toBe("served");
      expect([arrived.length, connections(), books.settled.length]).toEqual([i, i, i]);
    }
  });

  it("is written down with the address at which it really arrived", async () => {
    const sockets = new Set<Socket>();
    const { port, arrived } = await upstream();
    const first = createServer((socket) => void sockets.add(socket));
    await new Promise<void>((resolve) => first.listen(port, "127.0.0.2", resolve));
    const books = openTestBooks();
    const closing = {
      ...books,
      async sent(id: string) {
        await books.sent(id);
        for (const socket of sockets) socket.destroy();
        for (let i = 0; i < 20; i++) await new Promise((resolve) => setImmediate(resolve));
      },
    };
    const addresses = ["127.0.0.2", "127.0.0.1"];
    const resolver = async () => addresses.splice(0, 1);
    const { call } = proxy(`http://up.test:${port}`, { options: { books: closing, resolver } });
    expect(await textOf(await call({}))).toBe("served");
    first.close();
    expect(arrived).toHaveLength(1);
    expect(books.settled).toMatchObject([{ outcome: "ok", address: "127.0.0.1" }]);
  });

  it("and that breaks off is never sent the same call again, not even a GET", async () => {
    const { baseUrl, arrived } = await upstream((incoming, reply) => {
      if (incoming.url === "/") reply.end("served");
      else incoming.socket.destroy();
    });
    const { call } = proxy(baseUrl);
    expect(await textOf(await call({}))).toBe("served");
    expect(codeOf(await call({ path: "/x" }))).toBe("upstream_error");
    expect(arrived.map(({ url }) => url)).toEqual(["/", "/x"]);
  });

  it("is read from connections that are kept for this run", async () => {
    const { baseUrl, connections } = await upstream();
    const { call } = proxy(baseUrl);
    for (let i = 0; i < 5; i++) await textOf(await call({}));
    expect(connections()).toBe(1);
    await textOf(await proxy(baseUrl).call({}));
    expect(connections()).toBe(2);
  });
});
