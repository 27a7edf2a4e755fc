/** docs/mcp.md shows a run with a server; it is run as it stands there, and what it says is held against the code. */
import { readFileSync } from "node:fs";
import { afterAll, describe, expect, it } from "vitest";
import { limits } from "../src/base/limits.ts";
import { McpServer } from "../src/contract/mcp-server.ts";
import { RunSubmission } from "../src/contract/submission.ts";
import { stateless, withSession } from "../src/mcp/session.ts";
import { call, clientOf } from "./support/airlock-api.ts";
import { openMcpServer } from "./support/mcp-server.ts";
import { resultsOf, untilEvent } from "./support/results-of.ts";
import { startGateway } from "./support/start-gateway.ts";

const guide = readFileSync(new URL("../docs/mcp.md", import.meta.url), "utf8");
const said = guide.replaceAll(/\s+/g, " ");
const [submission, result] = [...guide.matchAll(/^```json(?: \S+)?\n([\s\S]*?)^```/gm)].map(
  ([, body]) => JSON.parse(body ?? ""),
);

describe("docs/mcp.md", async () => {
  const server = await openMcpServer({
    token: "tickets-token-5519",
    tools: [
      {
        name: "list_open",
        answer: () => ({
          content: [
            { type: "text", text: result.text },
            { type: "image", mimeType: "image/png", data: Buffer.alloc(5120).toString("base64") },
          ],
          structuredContent: result.structured_content,
        }),
      },
      { name: "close_ticket" },
    ],
  });
  const script = {
    turns: [
      { calls: [{ tool: "mcp_tickets_list_open", arguments: {} }] },
      { calls: [{ tool: "mcp_tickets_close_ticket", arguments: { id: 17 } }] },
      { text: "Closed one." },
    ],
  };
  const gateway = await startGateway({ script, env: { AIRLOCK_PRIVATE_HOSTS: server.host } });
  afterAll(async () => {
    await gateway.stop();
    await server.close();
  });

  it("shows a run that does what it says there", async () => {
    await call(gateway, "PUT", "/api/secrets/TICKETS_TOKEN", { value: "tickets-token-5519" });
    const given = RunSubmission.parse(submission);
    const [declared] = given.mcpServers ?? [];
    const mcpServers = [{ ...declared, url: server.url } as McpServer];
    const { prompt = "" } = given;
    const run = await clientOf(gateway).submitRun({
      model: "scripted/tickets",
      prompt,
      mcpServers,
    });
    await untilEvent(run, "approval.requested");
    const { approvals } = clientOf(gateway);
    const pending = await approvals.list({ status: "pending" });
    for (const { id, request } of pending.approvals) {
      expect(request.subject.server?.tool).toBe("close_ticket");
      await approvals.approve(id);
    }
    expect(await run.wait()).toMatchObject({ status: "succeeded" });
    const [first] = await resultsOf(gateway, run.id);
    const shape = (value: unknown) =>
      JSON.stringify(value)
        .replace(/call_\w+/, "call")
        .replace(/[0-9a-f]{64}/, "digest")
        .replace(/cnt_\w+/, "cnt");
    expect(JSON.parse(shape(first))).toEqual(JSON.parse(shape(result)));
  });

  it("says what every member of a server is", () => {
    const rows = [...guide.matchAll(/^\| `(\w+)` \|/gm)].map(([, name]) => name);
    expect(rows).toEqual(Object.keys(McpServer.shape));
  });

  it("says the limits that are", () => {
    const inKiB = (bytes: number) => `${bytes / 1024} KiB`;
    for (const words of [
      `shortened to ${limits.mcpDescriptionChars.toLocaleString("en")} characters`,
      `may offer ${limits.mcpTools} tools; a schema may have ${inKiB(limits.mcpSchemaBytes)}, all together ${inKiB(limits.mcpListBytes)}, and the model is shown ${limits.mcpToolsShown} tools of all servers, in ${inKiB(limits.mcpToolsShownBytes)}`,
      `of more than ${inKiB(limits.mcpShownBytes)} is content too`,
      `the first ${inKiB(limits.mcpHeadBytes)} of a text`,
      `answered with ${inKiB(limits.mcpAnswerBytes / 1024).replace("KiB", "MiB")} at most`,
      "three times in all",
      `the versions ${stateless} (without sessions), ${withSession.slice(0, -1).join(", ")} or ${withSession.at(-1)}`,
    ]) {
      expect(said).toContain(words);
    }
    expect(limits.mcpListAttempts).toBe(3);
  });
});
