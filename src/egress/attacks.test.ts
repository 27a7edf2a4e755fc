/** What code inside says to the proxy in the hope to be understood in two ways, or to be let to where it may not go. */
import { createHash } from "node:crypto";
import { once } from "node:events";
import { afterEach, describe, expect, it } from "vitest";

import { openNetworkTests, tunnelTo } from "./network.testing.ts";

const { open, http, tcp, say, close } = openNetworkTests();
afterEach(close);

const plain = (uri: string, more = "") =>
  `GET ${uri} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n${more}\r\n`;

/** A host that keeps what it is sent, and answers once. */
async function listener() {
  const got: Buffer[] = [];
  const port = await tcp((peer) => {
    peer.on("data", (chunk: Buffer) => {
      got.push(chunk);
      peer.end("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 6\r\n\r\nserved");
    });
  });
  return { port, got: () => Buffer.concat(got).toString("latin1") };
}

const special4 =
  "0.0.0.0 0.1.2.3 10.0.0.1 100.64.0.1 100.100.100.200 127.0.0.1 127.8.8.8 169.254.169.254 168.63.129.16 172.16.0.1 172.31.255.255 " +
  "192.0.0.1 192.0.0.192 192.0.2.1 192.88.99.1 192.168.0.1 198.18.0.1 198.51.100.1 203.0.113.1 224.0.0.1 240.0.0.1 255.255.255.255";
const shapes4 =
  "2130706433 0x7f000001 017700000001 0x7f.1 0177.0.0.1 127.1 127.0.1 0x7f.0.0.1 2852039166 0xa9fea9fe 0251.0376.0251.0376";
const special6 =
  ":: ::1 0:0:0:0:0:0:0:1 ::127.0.0.1 ::ffff:127.0.0.1 ::ffff:7f00:1 ::ffff:10.0.0.1 ::ffff:0:127.0.0.1 64:ff9b::7f00:1 64:ff9b:1::1 " +
  "100::1 2001::1 2001:10::1 2001:db8::1 2002:7f00:1:: 3fff::1 5f00::1 fc00::1 fd00:ec2::254 fe80::1 fec0::1 ff02::1";
const literals = [
  ...[...special4.split(" "), ...shapes4.split(" ")].map((text) => ({ text, listed: text })),
  ...special6.split(" ").map((text) => ({ text: `[${text}]`, listed: text })),
];

describe("addresses that are not of the public internet", () => {
  it.each(literals)("$text is refused, although any host and this one are listed", async (each) => {
    const { socket, asked, denied, allowed } = await open({ hosts: ["*", each.listed] });
    expect(await say(socket, tunnelTo(`${each.text}:443`)).heard).toMatch(/^HTTP\/1\.1 403 /);
    expect(await say(socket, plain(`http://${each.text}/`)).heard).toMatch(/^HTTP\/1\.1 403 /);
    expect(await say(socket, plain(`http://${each.text}:443/`)).heard).toMatch(/^HTTP\/1\.1 403 /);
    expect(denied.map(({ reason }) => reason)).toEqual(Array(3).fill("private_address"));
    expect([...asked, ...allowed]).toEqual([]);
  });

  it("are refused for a name too, in whatever place of the answer they stand", async () => {
    const places = [...special4.split(" "), ...special6.split(" ")];
    for (const place of places) {
      for (const answer of [[place], ["1.1.1.1", place], [place, "2606:4700::1111"]]) {
        const options = { hosts: ["*", "index.test"], resolver: async () => answer };
        const { socket, denied } = await open(options);
        await say(socket, tunnelTo("index.test:443")).heard;
        expect([place, denied.map(({ reason }) => reason)]).toEqual([place, ["private_address"]]);
      }
    }
    await close();
  });
});

describe("ports", () => {
  it.each([1, 22, 25, 79, 81, 444, 3128, 8443, 65_535])(
    "other than 443 and 80 want a rule of their own: %i",
    async (port) => {
      const { socket, asked, denied } = await open({ hosts: ["*", "example.org"] });
      const heard = await say(socket, tunnelTo(`example.org:${port}`)).heard;
      expect(heard).toContain(`add "example.org:${port}" to the hosts of NetworkAccess`);
      expect(await say(socket, plain(`http://example.org:${port}/`)).heard).toContain(" 403 ");
      const record = { host: "example.org", port, reason: "not_listed" };
      expect(denied).toEqual([record, record]);
      expect(asked).toEqual([]);
    },
  );
});

