import { isIP } from "node:net";
import fc from "fast-check";
import { describe, expect, it } from "vitest";

import { isPublicAddress } from "./address.ts";
import { allowList } from "./allow-list.ts";
import { parseHost, parseTarget } from "./host-name.ts";

const allows = (hosts: string[], target: string) => {
  const parsed = parseTarget(target);
  return parsed !== undefined && allowList(hosts).allows(parsed);
};

describe("the host rules", () => {
  it.each([
    "good.com.evil.com:443",
    "evilgood.com:443",
    "good.com@evil.com:443",
    "good.com\\@evil:443",
    "good.com%2eevil.com:443",
    "good.com\0.evil:443",
    "go\tod.com:443",
    "[good.com]:443",
    "good.com..:443",
    "good.com:22",
    "a.good.com:443",
  ])("do not let %j pass as good.com", (target) => {
    expect(allows(["good.com"], target)).toBe(false);
  });

  it("know one name by every spelling of it", () => {
    expect(allows(["GOOD.com."], "good.COM:443")).toBe(true);
    expect(parseHost("bücher.example")?.text).toBe("xn--bcher-kva.example");
    expect(allows(["*.good.com"], "a.good.com:80")).toBe(true);
    expect(allows(["*.good.com"], "good.com:443")).toBe(false);
  });

  it("allow nothing when nothing is listed", () => {
    for (const hosts of [[], [""]]) expect(allows(hosts, "good.com:443")).toBe(false);
    expect(() => allowList(["*good.com"])).toThrow("hosts");
  });

  it.each([
    "2130706433",
    "0x7f.1",
    "0177.0.0.1",
    "127.1",
    "::1",
    "::ffff:127.0.0.1",
    "64:ff9b::1",
    "2002:7f00:1::",
    "169.254.169.254",
    "100.64.0.1",
    "fd00:ec2::254",
    "0.0.0.0",
    "255.255.255.255",
    "192.0.0.1",
    "198.18.0.1",
    "fe80::1",
    "ff02::1",
    "2001:0::1",
  ])("take %s for private", (text) => {
    expect(isPublicAddress(parseHost(text)?.text ?? "1.1.1.1")).toBe(false);
  });

  it("have one spelling for whatever they understand, and it is a name or an address", () => {
    const bits = "a B 1 0x7f . : [ ] % @ / \\ # - _ * \0 ü 。 127.0.0.1 ::1 example xn--".split(
      " ",
    );
    const text = fc.oneof(
      fc.string({ unit: "grapheme" }),
      fc.array(fc.constantFrom(...bits)).map((parts) => parts.join("")),
    );
    fc.assert(
      fc.property(text, (each) => {
        const host = parseHost(each);
        if (host === undefined) return;
        expect(parseHost(host.text)).toEqual(host);
        expect(isIP(host.text)).toBe({ name: 0, ipv4: 4, ipv6: 6 }[host.kind]);
        if (host.kind === "name") expect(host.text).toMatch(/^[a-z\d-]+(\.[a-z\d-]+)*$/);
        expect(host.text.length).toBeLessThanOrEqual(253);
        const target = parseTarget(`${host.kind === "ipv6" ? `[${host.text}]` : host.text}:443`);
        expect(target).toEqual({ host, port: 443 });
      }),
      { numRuns: 2000 },
    );
  });

  it("take an address of the internet for public", () => {
    expect(isPublicAddress("1.1.1.1")).toBe(true);
    expect(isPublicAddress("2606:4700::1111")).toBe(true);
  });
});
