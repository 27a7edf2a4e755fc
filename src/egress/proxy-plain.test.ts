import { once } from "node:events";
import { request } from "node:http";
import { text } from "node:stream/consumers";
import { afterEach, describe, expect, it } from "vitest";

import { openNetworkTests, tunnelTo } from "./network.testing.ts";
import { bearer, type Given, openProxyTests } from "./proxy.testing.ts";

const networks = openNetworkTests();
const { upstream, proxy, tcp, close } = openProxyTests();
const { say } = networks;
afterEach(async () => {
  await networks.close();
  await close();
});

const runId = "run_01kadz3v6m5c0jx9s2qf8t7w4b";
const runToken = "airlock_run_c2hvd24gYnkgY29kZSBvZiB0aGUgcnVu";

/** The socket of a run that has the endpoint `up`, and may reach whatever `hosts` says beside. */
async function open(baseUrl: string, given: Given = {}, hosts = ["*"]) {
  const opened = proxy(baseUrl, given);
  const network = await networks.open({ hosts, proxy: { proxy: opened.proxy, runToken, runId } });
  return { ...opened, ...network, asked: network.asked, resolved: opened.asked };
}

const get = (uri: string, more = "") =>
  `GET ${uri} HTTP/1.1\r\nHost: up.proxy\r\nConnection: close\r\n${more}\r\n`;

/** What was heard, with the pieces of the body put together. */
const whole = (heard: string) => {
  const at = heard.lastIndexOf("\r\n\r\n", heard.length - 5) + 2;
  return heard.slice(0, at) + heard.slice(at).replace(/\r\n[\da-f]+\r\n/g, "");
};

const errorOf = (heard: string) => JSON.parse(heard.slice(heard.indexOf("\r\n\r\n"))).error;

