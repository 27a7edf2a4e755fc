import { describe, expect, it } from "vitest";
import { showHost } from "./host-names.ts";

describe("a host that a call would reach", () => {
  it.each(["example.org:443", "127.0.0.1:80", "[::1]:443", "*.example.org:443"])(
    "is shown as it is when it is as it looks: %s",
    (host) => {
      expect(showHost(host)).toEqual({ text: host, warning: undefined });
    },
  );

  it.each([
    ["аррӏе.com:443", "xn--80ak6aa92e.com:443", "аррӏе.com", "Cyrillic letters"],
    ["xn--80ak6aa92e.com:443", "xn--80ak6aa92e.com:443", "аррӏе.com", "Cyrillic letters"],
    ["gооgle.com:443", "xn--ggle-55da.com:443", "gооgle.com", "mixes Latin letters with Cyrillic"],
    ["*.bücher.example:80", "*.xn--bcher-kva.example:80", "*.bücher.example", "beyond ASCII"],
  ])("is shown as it is looked up and as it looks: %s", (host, lookedUp, looks, why) => {
    const { text, warning } = showHost(host);
    expect(text).toBe(`${lookedUp}  (looks like ${looks})`);
    expect(warning).toContain(why);
    expect(warning).toContain(lookedUp);
  });

  it("cannot hide anything in its name", () => {
    const { text, warning } = showHost("ev\u202eil\n.com:443");
    expect(text).toContain("ev\\u{202e}il\\n.com:443");
    expect(warning).toBeDefined();
  });

  it("that is any host is said to be any host", () => {
    for (const host of ["*", "*:443"]) expect(showHost(host).warning).toContain("any public host");
  });
});
