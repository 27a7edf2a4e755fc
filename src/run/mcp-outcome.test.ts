import { describe, expect, it } from "vitest";
import { limits } from "../base/limits.ts";
import { containsSecret, redactor } from "../egress/egress.ts";
import { mcpOutcome } from "./mcp-outcome.ts";

const secret = "sk-live-8f0cb41d77aa";
const callId = "call_01kadz3v6m5c0jx9s2qf8t7w4b";

/** A store that keeps what it is given, and what a run knows of its secrets. */
function open() {
  const kept: string[] = [];
  const clean = redactor([secret]);
  return {
    kept,
    context: {
      callId,
      blobs: {
        async put(bytes: Uint8Array) {
          kept.push(Buffer.from(bytes).toString());
          return { sha256: `sha256:${String(kept.length).repeat(64)}`, bytes: bytes.byteLength };
        },
      },
      cleaner: () => clean.stream(),
      holdsSecret: (bytes: Uint8Array) => containsSecret([secret]).start().push(bytes),
    },
  };
}

const text = (said: string) => ({ content: [{ type: "text", text: said }] });
const image = (bytes: string) => ({
  ...{ type: "image", mimeType: "image/PNG; q=1", data: Buffer.from(bytes).toString("base64") },
});

describe("what is made of a server's result", () => {
  it("shows what is short as it is, and makes no content of it", async () => {
    const { context, kept } = open();
    const most = "x".repeat(limits.mcpShownBytes);
    expect(await mcpOutcome("git", text(most), context)).toEqual({
      result: { ok: true, server: "git", text: most },
    });
    expect(kept).toEqual([]);
  });

  it("shows the head of a long text without half a character, and keeps the whole", async () => {
    const { context, kept } = open();
    const long = "€".repeat(limits.mcpShownBytes);
    const { result, content } = await mcpOutcome("git", text(long), context);
    expect(result.text).toBe(`${"€".repeat(Math.floor(limits.mcpHeadBytes / 3))}…`);
    expect(kept).toEqual([long]);
    expect(content).toMatchObject([
      { name: `mcp/git/${callId}.txt`, visibility: "private", bytes: long.length * 3 },
    ]);
  });

  it("cuts a secret out of a long text before it is kept, also where the head ends (I6)", async () => {
    for (const before of [limits.mcpHeadBytes - 5, limits.mcpHeadBytes + 9, 100]) {
      const { context, kept } = open();
      const long = `${"-".repeat(before)}${secret}${"-".repeat(limits.mcpShownBytes)}`;
      const { result } = await mcpOutcome("git", text(long), context);
      expect(kept.join()).not.toContain(secret.slice(0, 9));
      expect(String(result.text)).not.toContain(secret.slice(0, 5));
    }
  });

  it("keeps files by their kind, and no file that holds a secret (I6)", async () => {
    const { context, kept } = open();
    const odd = { ...image("odd"), mimeType: "constructor" };
    const given = { content: [image("fine"), image(`a ${secret}`), odd] };
    const { result } = await mcpOutcome("git", given, context);
    expect(result.files).toMatchObject([
      { name: `mcp/git/${callId}.png`, bytes: 4, mime_type: "image/png" },
      { withheld: "contains_secret", mime_type: "image/png" },
      { name: `mcp/git/${callId}-2.bin` },
    ]);
    expect(kept).toEqual(["fine", "odd"]);
  });

  it("says where a long structure is, in place of showing it", async () => {
    const { context, kept } = open();
    const structuredContent = { rows: Array.from({ length: 9_000 }, (_, n) => `row ${n}`) };
    const { result } = await mcpOutcome("git", { structuredContent }, context);
    expect(result).not.toHaveProperty("structured_content");
    expect(result.structured_content_in).toMatchObject({ name: `mcp/git/${callId}.json` });
    expect(JSON.parse(kept[0] ?? "")).toEqual(structuredContent);
  });

  it("is a failure of the call when the server says so, in the server's words", async () => {
    const { context } = open();
    const failed = { ...text("No such ticket"), isError: true, structuredContent: { code: 404 } };
    expect((await mcpOutcome("git", failed, context)).result).toMatchObject({
      ...{ ok: false, error_type: "execution", server: "git", structured_content: { code: 404 } },
      message: "The MCP server git says that the call failed: No such ticket",
    });
    const silent = await mcpOutcome("git", { isError: true }, context);
    expect(silent.result.message).toMatch(/It does not say why$/);
  });
});
