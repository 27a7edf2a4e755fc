import { once } from "node:events";
import { statSync } from "node:fs";
import { request } from "node:http";
import { dirname } from "node:path";
import { text } from "node:stream/consumers";
import { afterEach, describe, expect, it } from "vitest";
import { heardFirst, openNetworkTests, tunnelTo } from "./network.testing.ts";

const { open, http, tcp, say, close } = openNetworkTests();
afterEach(close);

const never = new Promise<never>(() => undefined);

describe("a build network's limits", () => {
  it("answer the connection that is one too many, and let the next in when one has ended", async () => {
    const port = await http((_incoming, answer) => answer.end("served"));
    const host = `index.test:${port}`;
    const limits = { connections: 2 };
    const { socket, denied } = await open({ hosts: [host], privateHosts: [host], limits });
    const held = [1, 2].map(() => say(socket, tunnelTo(host)));
    for (const { client } of held) expect(await heardFirst(client)).toContain(" 200 ");
    const refused = await say(socket, tunnelTo(host)).heard;
    expect(refused).toMatch(/^HTTP\/1\.1 503 .*index\.test:\d+ \(connections_limit\)/);
    expect(denied).toEqual([{ host: "index.test", port, reason: "connections_limit" }]);
    held[0]?.client.destroy();
    await expect
      .poll(() => say(socket, tunnelTo(host, "GET / HTTP/1.0\r\n\r\n")).heard)
      .toContain("served");
  });

  it("cut what comes in still greater numbers, with a record", async () => {
    const { socket, denied } = await open({ hosts: [], limits: { connections: 1 } });
    const held = [1, 2].map(() => say(socket, "CONNECT "));
    await Promise.all(held.map(({ client }) => once(client, "connect")));
    await say(socket, "CONNECT ").heard;
    expect(denied).toEqual([{ host: "", port: null, reason: "connections_limit" }]);
  });

  it.each([
    ["a tunnel", (host: string) => tunnelTo(host, "GET / HTTP/1.0\r\n\r\n")],
    ["plain HTTP", (host: string) => `GET http://${host}/ HTTP/1.1\r\nHost: ${host}\r\n\r\n`],
  ])("end what is received through %s, and refuse what comes later", async (_name, bytes) => {
    const port = await http((_incoming, answer) => answer.end(Buffer.alloc(8 << 20)));
    const host = `index.test:${port}`;
    const limits = { downBytes: 1 << 20 };
    const options = { hosts: [host], privateHosts: [host], limits };
    const { socket, denied, allowed, asked } = await open(options);
    const heard = await say(socket, bytes(host)).heard;
    expect(heard.length).toBeLessThan(2 << 20);
    await expect.poll(() => allowed).toMatchObject([{ cut: "bytes_limit" }]);
    expect(allowed[0]?.bytes_down).toBeGreaterThanOrEqual(1 << 20);
    expect(denied).toEqual([]);
    expect(await say(socket, bytes(host)).heard).toMatch(/^HTTP\/1\.1 403 .*/);
    expect(denied).toEqual([{ host: "index.test", port, reason: "bytes_limit" }]);
    expect(asked).toHaveLength(1);
  });

  it.each([
    ["a tunnel", (host: string) => tunnelTo(host)],
    [
      "plain HTTP",
      (host: string) =>
        `POST http://${host}/ HTTP/1.1\r\nHost: ${host}\r\nContent-Length: 9000000\r\n\r\n`,
    ],
  ])("end what is sent through %s", async (_name, bytes) => {
    let got = 0;
    const port = await tcp((peer) => {
      peer.on("data", (chunk) => {
        got += chunk.length;
      });
    });
    const host = `index.test:${port}`;
    const limits = { upBytes: 1 << 20 };
    const { socket, denied, allowed } = await open({ hosts: [host], privateHosts: [host], limits });
    const { client, heard } = say(socket, bytes(host));
    client.write(Buffer.alloc(8 << 20));
    await heard;
    expect(got).toBeLessThan(2 << 20);
    await expect.poll(() => allowed).toMatchObject([{ cut: "bytes_limit" }]);
    expect(denied).toEqual([]);
  });

  it.each([
    ["a tunnel", (host: string) => tunnelTo(host)],
    ["plain HTTP", (host: string) => `GET http://${host}/ HTTP/1.1\r\nHost: ${host}\r\n\r\n`],
  ])("end %s in which nobody says anything, and write it down", async (_name, bytes) => {
    const port = await tcp(() => undefined);
    const host = `index.test:${port}`;
    const limits = { idleMs: 100 };
    const { socket, allowed, denied } = await open({ hosts: [host], privateHosts: [host], limits });
    await say(socket, bytes(host)).heard;
    await expect.poll(() => allowed).toMatchObject([{ host: "index.test", port, cut: "idle" }]);
    expect(denied).toEqual([]);
  });

  it("end the making of connections, each of which is an event", async () => {
    const port = await http((_incoming, answer) => answer.end("served"));
    const host = `index.test:${port}`;
    const limits = { connectionsInAll: 3 };
    const { socket, denied, allowed } = await open({ hosts: [host], privateHosts: [host], limits });
    const bytes = `GET http://${host}/ HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`;
    for (const _ of [1, 2, 3]) expect(await say(socket, bytes).heard).toContain("served");
    expect(await say(socket, bytes).heard).toMatch(/ 403 [\s\S]*\(connections_spent\)/);
    await expect.poll(() => allowed).toHaveLength(3);
    expect(denied).toEqual([{ host: "index.test", port, reason: "connections_spent" }]);
  });

  it("end a head that comes byte by byte", async () => {
    const { socket, denied } = await open({ hosts: [], limits: { connectMs: 200 } });
    expect(await say(socket, "CONNECT index.test:443 HTTP/1.1\r\nHo").heard).toMatch(
      /^HTTP\/1\.1 408 .*\(head_too_slow\)/,
    );
    expect(denied).toEqual([{ host: "", port: null, reason: "head_too_slow" }]);
  });

  it("end a name that no resolver answers for, and keep it from filling the gateway's threads", async () => {
    const limits = { connectMs: 300 };
    const options = { hosts: ["*"], resolver: () => never, limits };
    const { socket, asked } = await open(options);
    const names = Array.from({ length: 17 }, (_, at) => `n${at}.test:443`);
    const heard = await Promise.all(names.map((name) => say(socket, tunnelTo(name)).heard));
    expect(heard.filter((each) => /^HTTP\/1\.1 504 .*timed_out/.test(each))).toHaveLength(16);
    expect(heard.filter((each) => /^HTTP\/1\.1 503 .*lookups_limit/.test(each))).toHaveLength(1);
    expect(await say(socket, tunnelTo("n0.test:443")).heard).toContain(" 504 ");
    expect(asked).toHaveLength(16);
  });
});