describe("plain HTTP to an endpoint", () => {
  it("is passed on byte for byte, and answered with what the upstream said", async () => {
    const { baseUrl, arrived } = await upstream((_incoming, reply) =>
      reply.writeHead(418, { etag: "x", "set-cookie": "a=b" }).end("short and stout"),
    );
    const { socket, asked, allowed, denied } = await open(`${baseUrl}/base`);
    const heard = await say(socket, get("http://UP.proxy:80/v1/a%20b?q=%41&r", "Cookie: a=b\r\n"))
      .heard;
    expect(heard).toMatch(/^HTTP\/1\.1 418 .*\r\n/);
    expect(heard).toContain("etag: x\r\n");
    expect(heard).toContain("x-airlock-response-mode: full\r\n");
    expect(heard).not.toMatch(/set-cookie/i);
    expect(whole(heard)).toContain("short and stout");
    expect(arrived).toMatchObject([{ method: "GET", url: "/base/v1/a%20b?q=%41&r" }]);
    expect(arrived[0]?.headers.authorization).toBe(`Bearer ${bearer}`);
    expect(arrived[0]?.headers.cookie).toBeUndefined();
    expect([asked, allowed, denied]).toEqual([[], [], []]);
  });

  it("works for an ordinary client that keeps its connection and sends a body", async () => {
    const { baseUrl, arrived } = await upstream((incoming, reply) =>
      reply.end(`to ${incoming.url}`),
    );
    const { socket, books } = await open(baseUrl);
    for (const path of ["/a", "/b"]) {
      const asking = request({
        socketPath: socket,
        path: `http://up.proxy${path}`,
        method: "POST",
      });
      const [answer] = await once(asking.end("x".repeat(60_000)), "response");
      expect(await text(answer)).toBe(`to ${path}`);
    }
    expect(arrived.map(({ body }) => body.length)).toEqual([60_000, 60_000]);
    expect(books.settled.map(({ door, outcome }) => [door, outcome])).toEqual(
      Array(2).fill(["http", "ok"]),
    );
  });

  it("that is refused says so in the status, in the reason and in JSON", async () => {
    const { baseUrl, connections } = await upstream();
    const { socket } = await open(baseUrl, { policy: { allowPathPrefixes: ["/v1/"] } });
    const heard = await say(socket, get("http://up.proxy/admin")).heard;
    expect(heard).toMatch(
      /^HTTP\/1\.1 403 The path "\/admin" is not below a path that the endpoint allows: \/v1\/\r\n/,
    );
    expect(errorOf(heard)).toBe("policy_denied");
    const other = await say(socket, get("http://other.proxy/v1/x")).heard;
    expect(other).toMatch(
      /^HTTP\/1\.1 404 There is no proxy endpoint of that name. The run has: up\r\n/,
    );
    expect(errorOf(other)).toBe("endpoint_not_found");
    expect(connections()).toBe(0);
  });

  it.each(["/v1/../admin", "/v1/%2e%2e/admin", "/v1/..%2fadmin", "/v1//admin", "/v1\\..\\admin"])(
    "is held to its path as it stands in the request line: %s (H01)",
    async (path) => {
      const { baseUrl, connections } = await upstream();
      const { socket } = await open(baseUrl, { policy: { allowPathPrefixes: ["/v1/"] } });
      expect(await say(socket, get(`http://up.proxy${path}`)).heard).toMatch(/^HTTP\/1\.1 40[03] /);
      expect(connections()).toBe(0);
    },
  );

  it("gives of the answer what the policy gives", async () => {
    const { baseUrl } = await upstream();
    const { socket } = await open(baseUrl, { policy: { responseMode: "headers_only" } });
    const heard = await say(socket, get("http://up.proxy/")).heard;
    expect(heard).toMatch(/^HTTP\/1\.1 200 /);
    expect(heard).toContain("x-airlock-response-mode: headers_only\r\n");
    expect(heard).not.toContain("served");
  });

  it("never looks like a whole answer when it is a part of one", async () => {
    const breaking = Promise.withResolvers<() => void>();
    const { baseUrl } = await upstream((incoming, reply) => {
      reply.write("x".repeat(30));
      if (incoming.url === "/long") reply.end("x".repeat(30));
      else breaking.resolve(() => reply.destroy());
    });
    const { socket } = await open(baseUrl, { policy: { maxResponseBytes: 50 } });
    const long = await say(socket, get("http://up.proxy/long")).heard;
    expect(whole(long)).toMatch(/x{30}/);
    const { client, heard } = say(socket, get("http://up.proxy/broken"));
    await once(client, "data");
    (await breaking.promise)();
    for (const text of [long, await heard]) {
      expect(text).toMatch(/^HTTP\/1\.1 200 /);
      expect(text).not.toMatch(/\r\n0\r\n\r\n$/);
    }
  });

  it("says in full that the upstream broke off, when nothing has been passed on yet", async () => {
    const { port } = await tcp((peer) => {
      peer.once("data", () => peer.end("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n"));
    });
    const { socket } = await open(`http://up.test:${port}`);
    const heard = await say(socket, get("http://up.proxy/")).heard;
    expect(heard).toMatch(/^HTTP\/1\.1 502 The upstream's answer broke off\r\n/);
    expect(errorOf(heard)).toBe("upstream_error");
  });
});

describe("names of endpoints", () => {
  it.each(
    [
      ["http://up.proxy:8080/", "http://up.proxy./", "http://a.up.proxy/", "http://proxy/"],
      ["http://me:pw@up.proxy/", "http://up.proxy@evil.proxy/", "http://up.proxy:/"],
    ].flat(),
  )("are never looked up, and mean nothing in another spelling: %s (H04)", async (uri) => {
    const { baseUrl, connections } = await upstream();
    const { socket, asked, denied } = await open(baseUrl);
    expect(await say(socket, get(uri)).heard).toMatch(/^HTTP\/1\.1 400 /);
    expect([asked, denied, connections()]).toEqual([[], [], 0]);
  });

  it("do not make a way to other hosts (H04)", async () => {
    const { baseUrl, connections } = await upstream();
    const { socket, asked } = await open(baseUrl, {}, ["example.org"]);
    for (const uri of [
      "http://up.proxy.evil.test/",
      "http://up.proxy@evil.test/",
      "http://evil.test/up.proxy",
    ]) {
      expect(await say(socket, get(uri)).heard).toMatch(/^HTTP\/1\.1 40[03] /);
    }
    const hosts =
      "GET http://up.proxy/ HTTP/1.1\r\nHost: a\r\nHost: b\r\nConnection: close\r\n\r\n";
    expect(await say(socket, hosts).heard).toMatch(/^HTTP\/1\.1 400 /);
    expect([asked, connections()]).toEqual([[], 0]);
    const good = "GET http://up.proxy/ HTTP/1.1\r\nHost: evil.test\r\nConnection: close\r\n\r\n";
    expect(await say(socket, good).heard).toMatch(/^HTTP\/1\.1 200 /);
  });

  it.each(["up.proxy:443", "UP.PROXY:8443", "my_api.proxy:443", "other.proxy:443"])(
    "are not tunnelled to: the gateway makes the TLS itself: %s (H13)",
    async (authority) => {
      const { baseUrl, connections } = await upstream();
      const { socket, asked, denied } = await open(baseUrl);
      const heard = await say(socket, tunnelTo(authority, get("/"))).heard;
      const name = authority.split(":")[0]?.toLowerCase();
      expect(heard).toMatch(/^HTTP\/1\.1 403 /);
      expect(heard).toContain(`use http://${name}/`);
      expect(denied).toEqual([{ host: name, port: 443, reason: "endpoint_over_tls" }]);
      expect([asked, connections()]).toEqual([[], 0]);
    },
  );

  it("mean nothing on the socket of a run that has no endpoints", async () => {
    const { socket, asked } = await networks.open({ hosts: [] });
    expect(await say(socket, get("http://up.proxy/")).heard).toContain("not_listed");
    expect(asked).toEqual([]);
  });
});

describe("a request that can be read in two ways", () => {
  const post = (headers: string, body: string) =>
    `POST http://up.proxy/ HTTP/1.1\r\nHost: up.proxy\r\n${headers}\r\n\r\n${body}`;
  const inner = "GET http://up.proxy/admin HTTP/1.1\r\nHost: x\r\n\r\n";
  it.each([
    ["CL+TE", post("Content-Length: 6\r\nTransfer-Encoding: chunked", `0\r\n\r\n${inner}`)],
    ["TE+CL", post("Transfer-Encoding: chunked\r\nContent-Length: 6", `0\r\n\r\n${inner}`)],
    ["two lengths", post("Content-Length: 3\r\nContent-Length: 4", `abc${inner}`)],
    ["two equal lengths", post("Content-Length: 3\r\nContent-Length: 3", `abc${inner}`)],
    ["a list of lengths", post("Content-Length: 3, 3", `abc${inner}`)],
    ["a signed length", post("Content-Length: +5", `abcde${inner}`)],
    ["a negative length", post("Content-Length: -1", inner)],
    ["a hexadecimal length", post("Content-Length: 0x5", `abcde${inner}`)],
    ["two codings", post("Transfer-Encoding: chunked, identity", `0\r\n\r\n${inner}`)],
    ["an unknown coding", post("Transfer-Encoding: xchunked", `0\r\n\r\n${inner}`)],
    [
      "two coding lines",
      post("Transfer-Encoding: identity\r\nTransfer-Encoding: chunked", "0\r\n\r\n"),
    ],
    ["a coding with a tab", post("Transfer-Encoding:\x0bchunked", `0\r\n\r\n${inner}`)],
    ["a space before the colon", post("Content-Length : 5", `abcde${inner}`)],
    ["a folded header", get("http://up.proxy/", "X-A: b\r\n Content-Length: 5\r\n")],
    ["line feeds only", get("http://up.proxy/").replaceAll("\r\n", "\n")],
    ["a bare carriage return", get("http://up.proxy/", "X-A: b\rX-B: c\r\n")],
    ["NUL in a header", get("http://up.proxy/", "X-A: b\0c\r\n")],
    ["NUL in the line", get("http://up.proxy/\0")],
    ["a header of 100 KB", get("http://up.proxy/", `X-A: ${"a".repeat(100_000)}\r\n`)],
    ["a lower-case method", get("http://up.proxy/").replace("GET", "get")],
    ["a method of another protocol", get("http://up.proxy/").replace("GET", "PRI")],
    ["HTTP/1.0", get("http://up.proxy/").replace("HTTP/1.1", "HTTP/1.0")],
    ["HTTP/0.9", "GET http://up.proxy/\r\n\r\n"],
    ["two spaces of HTTP/2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"],
  ])(
    "is refused and the connection closed, and nothing arrives: %s (H03, H05)",
    async (_name, bytes) => {
      const { baseUrl, arrived } = await upstream();
      const { socket } = await open(baseUrl);
      const heard = await say(socket, bytes).heard;
      // What breaks off while it is looked at is cut without a word.
      if (heard !== "") expect(heard).toMatch(/^HTTP\/1\.1 4(00|31) /);
      expect(heard.split("HTTP/1.1 ").length).toBeLessThan(3);
      expect(arrived).toEqual([]);
      // The control: the same socket lets through what is plain.
      expect(whole(await say(socket, get("http://up.proxy/")).heard)).toContain("served");
      expect(arrived).toHaveLength(1);
    },
  );

  it("and breaks off in its body leaves no whole request at the upstream (H05)", async () => {
    const { baseUrl, arrived } = await upstream();
    const { socket, books } = await open(baseUrl);
    const chunked = "Transfer-Encoding: chunked";
    const { heard } = say(socket, post(chunked, `3\r\nabc\r\nzz\r\n${inner}`));
    expect(await heard).not.toContain("served");
    await expect.poll(() => books.settled.length).toBe(1);
    expect(books.settled[0]?.outcome).not.toBe("ok");
    expect(arrived.map(({ url }) => url)).not.toContain("/admin");
    expect(arrived.every(({ body }) => body === "" || body === "abc")).toBe(true);
  });
});

describe("a client that waits to send its body", () => {
  const waiting = (path: string) =>
    `PUT http://up.proxy${path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n` +
    "Content-Length: 5\r\nExpect: 100-continue\r\n\r\n";

  it("is told to continue when the call is allowed, and refused before it sends when not (H22)", async () => {
    const { baseUrl, arrived } = await upstream();
    const { socket } = await open(baseUrl, { policy: { allowPathPrefixes: ["/v1/"] } });
    const denied = await say(socket, waiting("/admin")).heard;
    expect(denied).toMatch(/^HTTP\/1\.1 403 /);
    expect(denied).not.toContain("100 Continue");
    const { client, heard } = say(socket, waiting("/v1/x"));
    const [first] = await once(client, "data");
    expect(String(first)).toMatch(/^HTTP\/1\.1 100 Continue\r\n/);
    client.write("hello");
    expect(whole(await heard)).toContain("served");
    expect(arrived).toMatchObject([{ body: "hello" }]);
  });

  it("longer than the upstream listens gets the answer that came meanwhile (H22)", async () => {
    const gone = Promise.withResolvers<void>();
    let listenOn = () => {};
    const { port } = await tcp((peer) => {
      listenOn = () => void peer.resume();
      peer.once("data", () => {
        peer.pause().write("HTTP/1.1 413 Too Large\r\nContent-Length: 3\r\n\r\nno!");
      });
      peer.once("close", () => gone.resolve());
    });
    const { socket, books } = await open(`http://up.test:${port}`, {
      policy: { maxRequestBytes: 64 * 1024 * 1024 },
    });
    const size = 32 * 1024 * 1024;
    const head = `PUT http://up.proxy/ HTTP/1.1\r\nHost: x\r\nContent-Length: ${size}\r\n\r\n`;
    const heard = await say(socket, head + "x".repeat(size)).heard;
    expect(heard).toMatch(/^HTTP\/1\.1 413 /);
    expect(whole(heard)).toContain("no!");
    expect(books.settled).toMatchObject([{ outcome: "ok", status: 413 }]);
    listenOn();
    await gone.promise;
  });

  it("but sends it all the same gets to read why it was refused (H22)", async () => {
    const { baseUrl, connections } = await upstream();
    const { socket } = await open(baseUrl, { policy: { maxRequestBytes: 10 } });
    const size = 4 * 1024 * 1024;
    const head = `PUT http://up.proxy/ HTTP/1.1\r\nHost: x\r\nContent-Length: ${size}\r\n\r\n`;
    const { client, heard: hearing } = say(socket, head);
    const failed = await new Promise((resolve) => client.write("x".repeat(size), resolve));
    expect(failed ?? null).toBeNull();
    const heard = await hearing;
    expect(heard).toMatch(/^HTTP\/1\.1 502 The body has more than the 10 bytes of the policy\r\n/);
    expect(connections()).toBe(0);
  });
});

describe("the protocol on the socket of a run", () => {
  const speak = (path: string, more: Record<string, string> = {}, method = "POST") =>
    [
      `${method} ${path} HTTP/1.1`,
      ...["Host: x", "Connection: close", "Content-Length: 2", "X-Airlock-Proxy-Protocol: 1"],
      ...["X-Airlock-Method: POST", "X-Airlock-Path: /v1"],
      ...Object.entries(more).map(([name, value]) => `${name}: ${value}`),
      "\r\nhi",
    ].join("\r\n");
  const place = `/api/runs/${runId}/proxy/up`;
  const authorization = `Bearer ${runToken}`;

  it("is answered for the run's own token", async () => {
    const { baseUrl, arrived } = await upstream();
    const { socket, books } = await open(baseUrl);
    const heard = await say(socket, speak(place, { authorization })).heard;
    expect(heard).toMatch(/^HTTP\/1\.1 200 /);
    const envelope = JSON.parse(heard.slice(heard.indexOf("\r\n\r\n")));
    expect(Buffer.from(envelope.upstreamBodyBase64, "base64").toString()).toBe("served");
    expect(arrived).toMatchObject([{ method: "POST", url: "/v1", body: "hi" }]);
    expect(arrived[0]?.headers.authorization).toBe(`Bearer ${bearer}`);
    expect(books.settled[0]?.door).toBe("protocol");
  });

  it.each([
    ["no token", place, {}],
    ["another token", place, { authorization: `${authorization}x` }],
    ["another scheme", place, { authorization: `Basic ${runToken}` }],
    ["another run", place.replace("4b/", "4c/"), { authorization }],
  ])("is refused for %s (H24)", async (_name, path, headers) => {
    const { baseUrl, connections } = await upstream();
    const { socket, books } = await open(baseUrl);
    const heard = await say(socket, speak(path, headers as Record<string, string>)).heard;
    expect(heard).toMatch(/^HTTP\/1\.1 401 /);
    expect(errorOf(heard)).toBe("unauthorized");
    expect([connections(), books.settled]).toEqual([0, []]);
  });

  it("counts against the memory of its run until its client has read the answer (H16)", async () => {
    const { baseUrl } = await upstream((_incoming, reply) => reply.end("x".repeat(4 << 20)));
    const policy = { maxResponseBytes: 2 ** 30, responseByteBudget: 2 ** 40 };
    const { socket, books } = await open(baseUrl, { policy });
    const ask = () => say(socket, speak(place, { authorization }));
    const slow = [ask().client.pause()];
    await expect.poll(() => books.settled.length).toBe(1);
    slow.push(ask().client.pause());
    await expect.poll(() => books.settled.length).toBe(2);
    expect(await ask().heard).toMatch(/^HTTP\/1\.1 429 /);
    for (const client of slow) client.destroy();
    await expect.poll(async () => (await ask().heard).slice(0, 12)).toBe("HTTP/1.1 200");
  });

  it("is POST, at one place; all else is what it was", async () => {
    const { baseUrl, connections } = await upstream();
    const { socket } = await open(baseUrl);
    expect(await say(socket, speak(place, { authorization }, "PUT")).heard).toContain(" 400 ");
    for (const path of [`${place}/x`, `${place}?a=1`, "/", "/api/runs", "*"]) {
      const heard = await say(socket, speak(path, { authorization }, "GET")).heard;
      expect(heard).toContain("not_understood");
    }
    expect(connections()).toBe(0);
  });
});

describe("the end of a run's socket", () => {
  it("cuts what is going on within a second, and leaves nothing to connect to (H21, H24)", {
    retry: 3,
  }, async () => {
    const { baseUrl, arrived } = await upstream((_incoming, reply) => reply.write("begun"));
    const { socket, network, books, proxy: endpoints } = await open(baseUrl);
    const { heard } = say(socket, get("http://up.proxy/"));
    await expect.poll(() => arrived.length).toBe(1);
    const from = performance.now();
    await Promise.all([network.close(), endpoints.close()]);
    expect(performance.now() - from).toBeLessThan(1000);
    expect(await heard).not.toMatch(/\r\n0\r\n\r\n$/);
    expect(books.settled).toMatchObject([{ outcome: "interrupted" }]);
    const late = say(socket, get("http://up.proxy/"));
    expect(await late.heard).toBe("");
    expect(arrived).toHaveLength(1);
  });
});
