import { createServer, type RequestListener, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, describe, expect, it } from "vitest";
import { newApprovalId, newId } from "../contract/ids.ts";
import { AirlockClient, ApiError, isApprovalAnswered } from "./sdk.ts";

const id = newApprovalId();
let server: Server | undefined;
afterEach(async () => {
  server?.closeAllConnections();
  await new Promise((resolve) => (server ? server.close(resolve) : resolve(undefined)));
  server = undefined;
});

/** A gateway that keeps what it is asked. */
async function gateway(answer: RequestListener) {
  const asked: { method: string | undefined; url: string | undefined; body: unknown }[] = [];
  const opened = createServer(async (request, response) => {
    const text = Buffer.concat(await Array.fromAsync(request)).toString();
    const body = text === "" ? undefined : JSON.parse(text);
    asked.push({ method: request.method, url: request.url, body });
    answer(request, response);
  });
  await new Promise<void>((resolve) => opened.listen(0, "127.0.0.1", resolve));
  server = opened;
  const baseUrl = `http://127.0.0.1:${(opened.address() as AddressInfo).port}`;
  return { asked, client: new AirlockClient({ token: "alk_test_0123456789", baseUrl }) };
}

describe("approvals", () => {
  it("asks what each method says", async () => {
    const { asked, client } = await gateway((request, response) =>
      response.end(
        JSON.stringify(
          request.url?.includes("/api/approvals?") ? { approvals: [{ id }] } : { approval: { id } },
        ),
      ),
    );
    const { approvals } = client;
    await approvals.list({ status: "pending", limit: 3, cursor: "c" });
    expect(await approvals.get(id)).toEqual({ id });
    const expiresAt = new Date("2030-01-01T00:00:00Z");
    expect(await approvals.approve(id, { scope: "run", expiresAt, note: "n" })).toEqual({ id });
    await approvals.approve(id);
    await approvals.deny(id, { reason: "r" });
    await approvals.revoke("apr_/../x", { reason: "r" });
    const root = `/api/approvals/${id}`;
    const approved = { scope: "run", expiresAt: "2030-01-01T00:00:00.000Z", note: "n" };
    expect(asked).toEqual([
      { method: "GET", url: "/api/approvals?status=pending&limit=3&cursor=c", body: undefined },
      { method: "GET", url: root, body: undefined },
      { method: "POST", url: `${root}/approve`, body: approved },
      { method: "POST", url: `${root}/approve`, body: {} },
      { method: "POST", url: `${root}/deny`, body: { reason: "r" } },
      { method: "POST", url: "/api/approvals/apr_%2F..%2Fx/revoke", body: { reason: "r" } },
    ]);
  });

  it("goes through all pages", async () => {
    const { asked, client } = await gateway((request, response) => {
      const isFirst = !request.url?.includes("cursor");
      const page = { approvals: [{ id: isFirst ? "a" : "b" }] };
      response.end(JSON.stringify(isFirst ? { ...page, nextCursor: "c" } : page));
    });
    const found = await Array.fromAsync(client.approvals.all({ status: "denied" }));
    expect(found).toEqual([{ id: "a" }, { id: "b" }]);
    expect(asked.map(({ url }) => url)).toEqual([
      "/api/approvals?status=denied",
      "/api/approvals?status=denied&cursor=c",
    ]);
  });

  it("tells the second one what the first one said", async () => {
    const approval = { id, status: "denied", answer: { answered_by: "tok_a" } };
    const { client } = await gateway((_request, response) => {
      const error = { code: "approval_answered", message: "Answered", details: { approval } };
      response.writeHead(409).end(JSON.stringify({ error }));
    });
    const error = await client.approvals.approve(id).catch((thrown: unknown) => thrown);
    expect(isApprovalAnswered(error) && error.approval).toEqual(approval);
    expect(error).toBeInstanceOf(ApiError);
    const { status, code, name } = error as ApiError;
    expect([status, code, name]).toEqual([409, "approval_answered", "ApprovalAnsweredError"]);
  });

  it("never gives an answer twice by itself, and a stop as often as it takes", async () => {
    const { asked, client } = await gateway((_request, response) => response.destroy());
    await expect(client.approvals.approve(id)).rejects.toThrow("Cannot reach");
    await expect(client.approvals.deny(id)).rejects.toThrow("Cannot reach");
    expect(asked.length).toBe(2);
    const runId = newId("run");
    await expect(client.run(runId).stop({ reason: "enough" })).rejects.toThrow("Cannot reach");
    expect(asked.slice(2)).toEqual(
      Array(3).fill({ method: "POST", url: `/api/runs/${runId}/stop`, body: { reason: "enough" } }),
    );
  });

  it("asks the policy", async () => {
    const { asked, client } = await gateway((_request, response) =>
      response.end(JSON.stringify({ decision: "deny" })),
    );
    const question = { tool: "sandbox_exec", arguments: { command: "true" } };
    expect(await client.policy.explain(question)).toEqual({ decision: "deny" });
    expect(asked).toEqual([{ method: "POST", url: "/api/policy/explain", body: question }]);
  });
});
