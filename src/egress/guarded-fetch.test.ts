import { once } from "node:events";
import type { IncomingMessage } from "node:http";
import { text } from "node:stream/consumers";
import { gzipSync } from "node:zlib";
import { afterEach, describe, expect, it } from "vitest";

import { guardedFetch } from "./guarded-fetch.ts";
import { UpstreamRefused } from "./upstream-refused.ts";
import { openUpstreamTests } from "./upstreams.testing.ts";

const { open, http, tcp, close } = openUpstreamTests();
afterEach(close);

const fetcher = (ports: number[]) =>
  guardedFetch(open({ privateHosts: ports.map((port) => `api.test:${port}`) }).upstreams);

/** A host that says back what it was asked. */
const echo = () =>
  http(async (asked, answer) => {
    const { method, url, headers } = asked;
    answer.writeHead(
      201,
      "Made",
      [
        ["Set-Cookie", "a=1"],
        ["Set-Cookie", "b=2"],
        ["X-A", "b"],
      ].flat(),
    );
    answer.end(JSON.stringify({ method, url, headers, body: await text(asked) }));
  });

describe("the guarded fetch", () => {
  it("sends and gives what fetch does: method, query, headers, a body with its length", async () => {
    const { port } = await echo();
    const fetch = fetcher([port]);
    const answer = await fetch(`http://api.test:${port}/v1/x?a=b&c=%2f#d`, {
      method: "POST",
      headers: { "Content-Type": "text/x", "X-Key": "k", Host: "evil.test", Connection: "close" },
      body: "wörld",
    });
    expect([answer.status, answer.statusText, answer.ok]).toEqual([201, "Made", true]);
    expect(answer.headers.getSetCookie()).toEqual(["a=1", "b=2"]);
    expect(answer.headers.get("x-a")).toBe("b");
    expect(await answer.json()).toMatchObject({
      ...{ method: "POST", url: "/v1/x?a=b&c=%2f", body: "wörld" },
      headers: {
        ...{ "content-type": "text/x", "x-key": "k", "content-length": "6" },
        ...{ host: `api.test:${port}`, "accept-encoding": "identity", connection: "keep-alive" },
      },
    });
  });

  const bodies: [string, (url: string) => Parameters<typeof fetch>][] = [
    ["a Request", (url) => [new Request(url, { method: "PUT", body: "sent" })]],
    ["bytes", (url) => [url, { method: "PUT", body: Buffer.from("sent") }]],
    ["a form", (url) => [new URL(url), { method: "PUT", body: new URLSearchParams("sent") }]],
    ["a stream", (url) => [url, { method: "PUT", body: new Blob(["se", "nt"]).stream() }]],
  ];
  it.each(bodies)("sends the body of %s", async (_name, make) => {
    const { port } = await echo();
    const answer = await fetcher([port])(...make(`http://api.test:${port}/`));
    const body = expect.stringMatching(/^sent/);
    expect(await answer.json()).toMatchObject({ method: "PUT", body });
  });

  it("gives an answer piece by piece, as it comes and as it is read", async () => {
    const next = Promise.withResolvers<void>();
    const { port } = await http(async (_asked, answer) => {
      answer.write("one");
      await next.promise;
      answer.end("two");
    });
    const answer = await fetcher([port])(`http://api.test:${port}/`);
    const reader = answer.body?.getReader();
    expect(Buffer.from((await reader?.read())?.value ?? []).toString()).toBe("one");
    next.resolve();
    expect(Buffer.from((await reader?.read())?.value ?? []).toString()).toBe("two");
    expect(await reader?.read()).toEqual({ done: true, value: undefined });
  });

  it("follows no redirect, so that no credential goes where one points (H08)", async () => {
    const seen: IncomingMessage[] = [];
    const host = await http((asked, answer) => {
      seen.push(asked);
      answer.writeHead(307, { location: "/elsewhere" }).end();
    });
    const fetch = fetcher([host.port]);
    for (const redirect of ["manual", "follow", "error"] as const) {
      const answer = await fetch(`http://api.test:${host.port}/`, { redirect });
      expect([answer.status, answer.headers.get("location")]).toEqual([307, "/elsewhere"]);
      await answer.body?.cancel();
    }
    expect(seen.map((asked) => asked.url)).toEqual(["/", "/", "/"]);
  });

  it("decodes nothing: what is counted is what came", async () => {
    const packed = gzipSync(Buffer.alloc(1_000_000));
    const { port } = await http((_asked, answer) => {
      answer.writeHead(200, { "content-encoding": "gzip" }).end(packed);
    });
    const answer = await fetcher([port])(`http://api.test:${port}/`);
    expect(Buffer.from(await answer.arrayBuffer())).toEqual(packed);
  });

  it.each([
    ["HEAD", 200],
    ["GET", 204],
    ["GET", 304],
  ])("gives no body for %s and %i, and keeps the connection", async (method, status) => {
    const headers = status === 200 ? { "content-length": 5 } : {};
    const host = await http((_asked, answer) => answer.writeHead(status, headers).end());
    const fetch = fetcher([host.port]);
    const newConnections = async () => {
      const before = host.connections();
      const answer = await fetch(`http://api.test:${host.port}/`, { method });
      expect([answer.status, answer.body]).toEqual([status, null]);
      return host.connections() - before;
    };
    expect(await newConnections()).toBe(1);
    await expect.poll(newConnections).toBe(0);
  });

  it("rejects as fetch does when there is no answer, with the refusal as the cause (H10)", async () => {
    const fetch = fetcher([]);
    for (const url of ["http://127.0.0.1:9/", "https://localhost/", "http://evil.test/"]) {
      const error = await fetch(url).catch((reason: unknown) => reason);
      expect(error).toBeInstanceOf(TypeError);
      expect(error).toMatchObject({ message: "fetch failed" });
      expect((error as Error).cause).toBeInstanceOf(UpstreamRefused);
    }
    await expect(fetch("nonsense")).rejects.toThrow(TypeError);
  });

  it.each([
    ["a status that is none", "HTTP/1.1 999 x\r\nContent-Length: 0\r\n\r\n"],
    ["a bare carriage return", "HTTP/1.1 200 OK\r\nX: a\rY: b\r\n\r\n"],
    ["two lengths", "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab"],
    ["a switch of protocols", "HTTP/1.1 101 x\r\nUpgrade: y\r\nConnection: Upgrade\r\n\r\n"],
    ["nothing", ""],
  ])("rejects an answer with %s (H17)", async (_name, bytes) => {
    const { port } = await tcp((socket) => void socket.once("data", () => socket.end(bytes)));
    await expect(fetcher([port])(`http://api.test:${port}/`)).rejects.toThrow("fetch failed");
  });

  it("tells an answer that breaks off from one that ends", async () => {
    const bytes = "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc";
    const { port } = await tcp((socket) => void socket.once("data", () => socket.end(bytes)));
    const answer = await fetcher([port])(`http://api.test:${port}/`);
    await expect(answer.text()).rejects.toThrow("terminated");
  });

  it("ends with its signal, before and within the answer, and the host sees it", async () => {
    const ended = Promise.withResolvers<void>();
    const { port } = await http((asked, answer) => {
      answer.on("close", () => ended.resolve());
      if (asked.url === "/begun") answer.write("begun");
    });
    const fetch = fetcher([port]);
    const reason = new Error("Nobody waits");
    const before = new AbortController();
    const asking = fetch(`http://api.test:${port}/`, { signal: before.signal });
    before.abort(reason);
    await expect(asking).rejects.toBe(reason);
    await expect(fetch(`http://api.test:${port}/`, { signal: before.signal })).rejects.toBe(reason);
    const within = new AbortController();
    const answer = await fetch(`http://api.test:${port}/begun`, { signal: within.signal });
    const reading = answer.text();
    within.abort(reason);
    await expect(reading).rejects.toBe(reason);
    await ended.promise;
  });

  it("lets go of the connection when the body is not wanted", async () => {
    const cut = Promise.withResolvers<void>();
    const { port } = await http((_asked, answer) => {
      answer.on("close", () => cut.resolve());
      answer.write("begun");
    });
    const answer = await fetcher([port])(`http://api.test:${port}/`);
    await answer.body?.cancel();
    await cut.promise;
  });

  it("gives the answer to a body that was not read to its end", async () => {
    const { port } = await tcp((socket) => {
      socket.once("data", () => {
        socket.write("HTTP/1.1 413 x\r\nContent-Length: 4\r\nConnection: close\r\n\r\nmuch");
        once(socket, "data").then(() => socket.resume());
      });
    });
    const pieces = new ReadableStream({
      pull: (controller) => controller.enqueue(Buffer.alloc(1024)),
    });
    const options = { method: "POST", body: pieces };
    const answer = await fetcher([port])(`http://api.test:${port}/`, options);
    expect([answer.status, await answer.text()]).toEqual([413, "much"]);
  });
});
