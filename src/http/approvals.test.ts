/** The door to approvals: what it lets through, to whom, and in which words. What an answer does is told elsewhere. */
import { describe, expect, it } from "vitest";
import { emptyApprovals } from "../../test/support/empty-approvals.ts";
import { openFrontDoor } from "../../test/support/front-door.ts";
import type { Approvals } from "../approvals/approvals.ts";
import { newApprovalId, newId } from "../contract/ids.ts";
import { ErrorBody, Problem } from "../contract/problem.ts";
import type { Scope } from "../contract/token.ts";

const id = newApprovalId();
const answers = ["approve", "deny", "revoke"] as const;

/** A door behind which every answer is taken and kept. */
function openDoor() {
  const got: unknown[][] = [];
  const keep =
    (name: string) =>
    async (...args: unknown[]) => {
      got.push([name, ...args]);
      return { id } as Awaited<ReturnType<Approvals["approve"]>>;
    };
  const approvals: Approvals = {
    ...emptyApprovals,
    ...{ approve: keep("approve"), deny: keep("deny"), revoke: keep("revoke") },
    list: async (...args) => {
      got.push(["list", ...args]);
      return { approvals: [] };
    },
  };
  const door = openFrontDoor({ approvals });
  const ask = (path: string, scopes: Scope[], init: RequestInit = {}) => {
    const { token, header } = door.token({ scopes });
    const answer = door.app.request(path, {
      ...init,
      headers: { ...header, ...(init.headers as Record<string, string>) },
    });
    return Promise.resolve(answer).then((response) => ({ response, token }));
  };
  return { got, ask };
}

const json = { "content-type": "application/json" };

describe("an answer", () => {
  it.each(answers)("%s needs no body at all, with or without a media type", async (what) => {
    const { got, ask } = openDoor();
    for (const init of [{}, { body: "{}", headers: json }, { body: "", headers: json }]) {
      const path = `/api/approvals/${id}/${what}`;
      const { response, token } = await ask(path, ["approve"], { method: "POST", ...init });
      expect(response.status).toBe(200);
      expect(await response.json()).toEqual({ approval: { id } });
      const by = what === "revoke" ? { revokedBy: token.id } : { answeredBy: token.id };
      expect(got.at(-1)).toEqual([what, token.workspaceId, id, by]);
    }
  });

  it.each([
    ["approve", { scope: "run", expiresAt: "2030-01-01T00:00:00Z", note: "fine" }],
    ["deny", { reason: "no" }],
    ["revoke", { reason: "no" }],
  ])("%s takes what belongs to it, and who answers from the token alone", async (what, body) => {
    const { got, ask } = openDoor();
    const send = (value: unknown) =>
      ask(`/api/approvals/${id}/${what}`, ["approve"], {
        ...{ method: "POST", headers: json, body: JSON.stringify(value) },
      });
    const { response, token } = await send(body);
    expect(response.status).toBe(200);
    expect(got.at(-1)?.[3]).toEqual({
      ...body,
      ...(what === "revoke" ? { revokedBy: token.id } : { answeredBy: token.id }),
    });
    for (const wrong of [
      { ...body, answeredBy: "tok_somebody" },
      { ...body, revokedBy: "tok_somebody" },
      { ...body, workspaceId: newId("workspace") },
      { scope: "forever" },
      { expiresAt: "tomorrow" },
      { note: 1 },
      { reason: "x".repeat(2001) },
      { note: "x".repeat(2001) },
      null,
      [],
      "yes",
    ]) {
      const refused = (await send(wrong)).response;
      expect(refused.status, JSON.stringify(wrong)).toBe(400);
      expect(ErrorBody.parse(await refused.json()).error.code).toBe("invalid_request");
    }
    expect(got.length).toBe(1);
  });

  it("is refused in any other form than JSON", async () => {
    const { got, ask } = openDoor();
    for (const init of [
      { body: "{}", headers: { "content-type": "text/plain" } },
      { body: "scope=run", headers: { "content-type": "application/x-www-form-urlencoded" } },
      { body: "{}", headers: { ...json, "content-encoding": "gzip" } },
      { headers: { "content-type": "text/plain" } },
    ]) {
      const path = `/api/approvals/${id}/approve`;
      const { response } = await ask(path, ["approve"], { method: "POST", ...init });
      expect(response.status, JSON.stringify(init)).toBe(415);
    }
    expect(got).toEqual([]);
  });

  it("takes the scope approve, and no other stands in for it (G07)", async () => {
    const { got, ask } = openDoor();
    for (const what of answers) {
      for (const scopes of [["runs"], ["admin"], ["runs", "admin"]] as Scope[][]) {
        const { response } = await ask(`/api/approvals/${id}/${what}`, scopes, { method: "POST" });
        expect(response.status).toBe(403);
        expect(ErrorBody.parse(await response.json()).error).toMatchObject({
          code: "insufficient_scope",
          details: { requiredScope: "approve" },
        });
      }
      const cookie = { cookie: "token=x; session=x", authorization: "" };
      const bare = await ask(`/api/approvals/${id}/${what}`, ["approve"], {
        ...{ method: "POST", headers: cookie },
      });
      expect(bare.response.status).toBe(401);
    }
    expect(got).toEqual([]);
  });
});

