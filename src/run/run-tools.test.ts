import { describe, expect, it } from "vitest";
import { limits } from "../base/limits.ts";
import type { McpTool } from "../contract/mcp-server.ts";
import type { Drive } from "./drive.ts";
import { findRunTool, shownTools } from "./run-tools.ts";

const tool = (name: string, bytes = 10): McpTool => ({
  ...{ name: `mcp_git_${name}`, tool: name, description: "x".repeat(bytes) },
  input_schema: { type: "object", properties: {} },
});

/** As much of a drive as its tools are made of. */
function driveWith(tools: McpTool[], allowed = ["mcp_"]): Drive {
  const listed = { server: "git", host: "h:443", protocol: null, tools, error: null };
  const mcpServers = [{ name: "git", url: "https://h/mcp" }];
  const parts = {
    ledger: { state: { snapshot: { mcpServers }, mcp: new Map([["git", { listed }]]) } },
    ...{ mcp: {}, tools: [], record: { restore: async (value: unknown) => value } },
    power: { capabilities: [{ type: "SandboxFunctions", allowed }] },
  };
  return parts as unknown as Drive;
}

describe("the tools of a run", () => {
  it("are shown in a number and a size that models take, and the others are counted", async () => {
    const many = Array.from({ length: 130 }, (_, n) => tool(`t${n}`));
    const { tools, hidden } = await shownTools(driveWith(many));
    expect([tools.length, hidden]).toEqual([limits.mcpToolsShown, 30]);
    const large = many.slice(0, 50).map((one) => ({ ...one, description: "x".repeat(10_000) }));
    const shown = await shownTools(driveWith(large));
    expect(shown.tools.length).toBeLessThan(limits.mcpToolsShownBytes / 10_000);
    expect(shown.tools.length + shown.hidden).toBe(50);
  });

  it("never hide one of the gateway's own, and are found by either spelling", async () => {
    const drive = driveWith([tool("push"), { ...tool("x"), name: "content_read" }]);
    expect((await findRunTool(drive, "content_read"))?.remote).toBeUndefined();
    expect((await findRunTool(drive, "mcp.git.push"))?.remote?.tool).toBe("push");
    expect(await findRunTool(drive, "mcp_git_pull")).toBeUndefined();
    expect(await findRunTool(drive, "mcp_other_push")).toBeUndefined();
  });
});
