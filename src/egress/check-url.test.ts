import { isIPv4 } from "node:net";
import fc from "fast-check";
import { describe, expect, it } from "vitest";

import { Problem } from "../contract/problem.ts";
import { allAddressForms } from "./address-forms.testing.ts";
import { checkUpstreamUrl } from "./check-url.ts";
import { parseTarget } from "./host-name.ts";
import { resolveTarget } from "./resolve.ts";
import { upstreamList } from "./upstream-list.ts";

function problemOf(url: string, privateHosts: string[] = []): Problem | undefined {
  try {
    checkUpstreamUrl("proxyEndpoints.0.baseUrl", url, privateHosts);
    return undefined;
  } catch (error) {
    if (error instanceof Problem) return error;
    throw error;
  }
}

describe("the URL of an upstream", () => {
  it.each([
    "https://api.example.com",
    "https://api.example.com/v1?a=b",
    "HTTPS://API.Example.COM./v1",
    "https://api.example.com:8443/v1",
    "https://1.1.1.1/dns-query",
    "https://[2606:4700::1111]/",
    "https://bücher.example/",
    "https://xn--bcher-kva.example/",
  ])("%s may be an upstream", (url) => {
    expect(problemOf(url)).toBeUndefined();
  });

  it.each([
    ["http://api.example.com/v1", "expected https"],
    ["ftp://api.example.com", "expected https://host"],
    ["file:///etc/passwd", "expected https://host"],
    ["data:text/plain,x", "expected https://host"],
    ["//api.example.com", "expected https://host"],
    ["api.example.com", "expected https://host"],
    ["", "expected https://host"],
    ["https://", "expected https://host"],
    ["https:///api.example.com", "expected https://host"],
    ["https:api.example.com", "expected https://host"],
    ["https:\\\\api.example.com", "expected https://host"],
    ["https://user:pass-w0rd@api.example.com", "no user information"],
    ["https://pass-w0rd@api.example.com", "no user information"],
    ["https://@api.example.com", "no user information"],
    ["https://api.example.com:0", "plain name"],
    ["https://api.example.com:65536", "expected https://host"],
    ["https://api.example.com:0443", "plain name"],
    ["https://api.example.com:", "plain name"],
    ["https://api.example.com:443:443", "expected https://host"],
    ["https://api.example.com\\@evil.example", "no white space, control or backslash"],
    ["https://api.exa\tmple.com", "no white space, control or backslash"],
    ["https://api.example.com\n.evil.example", "no white space, control or backslash"],
    ["https://api.example.com /", "expected https://host"],
    ["https://api.example.com%2eevil.example", "plain name"],
    ["https://api_x.example.com", "plain name"],
    ["https://*.example.com", "plain name"],
    ["https://localhost", "not of the public internet"],
    ["https://wiki/v1", "not of the public internet"],
    ["https://0x7f.1/", "not of the public internet"],
  ])("%j is refused, with the field, the value and what is wanted (H11)", (url, wanted) => {
    const problem = problemOf(url);
    expect(problem).toMatchObject({ code: "invalid_request" });
    expect(problem?.message).toContain("proxyEndpoints.0.baseUrl: ");
    expect(problem?.message).toContain(wanted);
    expect(problem?.details).toMatchObject({ fields: [{ path: "proxyEndpoints.0.baseUrl" }] });
    expect(JSON.stringify(problem?.toBody())).not.toContain("pass-w0rd");
  });

  it.each([
    ["http://localhost:11434/v1", ["localhost:11434"]],
    ["https://localhost:11434/v1", ["localhost:11434"]],
    ["http://localhost/v1", ["localhost"]],
    ["http://127.0.0.1:9/", ["127.0.0.0/8"]],
    ["http://0x7f.1:9/", ["127.0.0.1:9"]],
    ["http://[::1]:9/", ["[::1]:9"]],
    ["https://wiki/v1", ["wiki"]],
    ["http://api.corp/v1", ["api.corp"]],
  ])("%s may be one where the operator lists %j", (url, privateHosts) => {
    expect(problemOf(url)).toBeDefined();
    expect(problemOf(url, privateHosts)).toBeUndefined();
  });

  it.each([
    ["http://localhost:11435/v1", ["localhost:11434"]],
    ["http://a.localhost:11434/v1", ["localhost:11434"]],
    ["http://localhost/v1", ["127.0.0.0/8"]],
    ["http://10.0.0.1/", ["127.0.0.0/8", "::/0"]],
    ["http://[::ffff:10.0.0.1]/", ["127.0.0.0/8", "10.0.0.0/8"]],
    ["http://api.example.com/", ["0.0.0.0/0"]],
    ["https://x@wiki", ["wiki"]],
  ])("%s may be none where the operator lists %j", (url, privateHosts) => {
    expect(problemOf(url, privateHosts)).toBeDefined();
  });
});