describe("requests that are not plainly for one host", () => {
  it.each([
    "CONNECT good.test",
    "CONNECT good.test:",
    "CONNECT :443",
    "CONNECT good.test:0443",
    "CONNECT good.test:0",
    "CONNECT good.test:65536",
    "CONNECT good.test:+443",
    "CONNECT good.test:443/",
    "CONNECT good.test:443#",
    "CONNECT https://good.test:443",
    "CONNECT a@good.test:443",
    "CONNECT good.test@evil.test:443",
    "CONNECT good.test\\@evil.test:443",
    "CONNECT good.test%2eevil.test:443",
    "CONNECT good.test%00.evil.test:443",
    "CONNECT good.test,evil.test:443",
    "CONNECT [good.test]:443",
    "CONNECT [::1%25lo]:443",
    "CONNECT *:443",
    "CONNECT /",
    "GET /",
    "GET good.test",
    "GET //good.test/",
    "GET https://good.test/",
    "GET ftp://good.test/",
    "GET file:///etc/passwd",
    "GET http://",
    "GET http:///good.test/",
    "GET http:good.test/",
    "GET http://a@good.test/",
    "GET http://good.test@evil.test/",
    "GET http://good.test\\@evil.test/",
    "GET http://good.test:80@evil.test/",
    "GET http://evil.test%2f.good.test/",
    "GET http://good.test:80:80/",
    "OPTIONS *",
  ])("%j is answered with 400, asks no DNS, and is one record", async (line) => {
    const { socket, asked, denied, allowed } = await open({ hosts: ["*", "good.test"] });
    const heard = await say(socket, `${line} HTTP/1.1\r\nHost: good.test\r\n\r\n`).heard;
    expect(heard).toMatch(/^HTTP\/1\.1 400 /);
    expect(denied).toEqual([{ host: "", port: null, reason: "not_understood" }]);
    expect([...asked, ...allowed]).toEqual([]);
  });

  it.each([
    ["bare NUL", "CONNECT good.test\0.evil.test:443 HTTP/1.1\r\nHost: x\r\n\r\n"],
    ["a tab", "CONNECT go\tod.test:443 HTTP/1.1\r\nHost: x\r\n\r\n"],
    ["TLS", Buffer.from([0x16, 3, 1, 0, 5, 1, 0, 0, 1, 0])],
    ["SOCKS 5", Buffer.from([5, 1, 0])],
    ["HTTP/2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"],
    ["a folded header", plain("http://good.test/", "X-A: 1\r\n X-B: 2\r\n")],
    ["space before a colon", plain("http://good.test/", "Content-Length : 1\r\n")],
    ["two lengths", plain("http://good.test/", "Content-Length: 1\r\nContent-Length: 2\r\n")],
    ["a signed length", plain("http://good.test/", "Content-Length: +5\r\n")],
    [
      "a length and chunks",
      plain("http://good.test/", "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n"),
    ],
    [
      "chunks that are not last",
      plain("http://good.test/", "Transfer-Encoding: chunked, identity\r\n"),
    ],
    ["a bare carriage return", plain("http://good.test/", "X-A: 1\rX-B: 2\r\n")],
  ])("%s is answered with 400, and is one record", async (_name, bytes) => {
    const { socket, asked, denied, allowed } = await open({ hosts: ["good.test"] });
    expect(await say(socket, bytes).heard).toMatch(/^HTTP\/1\.1 400 /);
    expect(denied).toEqual([{ host: "", port: null, reason: "not_understood" }]);
    expect([...asked, ...allowed]).toEqual([]);
  });

  it("a head that is too long is answered with 431, and is one record", async () => {
    const { socket, denied } = await open({ hosts: ["good.test"] });
    const long = `X-Long: ${"x".repeat(40 * 1024)}\r\n`;
    for (const bytes of [
      plain("http://good.test/", long),
      `CONNECT good.test:443 HTTP/1.1\r\n${long}\r\n`,
      plain(`http://good.test/${"x".repeat(40 * 1024)}`),
    ]) {
      expect(await say(socket, bytes).heard).toMatch(/^HTTP\/1\.1 431 .*\(head_too_long\)/);
    }
    expect(denied).toEqual(Array(3).fill({ host: "", port: null, reason: "head_too_long" }));
  });
});

