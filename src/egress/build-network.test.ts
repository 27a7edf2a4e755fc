import { once } from "node:events";
import { statSync } from "node:fs";
import { request } from "node:http";
import { text } from "node:stream/consumers";
import { connect as connectTls } from "node:tls";
import { afterEach, describe, expect, it } from "vitest";

import { heardFirst, openNetworkTests, tunnelTo } from "./network.testing.ts";

const { open, http, tcp, say, close } = openNetworkTests();
afterEach(close);

const upstream = () => http((incoming, answer) => answer.end(`host ${incoming.headers.host}`));

describe("the build network", () => {
  it("refuses a host that is not listed without asking DNS, and names it with the remedy", async () => {
    const { socket, asked, denied } = await open({ hosts: ["example.org"] });
    const heard = await say(socket, tunnelTo("secret.evil.test:443")).heard;
    expect(heard).toMatch(
      /^HTTP\/1\.1 403 .*secret\.evil\.test:443 \(not_listed\): add "secret\.evil\.test" to the hosts/,
    );
    expect(asked).toEqual([]);
    expect(denied).toEqual([{ host: "secret.evil.test", port: 443, reason: "not_listed" }]);
  });

  it("refuses a listed name that has one private address among public ones", async () => {
    const resolver = async () => ["93.184.216.34", "127.0.0.1"];
    const { socket, denied } = await open({ hosts: ["example.org"], resolver });
    await say(socket, tunnelTo("example.org:443")).heard;
    expect(denied).toEqual([{ host: "example.org", port: 443, reason: "private_address" }]);
  });

  it("forwards plain HTTP to a private host that the operator listed, with the URI's Host", async () => {
    const port = await upstream();
    const hosts = [`index.test:${port}`];
    const { socket, allowed } = await open({ hosts, privateHosts: hosts });
    const path = `http://index.test:${port}/simple`;
    const asking = request({ socketPath: socket, path, headers: { host: "other.test" } }).end();
    const [answer] = await once(asking, "response");
    expect(await text(answer)).toBe(`host index.test:${port}`);
    asking.destroy();
    await expect
      .poll(() => allowed)
      .toMatchObject([{ host: "index.test", port, address: "127.0.0.1", cut: null }]);
  });

  it("tunnels to the port that the rule names and reports the bytes", async () => {
    const port = await upstream();
    const hosts = [`index.test:${port}`];
    const { socket, allowed } = await open({ hosts, privateHosts: ["127.0.0.0/8"] });
    const inside = "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
    expect(await say(socket, tunnelTo(`index.test:${port}`, inside)).heard).toContain("host a");
    await expect.poll(() => allowed).toHaveLength(1);
    expect(allowed[0]).toMatchObject({ bytes_up: inside.length, cut: null });
    expect(allowed[0]?.bytes_down).toBeGreaterThan(30);
  });

  it("cuts a tunnel whose TLS is meant for another host, before a byte of it is sent", async () => {
    let got = 0;
    const port = await tcp((peer) => {
      peer.on("data", (chunk) => {
        got += chunk.length;
      });
    });
    const hosts = [`index.test:${port}`];
    const { socket, denied, allowed } = await open({ hosts, privateHosts: hosts });
    const { client } = say(socket, tunnelTo(`index.test:${port}`));
    await heardFirst(client);
    client.removeAllListeners("data");
    const tls = connectTls({ socket: client, servername: "other.test" });
    await new Promise((resolve) => tls.once("error", resolve));
    await expect.poll(() => denied).toEqual([{ host: "index.test", port, reason: "sni_mismatch" }]);
    expect(allowed).toEqual([]);
    expect(got).toBe(0);
  });

  it("leaves no socket behind, cuts an open tunnel when it closes, and has its record by then", async () => {
    const port = await upstream();
    const hosts = [`127.0.0.1:${port}`];
    const { socket, network, allowed } = await open({ hosts, privateHosts: hosts });
    const { client, heard } = say(socket, tunnelTo(`127.0.0.1:${port}`));
    await heardFirst(client);
    await network.close();
    expect(allowed).toMatchObject([{ host: "127.0.0.1", port, bytes_up: 0, bytes_down: 0 }]);
    expect(() => statSync(socket)).toThrow("ENOENT");
    await heard;
  });
});

describe("the records of a build network", () => {
  it("are one for each connection, also when the same is refused again", async () => {
    const { socket, denied, network } = await open({ hosts: [] });
    for (const _ of [1, 2, 3]) await say(socket, tunnelTo("evil.test:443")).heard;
    expect(denied).toEqual(Array(3).fill({ host: "evil.test", port: 443, reason: "not_listed" }));
    expect(network.deniedUnreported()).toBe(0);
  });

  it("of one host that is knocked at in a loop do not hide another, and are counted", async () => {
    const { socket, denied, network } = await open({ hosts: [] });
    for (let i = 0; i < 40; i++) await say(socket, tunnelTo("evil.test:443")).heard;
    await say(socket, tunnelTo("other.test:443")).heard;
    expect(denied).toHaveLength(17);
    expect(denied.at(-1)?.host).toBe("other.test");
    expect(network.deniedUnreported()).toBe(24);
  });

  it("of refusals end at a limit, so that no loop fills the journal", async () => {
    const { socket, denied, network } = await open({ hosts: [] });
    for (let i = 0; i < 600; i++) await say(socket, tunnelTo(`n${i}.test:443`)).heard;
    expect(denied).toHaveLength(500);
    expect(network.deniedUnreported()).toBe(100);
  });
});