describe("an approval that is not there", () => {
  const odd = [
    "apr_%25",
    "apr_______________________________",
    id.toUpperCase(),
    `${id} `,
    `%20${id}`,
    id.slice(0, -1),
    `${id}0`,
    id.replace("apr_", "ａｐｒ_"),
    `${id.slice(0, -1)}%E2%80%8B`,
    `${id}%00`,
    "*",
    "%27%20OR%201=1%20--",
    newId("run"),
  ];
  it.each(odd)(
    "is the same 404 for every way to ask, whatever its name: %s (G06)",
    async (name) => {
      const { got, ask } = openDoor();
      for (const [method, tail] of [["GET", ""], ...answers.map((what) => ["POST", `/${what}`])]) {
        const path = `/api/approvals/${name}${tail}`;
        const { response } = await ask(path, ["approve"], { method: method ?? "GET" });
        expect(response.status, `${method} ${path}`).toBe(404);
        const { error } = ErrorBody.parse(await response.json());
        expect(error.code).toBe("not_found");
        expect(error.details).toBeUndefined();
      }
      expect(got).toEqual([]);
    },
  );
});

describe("the list", () => {
  it("is for who may answer and for who may submit, by status and page", async () => {
    const { got, ask } = openDoor();
    for (const scope of ["runs", "approve"] as const) {
      const { response, token } = await ask("/api/approvals?status=pending&limit=7&cursor=c", [
        scope,
      ]);
      expect(await response.json()).toEqual({ approvals: [] });
      const filter = { status: "pending", limit: 7, cursor: "c" };
      expect(got.at(-1)).toEqual(["list", token.workspaceId, filter]);
    }
    for (const query of ["status=open", "status=pending,denied", "limit=0", "who=me", "cursor="]) {
      const { response } = await ask(`/api/approvals?${query}`, ["approve"]);
      expect(response.status, query).toBe(400);
    }
    expect((await ask("/api/approvals", ["admin"])).response.status).toBe(403);
  });
});

describe("the policy explained", () => {
  it("asks for the caller's workspace, and says what the policy says", async () => {
    const asked: unknown[] = [];
    const explanation = {
      ...{ decision: "ask" as const, rule: "r", reasons: [], commands: [], findings: [] },
      hosts: ["example.org:443"],
    };
    const door = openFrontDoor({
      explain: async (...args) => {
        asked.push(args);
        if (args[1].tool === "none") throw new Problem("invalid_request", "No such tool");
        return explanation;
      },
    });
    const { token, header } = door.token({ scopes: ["runs"] });
    const send = (body: unknown) =>
      door.app.request("/api/policy/explain", {
        ...{ method: "POST", headers: { ...header, ...json }, body: JSON.stringify(body) },
      });
    const question = { tool: "sandbox_exec", arguments: { command: "curl x" } };
    const response = await send(question);
    expect([response.status, await response.json()]).toEqual([200, explanation]);
    expect(asked).toEqual([[token.workspaceId, question]]);
    for (const wrong of [
      { tool: "x" },
      { ...question, tool: "none" },
      { ...question, workspaceId: "x" },
      { ...question, agent: { capabilities: [{ type: "Everything" }] } },
      { ...question, files: [{ name: "", content: "x" }] },
    ]) {
      expect((await send(wrong)).status, JSON.stringify(wrong)).toBe(400);
    }
  });

  it("is slowed down like submissions, because reading code costs", async () => {
    const limits = {
      submissionsPerMinute: 2,
      archivesPerMinute: 1,
      exportsPerMinute: 1,
      eventStreams: 1,
    };
    const waits = { headersMs: 15_000, bodyIdleMs: 60_000 };
    const door = openFrontDoor({ limits: { ...limits, ...waits } });
    const { header } = door.token({ scopes: ["runs"] });
    const send = () =>
      door.app.request("/api/policy/explain", {
        ...{ method: "POST", headers: { ...header, ...json } },
        body: '{"tool":"sandbox_exec","arguments":{}}',
      });
    expect([(await send()).status, (await send()).status]).toEqual([200, 200]);
    const third = await send();
    expect(third.status).toBe(429);
    expect(Number(third.headers.get("retry-after"))).toBeGreaterThan(0);
  });
});

describe("the emergency stop", () => {
  it("is for who may submit and for who may answer, and wants a reason", async () => {
    const door = openFrontDoor();
    const stop = (header: Record<string, string>, runId: string, body: unknown) =>
      door.app.request(`/api/runs/${runId}/stop`, {
        ...{ method: "POST", headers: { ...header, ...json }, body: JSON.stringify(body) },
      });
    for (const scope of ["runs", "approve"] as const) {
      const { token, header } = door.token({ scopes: [scope] });
      const run = door.addRun(token.workspaceId);
      for (const wrong of [{}, { reason: "" }, { reason: " \n" }, { reason: 1 }, null]) {
        expect((await stop(header, run.id, wrong)).status, JSON.stringify(wrong)).toBe(400);
      }
      const response = await stop(header, run.id, { reason: "enough" });
      expect(response.status).toBe(202);
      expect(await response.json()).toMatchObject({ run: { id: run.id, status: "terminated" } });
    }
    const other = door.token({ scopes: ["runs"] });
    const run = door.addRun(newId("workspace"));
    expect((await stop(other.header, run.id, { reason: "x" })).status).toBe(404);
    const admin = door.token({ scopes: ["admin"] });
    expect((await stop(admin.header, run.id, { reason: "x" })).status).toBe(403);
  });
});
