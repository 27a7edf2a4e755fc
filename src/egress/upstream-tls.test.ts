import type { ServerOptions } from "node:https";
import { afterEach, describe, expect, it, vi } from "vitest";

import { openTestAuthority } from "../../test/support/test-authority.ts";
import { UpstreamRefused } from "./upstream-refused.ts";
import { ask, openUpstreamTests } from "./upstreams.testing.ts";

const { open, https, tcp, http, trusted, directory, close } = openUpstreamTests();
afterEach(async () => {
  vi.unstubAllEnvs();
  await close();
});

/** What became of one request to a server of `names` with these options, and what arrived there as a request. */
async function askAt(names: string[], options: ServerOptions = {}, name = "api.test") {
  const seen: unknown[] = [];
  const host = await https(
    (asked, answer) => {
      seen.push(asked.headers.authorization);
      answer.end("reached");
    },
    names,
    options,
  );
  const { upstreams } = open({ privateHosts: ["127.0.0.0/8"] });
  const headers = { authorization: "Bearer canary-of-this-test" };
  const came = await ask(upstreams, `https://${name}:${host.port}`, { headers }).catch(
    (error: unknown) => error,
  );
  return { came, seen };
}

const refused = (code: string) =>
  expect.objectContaining({ reason: "tls", code, address: "127.0.0.1", isFinal: false });

describe("an upstream that does not prove who it is", () => {
  const impostors: [name: string, code: string, make: () => [string[], ServerOptions?]][] = [
    [
      "an expired certificate",
      "CERT_HAS_EXPIRED",
      () => [["api.test"], trusted().issueExpired("api.test")],
    ],
    ["another host's", "ERR_TLS_CERT_ALTNAME_INVALID", () => [["evil.test"]]],
    ["one for a name above", "ERR_TLS_CERT_ALTNAME_INVALID", () => [["test", "*.api.test"]]],
    [
      "a self-signed one",
      "DEPTH_ZERO_SELF_SIGNED_CERT",
      () => [["api.test"], openTestAuthority(directory()).selfSigned("api.test")],
    ],
    [
      "one of an authority that nobody trusts",
      "UNABLE_TO_VERIFY_LEAF_SIGNATURE",
      () => [["api.test"], openTestAuthority(directory()).issue("api.test")],
    ],
  ];
  it.each(impostors)(
    "with %s is refused, and sees no credential (H19)",
    async (_name, code, make) => {
      const { came, seen } = await askAt(...make());
      expect(came).toEqual(refused(code));
      expect(came).toBeInstanceOf(UpstreamRefused);
      expect(seen).toEqual([]);
    },
  );

  it.each(impostors)(
    "with %s is refused also when the environment turns the check off (H19)",
    async (_name, code, make) => {
      vi.stubEnv("NODE_TLS_REJECT_UNAUTHORIZED", "0");
      const { came, seen } = await askAt(...make());
      expect(came).toEqual(refused(code));
      expect(seen).toEqual([]);
    },
  );

  it.each(["TLSv1", "TLSv1.1"] as const)("with %s is refused (H19)", async (version) => {
    const old = { minVersion: version, maxVersion: version, ciphers: "DEFAULT@SECLEVEL=0" };
    const { came, seen } = await askAt(["api.test"], old);
    expect(came).toMatchObject({ reason: "tls" });
    expect(seen).toEqual([]);
  });

  it("with one of an authority that this gateway is not told of is refused (H19)", async () => {
    const host = await https((_asked, answer) => answer.end("reached"), ["api.test"]);
    const options = { privateHosts: ["127.0.0.0/8"], authorities: [] };
    const asking = ask(open(options).upstreams, `https://api.test:${host.port}`);
    await expect(asking).rejects.toEqual(refused("UNABLE_TO_VERIFY_LEAF_SIGNATURE"));
    const trusting = open({ privateHosts: ["127.0.0.0/8"] }).upstreams;
    expect((await ask(trusting, `https://api.test:${host.port}`)).body).toBe("reached");
  });

  it("with no TLS at all is refused", async () => {
    const host = await http((_asked, answer) => answer.end("reached"));
    const { upstreams } = open({ privateHosts: ["127.0.0.0/8"] });
    const asking = ask(upstreams, `https://api.test:${host.port}`);
    await expect(asking).rejects.toMatchObject({ reason: "tls" });
    const cut = await tcp((socket) => void socket.once("data", () => socket.destroy()));
    const again = ask(upstreams, `https://api.test:${cut.port}`);
    await expect(again).rejects.toMatchObject({ reason: "tls" });
  });
});

describe("an upstream that proves who it is", () => {
  it.each(["TLSv1.2", "TLSv1.3"] as const)(
    "with %s is asked, with the credential",
    async (version) => {
      const { came, seen } = await askAt(["api.test"], {
        minVersion: version,
        maxVersion: version,
      });
      expect(came).toMatchObject({ status: 200, body: "reached" });
      expect(seen).toEqual(["Bearer canary-of-this-test"]);
    },
  );

  it("is asked by its address too, when the certificate is for that", async () => {
    const good = await askAt(["127.0.0.1"], {}, "127.0.0.1");
    expect(good.came).toMatchObject({ body: "reached", address: "127.0.0.1" });
    const bad = await askAt(["127.0.0.2", "api.test"], {}, "127.0.0.1");
    expect(bad.came).toEqual(refused("ERR_TLS_CERT_ALTNAME_INVALID"));
  });

  it("is told the name of the URL, and no other, whatever Host a request has (H13)", async () => {
    const names: string[] = [];
    const told: ServerOptions = {
      SNICallback: (name, done) => {
        names.push(name);
        done(null);
      },
    };
    const host = await https((_asked, answer) => answer.end(), ["api.test"], told);
    const { upstreams } = open({ privateHosts: ["127.0.0.0/8"] });
    const url = `https://API.test.:${host.port}`;
    expect(await ask(upstreams, url, { headers: { host: "evil.test" } })).toMatchObject({
      status: 200,
    });
    expect(names).toEqual(["api.test"]);
  });
});
