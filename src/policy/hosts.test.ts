import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { hostsCover, narrowedHosts, spelledHost } from "./hosts.ts";
import { functionCovers, functionMeets, prefixCovers, scopeCovers } from "./scopes.ts";

const name = fc.constantFrom("a.example", "b.a.example", "example", "nota.example", "[::1]");
const port = fc.constantFrom("", ":443", ":80", ":8443", ":9000");
const target = fc.tuple(name, port).map((parts) => parts.join(""));
const pattern = fc
  .tuple(
    fc.constantFrom("*", "*.example", "*.a.example", "A.Example", "b.a.example.", "[::1]"),
    port,
  )
  .map((parts) => parts.join(""));

describe("a host pattern", () => {
  it.each<[string, string[], string[]]>([
    [
      "a.example",
      ["a.example", "a.example:443", "a.example:80", "A.EXAMPLE:443", "a.example.:443"],
      [...["a.example:8443", "b.a.example", "nota.example", "a.example.evil", "evil:a.example"]],
    ],
    ["a.example:8443", ["a.example:8443"], ["a.example", "a.example:80", "a.example:9000"]],
    ["*.example", ["a.example", "b.a.example:80"], ["example", "notexample", "a.example:8443"]],
    ["*.example:9000", ["a.example:9000"], ["a.example", "a.example:80", "example:9000"]],
    ["*", ["a.example", "[::1]:80"], ["a.example:8443"]],
    ["*:8443", ["a.example:8443"], ["a.example", "a.example:80"]],
    ["[::1]", ["[::1]", "[::1]:443"], ["[::1]:8443", "[::2]"]],
    ["[::1]:8443", ["[::1]:8443"], ["[::1]"]],
    ["a.example:80", ["a.example:80"], ["a.example", "a.example:443"]],
  ])("%s covers what it says and nothing else", (text, covered, others) => {
    for (const host of covered) expect(hostsCover([text], host), host).toBe(true);
    for (const host of others) expect(hostsCover([text], host), host).toBe(false);
  });

  it("narrowed by another covers exactly what both of them cover (I13)", () => {
    fc.assert(
      fc.property(fc.array(pattern), fc.array(pattern), target, (left, right, host) => {
        const both = hostsCover(left, host) && hostsCover(right, host);
        expect(hostsCover(narrowedHosts(left, right), host)).toBe(both);
      }),
      { numRuns: 5_000 },
    );
  });

  it.each([
    ["*", "*:443", "*:443"],
    ["*:80", "*", "*:80"],
    ["*", "*", "*"],
    ["*.a.example", "*.example:443", "*.a.example:443"],
    ["*.example:80", "*.a.example", "*.a.example:80"],
    ["*.Example", "*", "*.Example"],
    ["*:8443", "A.Example:8443", "A.Example:8443"],
    ["*:443", "A.Example.", "a.example:443"],
    ["*.example", "*.example", "*.example"],
  ])("%s narrowed by %s is %s, as it was written where that is possible", (one, other, both) => {
    expect(narrowedHosts([one], [other])).toEqual([both]);
  });

  it("is named once, however often two lists have it in common", () => {
    expect(narrowedHosts(["a.example", "*"], ["a.example", "*.example"])).toEqual([
      ...["a.example", "*.example"],
    ]);
  });

  it("has no part in another list when names or ports are different", () => {
    for (const other of ["b.example", "a.example:9000", "*.a.example", "*:9000"]) {
      expect(narrowedHosts(["a.example:8443"], [other]), other).toEqual([]);
      expect(narrowedHosts([other], ["a.example:8443"]), other).toEqual([]);
    }
  });
});

describe("a host that is asked for", () => {
  it("has one spelling, with its port", () => {
    expect(spelledHost("A.Example.")).toBe("a.example:443");
    expect(spelledHost("a.example:80")).toBe("a.example:80");
    expect(spelledHost("[::1]:8443")).toBe("[::1]:8443");
    expect(spelledHost("[FE80::1]")).toBe("[fe80::1]:443");
  });
});

describe("a scope", () => {
  it("covers everything as a star, what begins so as a prefix, and else itself", () => {
    expect([scopeCovers("*", "x"), scopeCovers("self.*", "x"), scopeCovers("", "x")]).toEqual([
      ...[true, true, false],
    ]);
    expect([prefixCovers("a*", "ab"), prefixCovers("a*", "ba"), prefixCovers("a", "ab")]).toEqual([
      ...[true, false, false],
    ]);
    expect([prefixCovers("a", "a"), scopeCovers("a", "a")]).toEqual([true, true]);
    expect(scopeCovers("a/*", "a/b") && !scopeCovers("a/*", "ab")).toBe(true);
  });

  it("of functions knows one name in two spellings, and a star only at its end", () => {
    expect(functionCovers("knowledge.", "knowledge_store")).toBe(true);
    expect(functionCovers("knowledge_*", "knowledge.store")).toBe(true);
    expect(functionCovers("knowledge.", "knowledgestore")).toBe(false);
    expect(functionCovers("a*b", "ab")).toBe(false);
    expect(functionCovers("*", "anything")).toBe(true);
  });

  it("a rule meets what begins so when it covers some of it or all of it", () => {
    expect(functionMeets("mcp_", "mcp_git_")).toBe(true);
    expect(functionMeets("mcp.git.*", "mcp_git_")).toBe(true);
    expect(functionMeets("mcp_git_push", "mcp.git.")).toBe(true);
    expect(functionMeets("mcp_git_push*", "mcp_git_")).toBe(true);
    expect(functionMeets("*", "mcp_git_")).toBe(true);
    expect(functionMeets("mcp_mail_", "mcp_git_")).toBe(false);
    expect(functionMeets("knowledge.", "mcp_git_")).toBe(false);
    expect(functionMeets("x_mcp_git_", "mcp_git_")).toBe(false);
    expect(functionMeets("mcp_*git_", "mcp_git_")).toBe(false);
  });
});
