import { afterEach, describe, expect, it } from "vitest";
import { makeCompanyProxy } from "../../test/support/company-proxy.ts";
import { openNetworkTests, tunnelTo } from "./network.testing.ts";

const { open, http, say, close, listening } = openNetworkTests();
afterEach(close);

const login = `Basic ${Buffer.from("ada:s3cret@").toString("base64")}`;

async function openCompanyProxy(port: number) {
  const { asked, server } = makeCompanyProxy(login, { port, host: "127.0.0.1" });
  return { asked, port: await listening(server) };
}

describe("behind a proxy of the machine's own network", () => {
  it("public hosts go through it with its login, and their names are not looked up here", async () => {
    const place = await http((incoming, answer) => answer.end(`host ${incoming.headers.host}`));
    const proxy = await openCompanyProxy(place);
    const { socket, allowed, asked } = await open({
      hosts: ["example.org:8080"],
      upstreamProxy: new URL(`http://ada:s3cret%40@127.0.0.1:${proxy.port}`),
    });
    const plain = "GET http://example.org:8080/ HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    expect(await say(socket, plain).heard).toContain("host example.org:8080");
    const inside = "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
    expect(await say(socket, tunnelTo("example.org:8080", inside)).heard).toContain("host a");
    expect(proxy.asked).toEqual(["example.org:8080", "example.org:8080"]);
    expect(asked).toEqual([]);
    await expect.poll(() => allowed.map((each) => each.address)).toEqual([null, null]);
  });

  it("a host that is not listed never gets as far, nor does a private address", async () => {
    const proxy = await openCompanyProxy(1);
    const { socket, denied } = await open({
      hosts: ["example.org", "10.1.2.3"],
      upstreamProxy: new URL(`http://127.0.0.1:${proxy.port}`),
    });
    expect(await say(socket, tunnelTo("evil.test:443")).heard).toContain(" 403 ");
    expect(await say(socket, tunnelTo("10.1.2.3:443")).heard).toContain(" 403 ");
    expect(denied.map((each) => each.reason)).toEqual(["not_listed", "private_address"]);
    expect(proxy.asked).toEqual([]);
  });

  it("what it refuses is unreachable, and its login is in no answer", async () => {
    const proxy = await openCompanyProxy(1);
    const { socket, denied } = await open({
      hosts: ["example.org"],
      upstreamProxy: new URL(`http://ada:wr0ng@127.0.0.1:${proxy.port}`),
    });
    const heard = await say(socket, tunnelTo("example.org:443")).heard;
    expect(heard).toMatch(/^HTTP\/1\.1 502 .*example\.org:443 \(unreachable\)/);
    expect(heard).not.toMatch(/ada|wr0ng/);
    expect(denied).toEqual([{ host: "example.org", port: 443, reason: "unreachable" }]);
  });

  it("what the operator listed as private is on this side of it", async () => {
    const port = await http((_incoming, answer) => answer.end("served here"));
    const proxy = await openCompanyProxy(1);
    const host = `index.test:${port}`;
    const { socket } = await open({
      ...{ hosts: [host], privateHosts: [host] },
      upstreamProxy: new URL(`http://127.0.0.1:${proxy.port}`),
    });
    const inside = "GET / HTTP/1.0\r\n\r\n";
    expect(await say(socket, tunnelTo(host, inside)).heard).toContain("served here");
    expect(proxy.asked).toEqual([]);
  });
});