/** The public internet, worked out with numbers and apart from the code under test. */
function isPublicByNumber(address: string): boolean {
  if (isIPv4(address)) {
    const number = address.split(".").reduce((sum, part) => sum * 256 + Number(part), 0);
    const within = (from: string, bits: number) => {
      const first = from.split(".").reduce((sum, part) => sum * 256 + Number(part), 0);
      return number >= first && number < first + 2 ** (32 - bits);
    };
    return !(
      within("0.0.0.0", 8) ||
      within("10.0.0.0", 8) ||
      within("100.64.0.0", 10) ||
      within("127.0.0.0", 8) ||
      within("169.254.0.0", 16) ||
      within("172.16.0.0", 12) ||
      within("192.0.0.0", 24) ||
      within("192.168.0.0", 16) ||
      within("198.18.0.0", 15) ||
      number >= 0xe0000000
    );
  }
  const text = new URL(`http://[${address}]/`).hostname.slice(1, -1);
  const first = Number.parseInt(text.startsWith("::") ? "0" : (text.split(":")[0] ?? ""), 16);
  const second = Number.parseInt(text.split(":")[1] || "0", 16);
  return (
    first >= 0x2000 && first < 0x4000 && first !== 0x2002 && !(first === 0x2001 && second < 0x200)
  );
}

describe("whatever URL understands and the check admits", () => {
  const anyForm = fc.constantFrom(...allAddressForms, "api.example.com", "1.1.1.1", "[2606::1]");
  const pieces = ["@", ":", "/", "\\", "?", "#", "%2e", "%00", ".", "。", "\t", "0x", "[", "]"];
  const piece = fc.oneof(anyForm, fc.constantFrom(...pieces), fc.string({ maxLength: 4 }));
  const number = fc.integer({ min: 0, max: 0xffffffff });
  const host = fc.oneof(
    anyForm,
    fc.domain(),
    fc.ipV4Extended(),
    fc.ipV6().map((text) => `[${text}]`),
    fc.webAuthority({ withIPv4Extended: true, withIPv6: true, withPort: true, withUserInfo: true }),
    number.map((value) => `0x${value.toString(16)}`),
    number.map((value) => `0${value.toString(8)}`),
    fc.array(piece, { minLength: 1, maxLength: 5 }).map((parts) => parts.join("")),
  );
  const scheme = fc.constantFrom(
    "https://",
    "HTTPS://",
    "http://",
    "https:/",
    "https:\\\\",
    "https:",
  );
  const url = fc.tuple(scheme, host, fc.constantFrom("", "/", ":443/v1", ":8443", "/a?b#c"));
  const address = fc.oneof(
    fc.ipV4(),
    fc.ipV6(),
    fc.constantFrom("127.0.0.1", "::1", "::ffff:127.0.0.1", "10.0.0.1", "1.1.1.1", "2606::1"),
  );

  it("leads to the public internet only, whatever its name answers with (H09, H10, H11)", async () => {
    let admitted = 0;
    const answers = fc.array(address, { maxLength: 3 });
    await fc.assert(
      fc.asyncProperty(url, answers, async ([before, authority, after], found) => {
        const text = before + authority + after;
        if (!URL.canParse(text) || problemOf(text) !== undefined) return;
        admitted++;
        const target = parseTarget(new URL(text).host, 443);
        if (target === undefined) throw new Error(`${text} is admitted and cannot be dialled`);
        const { signal } = new AbortController();
        const asked = await resolveTarget(target, upstreamList([]), async () => found, signal);
        if (!asked.ok) return;
        expect(asked.addresses.length).toBeGreaterThan(0);
        expect([text, asked.addresses.filter((each) => !isPublicByNumber(each))]).toEqual([
          text,
          [],
        ]);
      }),
      { numRuns: 5_000 },
    );
    expect(admitted).toBeGreaterThan(200);
  });
});