describe("a build network", () => {
  it("dials the address that it checked, and checks again for every connection", async () => {
    const port = await http((_incoming, answer) => answer.end("served"));
    const host = `index.test:${port}`;
    const answers = [["127.0.0.1"], ["127.0.0.2"]];
    const { socket, denied, allowed, asked } = await open({
      ...{ hosts: [host], privateHosts: ["127.0.0.1/32"] },
      resolver: async () => answers.shift() ?? [],
    });
    const bytes = `GET http://${host}/ HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`;
    expect(await say(socket, bytes).heard).toContain("served");
    expect(asked).toHaveLength(1);
    expect(await say(socket, bytes).heard).toMatch(
      / 403 [\s\S]*private_address.*AIRLOCK_PRIVATE_HOSTS/,
    );
    await expect.poll(() => allowed).toMatchObject([{ address: "127.0.0.1" }]);
    expect(denied).toEqual([{ host: "index.test", port, reason: "private_address" }]);
  });

  it("with any host allowed says so, and still reaches no private address", async () => {
    const port = await http((_incoming, answer) => answer.end("served"));
    const options = { hosts: ["*", `*:${port}`], privateHosts: ["127.0.0.0/8"] };
    const { network, socket, denied } = await open(options);
    expect(network.anyHost).toBe(true);
    expect(await say(socket, tunnelTo(`index.test:${port}`)).heard).toContain(" 403 ");
    expect(await say(socket, tunnelTo(`127.0.0.1:${port}`)).heard).toContain(" 403 ");
    expect(denied.map((each) => each.reason)).toEqual(["private_address", "private_address"]);
  });

  it("passes bodies without a length on, both ways", async () => {
    const port = await http((incoming, answer) => {
      answer.setHeader("x-length", String(incoming.headers["content-length"]));
      incoming.pipe(answer);
    });
    const host = `index.test:${port}`;
    const { socket } = await open({ hosts: [host], privateHosts: [host] });
    const asking = request({ socketPath: socket, path: `http://${host}/`, method: "PUT" });
    asking.write("one ");
    setImmediate(() => asking.end("two"));
    const [answer] = await once(asking, "response");
    expect(answer.headers).toMatchObject({
      "transfer-encoding": "chunked",
      "x-length": "undefined",
    });
    expect(await text(answer)).toBe("one two");
  });

  it("brings all of an answer to a slow reader that has said all it has to say", async () => {
    const size = 16 << 20;
    const port = await tcp((peer) => peer.once("data", () => peer.end(Buffer.alloc(size, "x"))));
    const host = `index.test:${port}`;
    const { socket, allowed } = await open({ hosts: [host], privateHosts: [host] });
    const { client } = say(socket, tunnelTo(host));
    await heardFirst(client);
    client.removeAllListeners("data").pause().end("now");
    let got = 0;
    for await (const chunk of client) {
      got += (chunk as Buffer).length;
      if (got < 1 << 20) await new Promise((resolve) => setImmediate(resolve));
    }
    expect(got).toBe(size);
    await expect.poll(() => allowed[0]?.bytes_down).toBe(size);
  });

  it("has a socket that only the run's own user can reach", async () => {
    const isRoot = process.getuid?.() === 0;
    const owner = isRoot ? { uid: 600_001, gid: 600_000 } : undefined;
    const { socket } = await open({ ...(owner ? { owner } : {}) });
    for (const [path, mode] of [[socket, 0o600] as const, [dirname(socket), 0o700] as const]) {
      const stat = statSync(path);
      expect(stat.mode & 0o777).toBe(mode);
      expect(stat.uid).toBe(owner?.uid ?? process.getuid?.());
    }
  });

  it("lets go of what it is still connecting to when it closes", async () => {
    const options = { hosts: ["*"], resolver: () => never };
    const { socket, network, asked, denied } = await open(options);
    const { heard } = say(socket, tunnelTo("index.test:443"));
    await expect.poll(() => asked).toHaveLength(1);
    await network.close();
    expect(denied).toEqual([{ host: "index.test", port: 443, reason: "call_ended" }]);
    await heard;
  });
});
