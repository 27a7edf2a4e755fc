import fc from "fast-check";
import { describe, expect, it } from "vitest";

import { isBelow, pathToSend } from "./proxy-path.ts";

const policy = { baseUrl: "https://api.test/base", allowPathPrefixes: ["/v1", "/wiki/"] };
const send = (path: string) => pathToSend(policy, path);
const codeOf = (path: string, prefixes = ["/v1"]): string => {
  try {
    return pathToSend({ baseUrl: "https://api.test", allowPathPrefixes: prefixes }, path);
  } catch (error) {
    return error instanceof Error && "code" in error ? String(error.code) : "thrown";
  }
};

describe("the path of a call", () => {
  it.each([
    ["/v1", "/base/v1"],
    ["/v1/", "/base/v1/"],
    ["/v1/a%20b/%C3%A9;x=1,2:3@4!$&'()*+~", "/base/v1/a%20b/%C3%A9;x=1,2:3@4!$&'()*+~"],
    ["/v1/a..b/...", "/base/v1/a..b/..."],
    ["/v1/100%25", "/base/v1/100%25"],
    ["/wiki/Main_Page", "/base/wiki/Main_Page"],
  ])("is sent as it came, below that of the base: %s", (path, sent) => {
    expect(send(path)).toBe(sent);
  });

  it.each(
    [
      ["/v1/../admin", "/v1/..", "/v1/.", "/v1/./x", "/v1/a/../../admin"],
      ["/v1/%2e%2e/admin", "/v1/.%2e/admin", "/v1/%2E./admin", "/v1/%2e/x", "/v1/..%2fadmin"],
      ["/v1/%2f..%2fadmin", "/v1/..%5cadmin", "/v1\\..\\admin", "/v1/a%5Cb", "/v1/x%00"],
      ["/v1/%252e%252e/admin", "/v1/%25%32%65", "/v1/%2525252e", "/v1/a%252fb"],
      ["/v1;/../admin", "/v1/..;/admin", "/v1/..;a=b/admin", "/v1/.;/x", "/v1/..%3b/admin"],
      ["/v1//admin", "//evil.test/v1", "/v1/x//", "/v1/..%20/admin", "/v1/%20../admin"],
      ["/v1/%EF%BC%8E%EF%BC%8E/admin", "/v1/..%EF%BC%8Fadmin", "/v1/a%0d%0ab", "/v1/%7f"],
    ].flat(),
  )("is denied when it could lead elsewhere: %s (H01)", (path) => {
    expect(codeOf(path)).toBe("policy_denied");
  });

  it.each(
    [
      ["", "v1", "v1/x", " /v1", "http://evil.test/v1", "*", "@evil.test/v1", "/v1/%zz", "/v1/%2"],
      ["/v1?x", "/v1#x", "/v1/a b", "/v1/é", "/v1/\0", "/v1/\r\nx", "/v1/\x7f", "/v1/%C0%AE%C0%AE"],
      ["/v1/%E9", '/v1/"', "/v1/<x>", `/v1/${"a".repeat(9000)}`],
    ].flat(),
  )("is refused when it is none: %j (H01)", (path) => {
    expect(codeOf(path)).toBe("bad_request");
  });

  it.each([
    "/v1x",
    "/v1_admin",
    "/V1",
    "/V1/x",
    "/v",
    "/",
    "/v1;x/y",
    "/%76%31",
    "/wiki",
    "/v1%20",
  ])("is denied beside a prefix, which ends where a segment does: %s (H02)", (path) => {
    expect(() => send(path)).toThrow("is not below a path that the endpoint allows: /v1 /wiki/");
  });

  it("is below a prefix as directories are, for every prefix and path (H02)", () => {
    const segment = fc.stringMatching(/^[a-c]{1,3}$/);
    const segments = fc.array(segment, { maxLength: 4 });
    fc.assert(
      fc.property(segments, segments, fc.boolean(), (prefixed, asked, slash) => {
        const prefix = `/${prefixed.join("/")}${slash && prefixed.length > 0 ? "/" : ""}`;
        const path = `/${asked.join("/")}`;
        const begins = prefixed.every((each, at) => asked[at] === each);
        const isStrict = prefix.endsWith("/") && prefix !== "/";
        const below = begins && (!isStrict || asked.length > prefixed.length);
        expect(isBelow(path, prefix)).toBe(below);
      }),
    );
  });

  it("whatever is let through arrives unchanged, and no decoding of it leaves the prefix (H01)", () => {
    const piece = fc.oneof(
      fc.constantFrom("/", ".", "..", ";", "%2e", "%2f", "%5c", "%25", "2e", "\\", "%", "v1", "//"),
      fc.constantFrom("%c0%ae", "%ef%bc%8e", "%00", "?", "#", " ", "%20", "a", "\t", "é", "%E9"),
      fc.string({ maxLength: 3 }),
    );
    let passed = 0;
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 8 }), (pieces) => {
        const path = `/v1/${pieces.join("")}`;
        const sent = codeOf(path, ["/v1/"]);
        if (!sent.startsWith("/")) return;
        passed += 1;
        expect(sent).toBe(path);
        let text = path;
        for (let times = 0; times < 4; times++) {
          const { pathname } = new URL(`https://api.test${text.replaceAll("\\", "/")}`);
          expect(pathname.startsWith("/v1/")).toBe(true);
          text = text.replace(/%([0-7][0-9a-f])/gi, (_, hex) =>
            String.fromCharCode(Number.parseInt(hex, 16)),
          );
        }
      }),
      { numRuns: 5_000 },
    );
    expect(passed).toBeGreaterThan(100);
  });
});