describe("what is put inside a request", () => {
  it("a second request behind a CONNECT goes to the tunnel's host and nowhere else", async () => {
    const { port, got } = await listener();
    const host = `index.test:${port}`;
    const { socket, denied, allowed } = await open({ hosts: [host], privateHosts: [host] });
    const second = tunnelTo("evil.test:443") + plain("http://evil.test/");
    await say(socket, tunnelTo(host, second)).heard;
    expect(got()).toBe(second);
    await expect.poll(() => allowed).toHaveLength(1);
    expect(denied).toEqual([]);
  });

  it.each(["Content-Length: 60\r\n", "Transfer-Encoding: chunked\r\n"])(
    "a body of a CONNECT is the tunnel's, whatever %j says of it",
    async (header) => {
      const { port, got } = await listener();
      const host = `index.test:${port}`;
      const { socket, allowed } = await open({ hosts: [host], privateHosts: [host] });
      const bytes = `CONNECT ${host} HTTP/1.1\r\nHost: evil.test\r\n${header}\r\n`;
      await say(socket, `${bytes}${plain("http://evil.test/")}`).heard;
      expect(got()).toBe(plain("http://evil.test/"));
      await expect.poll(() => allowed).toHaveLength(1);
    },
  );

  it("each request of a kept connection is decided on by itself", async () => {
    const port = await http((_incoming, answer) => answer.end("served"));
    const host = `index.test:${port}`;
    const { socket, denied, allowed } = await open({ hosts: [host], privateHosts: [host] });
    const kept = `GET http://${host}/ HTTP/1.1\r\nHost: x\r\n\r\n`;
    const heard = await say(socket, kept + kept + plain("http://evil.test/")).heard;
    expect(heard.match(/HTTP\/1\.1 \d+/g)?.map((line) => line.slice(9))).toEqual([
      "200",
      "200",
      "403",
    ]);
    await expect.poll(() => allowed).toHaveLength(2);
    expect(denied).toEqual([{ host: "evil.test", port: 80, reason: "not_listed" }]);
  });

  it("a body that goes on in broken chunks is one record, that of its request", async () => {
    const port = await tcp((peer) => peer.resume());
    const host = `index.test:${port}`;
    const { socket, denied, allowed } = await open({ hosts: [host], privateHosts: [host] });
    const head = `POST http://${host}/ HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n`;
    const { client, heard } = say(socket, `${head}3\r\nabc\r\n`);
    await once(client, "connect");
    client.write("no chunk\r\n");
    await heard;
    await expect.poll(() => allowed).toMatchObject([{ host: "index.test", port }]);
    expect(denied).toEqual([]);
  });

  it("a redirect is the client's to follow, through a decision of its own", async () => {
    const port = await http((_incoming, answer) => {
      answer.writeHead(302, { location: "http://169.254.169.254/latest" }).end();
    });
    const host = `index.test:${port}`;
    const { socket, asked, denied } = await open({ hosts: [host], privateHosts: [host] });
    const heard = await say(socket, plain(`http://${host}/`)).heard;
    expect(heard).toMatch(/^HTTP\/1\.1 302 [\s\S]*169\.254\.169\.254/);
    expect(asked).toEqual(["index.test"]);
    expect(denied).toEqual([]);
  });

  it("headers for the proxy, and those that Connection names, go no further", async () => {
    const { port, got } = await listener();
    const host = `index.test:${port}`;
    const { socket } = await open({ hosts: [host], privateHosts: [host] });
    const request = [
      `GET http://${host}/p?q HTTP/1.1`,
      "Host: evil.test",
      "Proxy-Authorization: Basic c2VjcmV0",
      "Proxy-Connection: keep-alive",
      "Connection: close, X-Named",
      "X-Named: 1",
      "X-Kept: 2",
      "Upgrade: websocket",
      "\r\n",
    ].join("\r\n");
    expect(await say(socket, request).heard).toContain("served");
    expect(got()).toBe(
      `GET /p?q HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\nX-Kept: 2\r\n\r\n`,
    );
  });
});

describe("an answer of a hostile host", () => {
  it.each([
    ["two lengths", "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab"],
    ["a bare line feed in a header", "HTTP/1.1 200 OK\r\nX: a\nb: c\r\n\r\n"],
    ["no HTTP", "SSH-2.0-x\r\n\r\n"],
    ["a head without end", `HTTP/1.1 200 OK\r\nX: ${"x".repeat(70_000)}`],
    ["a status of one digit", "HTTP/1.1 2 OK\r\n\r\n"],
    [
      "a switch of protocols",
      "HTTP/1.1 101 Switching\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\n",
    ],
    ["nothing", ""],
  ])("with %s ends that request, and the network lives on", async (_name, bytes) => {
    const bad = await tcp((peer) => peer.once("data", () => peer.end(bytes)));
    const good = await http((_incoming, answer) => answer.end("served"));
    const hosts = [`bad.test:${bad}`, `good.test:${good}`];
    const { socket, allowed } = await open({ hosts, privateHosts: hosts });
    expect(await say(socket, plain(`http://bad.test:${bad}/`)).heard).toMatch(
      /^(HTTP\/1\.1 502 |$)/,
    );
    expect(await say(socket, plain(`http://good.test:${good}/`)).heard).toContain("served");
    await expect.poll(() => allowed.map(({ host }) => host)).toEqual(["bad.test", "good.test"]);
  });
});

describe("random bytes", () => {
  it("are refused, and never end the network", async () => {
    const { socket, allowed } = await open({ hosts: ["*"] });
    for (let i = 0; i < 200; i++) {
      const noise = createHash("sha512").update(String(i)).digest();
      const { client, heard } = say(
        socket,
        i % 2 === 0 ? noise : `CONNECT ${noise.toString("latin1")}`,
      );
      client.end();
      await heard;
    }
    expect(allowed).toEqual([]);
    const heard = await say(socket, tunnelTo("127.0.0.1:443")).heard;
    expect(heard).toContain("private_address");
  });
});
