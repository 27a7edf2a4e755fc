import { afterEach, describe, expect, it } from "vitest";

import { makeCompanyProxy } from "../../test/support/company-proxy.ts";
import { ask, openUpstreamTests } from "./upstreams.testing.ts";

const { open, http, https, listening, close } = openUpstreamTests();
afterEach(close);

const login = `Basic ${Buffer.from("ada:s3cret@").toString("base64")}`;

async function openCompanyProxy(port: number) {
  const { asked, server } = makeCompanyProxy(login, { port, host: "127.0.0.1" });
  const { port: own } = await listening(server);
  return { asked, url: new URL(`http://ada:s3cret%40@127.0.0.1:${own}`) };
}

describe("upstreams behind a proxy of the machine's own network", () => {
  it("are verified by TLS through it, and their names are not looked up here", async () => {
    const host = await https((_asked, answer) => answer.end("reached"), ["api.example"]);
    const proxy = await openCompanyProxy(host.port);
    const { upstreams, asked } = open({ upstreamProxy: proxy.url });
    const { body, address } = await ask(upstreams, "https://api.example");
    expect([body, address]).toEqual(["reached", null]);
    await expect(ask(upstreams, "https://evil.example")).rejects.toMatchObject({
      ...{ reason: "tls", code: "ERR_TLS_CERT_ALTNAME_INVALID" },
    });
    expect(proxy.asked).toEqual(["api.example:443", "evil.example:443"]);
    expect(asked).toEqual([]);
  });

  it("are not asked of it when they are of no public network: it would resolve them itself (H10)", async () => {
    const proxy = await openCompanyProxy(1);
    const { upstreams } = open({ upstreamProxy: proxy.url });
    for (const host of ["127.0.0.1", "2130706433", "[::1]", "10.1.2.3", "169.254.169.254"]) {
      const asking = ask(upstreams, `https://${host}`);
      await expect(asking).rejects.toMatchObject({ isFinal: true });
    }
    for (const host of ["localhost", "metadata.google.internal", "printer.local", "wiki"]) {
      const asking = ask(upstreams, `https://${host}`);
      await expect(asking).rejects.toMatchObject({ reason: "not_listed" });
    }
    expect(proxy.asked).toEqual([]);
  });

  it("are dialled directly when the operator lists them", async () => {
    const host = await http((_asked, answer) => answer.end("reached"));
    const proxy = await openCompanyProxy(1);
    const privateHosts = [`api.test:${host.port}`];
    const { upstreams } = open({ upstreamProxy: proxy.url, privateHosts });
    expect((await ask(upstreams, `http://api.test:${host.port}`)).address).toBe("127.0.0.1");
    expect(proxy.asked).toEqual([]);
  });

  it("that it refuses are unreachable, and its login is in no error", async () => {
    const proxy = await openCompanyProxy(1);
    proxy.url.password = "wr0ng";
    const { upstreams } = open({ upstreamProxy: proxy.url });
    const error = await ask(upstreams, "https://api.example").catch((reason: unknown) => reason);
    expect(error).toMatchObject({ reason: "unreachable" });
    expect(JSON.stringify(error) + String(error)).not.toMatch(/ada|wr0ng/);
  });
});
