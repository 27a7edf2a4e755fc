import { describe, expect, it } from "vitest";
import { limits } from "../base/limits.ts";
import { McpError, readCallResult } from "./mcp.ts";

const text = (said: string) => ({ type: "text", text: said });

describe("a server's result", () => {
  it("is its texts in order, its structure, its files and its links", () => {
    const result = readCallResult({
      content: [
        text("one"),
        { type: "image", data: "AAEC", mimeType: "image/png" },
        { type: "resource", resource: { uri: "file:///a", text: "two" } },
        { type: "resource", resource: { uri: "file:///b", blob: "/w==" } },
        { type: "resource_link", uri: "https://x/y", name: "y" },
        { type: "hologram", depth: 3 },
      ],
      structuredContent: { n: 1 },
      isError: false,
    });
    expect(result).toEqual({
      ...{ failed: false, structured: { n: 1 } },
      text: 'one\ntwo\n{"type":"hologram","depth":3}',
      files: [
        { bytes: Buffer.from([0, 1, 2]), mimeType: "image/png" },
        { bytes: Buffer.from([255]), mimeType: "application/octet-stream" },
      ],
      links: [{ uri: "https://x/y", name: "y" }],
    });
  });

  it("says once what is there twice, as structure and as its text", () => {
    const structuredContent = { b: [1, 2], a: "x" };
    const same = readCallResult({ content: [text('{"a": "x", "b": [1,2]}')], structuredContent });
    expect(same).toMatchObject({ text: "", structured: structuredContent });
    const other = readCallResult({ content: [text('{"a": "y"}')], structuredContent });
    expect(other.text).toBe('{"a": "y"}');
    const deep = `${"[".repeat(50_000)}${"]".repeat(50_000)}`;
    expect(readCallResult({ content: [text(deep)], structuredContent }).text).toBe(deep);
  });

  it.each<[string, Record<string, unknown>, RegExp]>([
    ["has no list of parts", { content: "hello" }, /no result/],
    ["asks for something", { resultType: "input_required" }, /"input_required"/],
    [
      "brings too many files",
      { content: Array.from({ length: limits.mcpFiles + 1 }, () => ({ type: "image", data: "" })) },
      /more than 32/,
    ],
  ])("that %s is refused", (_name, given, message) => {
    expect(() => readCallResult(given)).toThrow(McpError);
    expect(() => readCallResult(given)).toThrow(message);
  });

  it("without any part is empty, and one with lone surrogates is text all the same", () => {
    expect(readCallResult({})).toMatchObject({ failed: false, text: "", files: [] });
    expect(readCallResult({ content: [text("a\ud800b")] }).text).toBe("a\ufffdb");
  });
});
