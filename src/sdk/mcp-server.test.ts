import { inspect } from "node:util";
import { describe, expect, it } from "vitest";
import { newId } from "../contract/ids.ts";
import { AirlockClient, McpServer, type McpServerOptions, type SubmitOptions } from "./sdk.ts";

const url = "https://mcp.example.org/mcp";
const headers = { authorization: "Bearer of-the-docs-server" };
const docs = McpServer.remote({ name: "docs", url, headers, preapproved: ["read_*"] });

/** What a client sends for a submission. */
async function sent(options: Partial<SubmitOptions>): Promise<Record<string, unknown>[]> {
  const bodies: Record<string, unknown>[] = [];
  const accept: typeof fetch = async (_, init) => {
    bodies.push(JSON.parse(String(init?.body)));
    return Response.json({ run: { id: newId("run") } }, { status: 201 });
  };
  const client = new AirlockClient({ token: "not-a-real-one", fetch: accept });
  await client.submitRun({ model: "claude-x", prompt: "y", ...options });
  return bodies;
}

describe("an MCP server", () => {
  it("is submitted without its headers, which go with the secrets", async () => {
    const plain = { name: "plain", url: "https://other.example.org/mcp" };
    const secrets = {
      anthropic: { apiKey: "sk-of-the-test" },
      mcpServers: [{ ...plain, headers: { "x-key": "kF7-of-another-Server" } }],
    };
    const [body] = await sent({ mcpServers: [docs, plain], secrets });
    expect(body?.mcpServers).toEqual([{ name: "docs", url, preapproved: ["read_*"] }, plain]);
    expect(body?.secrets).toEqual({
      anthropic: { apiKey: "sk-of-the-test" },
      mcpServers: [
        { name: "docs", url, headers },
        { ...plain, headers: { "x-key": "kF7-of-another-Server" } },
      ],
    });
  });

  it("without headers needs no secrets, and adds none", async () => {
    const [body] = await sent({ mcpServers: [McpServer.remote({ name: "docs", url })] });
    expect(body).not.toHaveProperty("secrets");
    expect(McpServer.remote({ name: "docs", url }).toSecretEntry()).toBe(undefined);
  });

  it("has headers that win over those of the same name, unless they are for another address", async () => {
    const other = { name: "docs", url, headers: { authorization: "another one" } };
    const [body] = await sent({ mcpServers: [docs], secrets: { mcpServers: [other] } });
    expect(body?.secrets).toEqual({ mcpServers: [{ name: "docs", url, headers }] });
    const elsewhere = { ...other, url: "https://elsewhere.example.org" };
    await expect(
      sent({ mcpServers: [docs], secrets: { mcpServers: [elsewhere] } }),
    ).rejects.toThrow(/mcpServers\[0\]: .*conflicts/);
  });

  it("does not show its headers when it is printed or made JSON of", () => {
    for (const text of [inspect(docs, { showHidden: true, depth: 9 }), JSON.stringify(docs)]) {
      expect(text).not.toContain("of-the-docs-server");
    }
    const taken = docs.toSecretEntry();
    if (taken) taken.headers.authorization = "changed";
    expect(docs.toSecretEntry()?.headers).toEqual(headers);
  });

  it("is not a program on this machine, and has a name and an address", () => {
    const wrong: [object, RegExp][] = [
      [{ name: "a", command: "npx" }, /stdio are not supported/],
      [{ name: "a", url, transport: "stdio" }, /stdio are not supported/],
      [{ name: "", url }, /name must be/],
      [{ name: "a" }, /url must be/],
    ];
    for (const [options, message] of wrong) {
      expect(() => McpServer.remote(options as McpServerOptions)).toThrow(message);
    }
    expect(() => McpServer.remote(undefined as unknown as McpServerOptions)).toThrow(TypeError);
  });

  it("that is none is refused with its place, and nothing is sent", async () => {
    const mcpServers = [docs, "https://x.example"] as unknown as McpServer[];
    await expect(sent({ mcpServers })).rejects.toThrow("mcpServers[1] must be made by");
  });
});
