import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { bodyOf, openFrontDoor } from "../../test/support/front-door.ts";
import { newApprovalId, newId, newInteractionId } from "../contract/ids.ts";
import { ErrorBody } from "../contract/problem.ts";
import { type Route, routerPath, scopesOf } from "./route.ts";
import { routes } from "./routes.ts";

const table: [string, Route][] = Object.entries(routes);
/** `run` is told in words of its own: see `proxy.test.ts`. */
const guarded = table.filter(([, route]) => route.scope !== "none" && route.scope !== "run");

function idFor(tag: Route["tag"]): string {
  if (tag === "Layers") return `layer_${"0".repeat(32)}`;
  if (tag === "Approvals") return newApprovalId();
  if (tag === "Interactions") return newInteractionId();
  return newId(tag === "Tokens" ? "token" : "run");
}

function pathOf(route: Route): string {
  return route.path
    .replace("{name}", "STRIPE_KEY")
    .replace("{outputId}", newId("output"))
    .replace("{ref}", `ar.${"0".repeat(24)}`)
    .replace("{id}", idFor(route.tag));
}

async function errorOf(response: Response) {
  return ErrorBody.parse(await response.json()).error;
}

describe("authentication", () => {
  it.each(guarded)(
    "%s refuses every caller but one with a live token of its scope",
    async (_name, route) => {
      const door = openFrontDoor();
      const method = route.method.toUpperCase();
      const ask = (headers: Record<string, string>, query = "") =>
        door.app.request(`${pathOf(route)}${query}`, { method, headers });
      const revoked = door.token({ scopes: ["runs", "approve", "admin"] });
      door.revoke(revoked.token.id);
      const good = door.token({ scopes: ["runs", "approve", "admin"] });
      const refused = [
        await ask({}),
        await ask({ authorization: "" }),
        await ask({ authorization: "Bearer" }),
        await ask({ authorization: "Bearer garbage" }),
        await ask({ authorization: `Bearer ${"x".repeat(5000)}` }),
        await ask({ authorization: `Basic ${good.secret}` }),
        await ask({ authorization: good.secret }),
        await ask({ authorization: `Bearer ${good.secret} ${good.secret}` }),
        await ask(revoked.header),
        await ask({}, `?token=${good.secret}`),
        await ask(good.header, `?access_token=${good.secret}`),
      ];
      for (const response of refused) {
        expect(response.status).toBe(401);
        expect(response.headers.get("www-authenticate")).toContain("Bearer");
        expect((await errorOf(response)).code).toBe("unauthorized");
      }
      const scopes = scopesOf(route);
      if (scopes === undefined) return;
      const others = (["runs", "approve", "admin"] as const).filter((s) => !scopes.includes(s));
      const response = await ask(door.token({ scopes: others }).header);
      expect(response.status).toBe(403);
      expect(await errorOf(response)).toMatchObject({
        code: "insufficient_scope",
        details: scopes.length === 1 ? { requiredScope: scopes[0] } : { requiredScopes: scopes },
      });
      for (const scope of scopes) {
        const { status } = await ask(door.token({ scopes: [scope] }).header);
        expect([401, 403], scope).not.toContain(status);
      }
      expect([401, 403]).not.toContain((await ask(good.header)).status);
    },
  );

  it("says the same to a token that was revoked and to one that never was", async () => {
    const door = openFrontDoor();
    const { token, header } = door.token();
    door.revoke(token.id);
    const ask = async (authorization: string) =>
      (await door.app.request("/api/runs", { headers: { authorization } })).text();
    expect(await ask(header.authorization)).toBe(await ask("Bearer alk_unknown"));
  });

  it("names the header to a caller who put the token into the query, and logs no token", async () => {
    const door = openFrontDoor();
    const { secret } = door.token();
    const response = await door.app.request(`/api/runs?token=${secret}`);
    expect((await errorOf(response)).message).toContain("Authorization: Bearer");
    await door.app.request(`/api/runs?limit=x&x=${secret}`, {
      headers: { authorization: `Bearer ${secret}` },
    });
    expect(door.logged()).toContain("http.refused");
    expect(door.logged()).not.toContain(secret);
  });

  it("takes the workspace from the token: what another workspace has is not there", async () => {
    const door = openFrontDoor();
    const mine = door.token();
    const run = door.addRun(newId("workspace"), "succeeded");
    const absent = newId("run");
    const paths: [string, string][] = [
      ["GET", ""],
      ["DELETE", ""],
      ["POST", "/cancel"],
      ["GET", "/events"],
      ["GET", "/outputs"],
      ["GET", `/outputs/${newId("output")}`],
      ["GET", "/archive"],
    ];
    for (const [method, rest] of paths) {
      const ask = async (id: string) => {
        const response = await door.app.request(`/api/runs/${id}${rest}`, {
          method,
          headers: { ...mine.header, "x-workspace-id": run.workspaceId },
        });
        return `${response.status} ${(await response.text()).replaceAll(id, "<id>")}`;
      };
      expect(await ask(run.id)).toBe(await ask(absent));
      expect(await ask(run.id)).toMatch(/^404 /);
    }
  });
});

describe("every response", () => {
  it("carries a request id of its own and the headers that keep it from being shown or kept", async () => {
    const failing = openFrontDoor({
      ready: () => {
        throw new Error("boom at /secret/path");
      },
    });
    const door = openFrontDoor();
    const { header } = door.token();
    const responses = [
      await door.app.request("/healthz"),
      await door.app.request("/nowhere"),
      await door.app.request("/api/runs", { method: "PUT" }),
      await door.app.request("/api/runs"),
      await door.app.request("/api/runs?limit=0", { headers: header }),
      await door.app.request("/api/runs", { headers: header }),
      await door.app.request("/api/runs", { method: "POST", headers: header }),
      await door.app.request("/healthz", { headers: { host: "evil.example" } }),
      await failing.app.request("/readyz"),
    ];
    const statuses = responses.map((response) => response.status);
    expect(statuses).toEqual([200, 404, 405, 401, 400, 200, 415, 400, 500]);
    const ids = responses.map((response) => response.headers.get("x-request-id"));
    expect(new Set(ids).size).toBe(responses.length);
    for (const [index, response] of responses.entries()) {
      expect(ids[index]).toMatch(/^req_[0-9a-z]{26}$/);
      expect(response.headers.get("x-content-type-options")).toBe("nosniff");
      expect(response.headers.get("cache-control")).toBe("no-store");
      expect(response.headers.get("content-security-policy")).toContain("default-src 'none'");
      expect(response.headers.get("access-control-allow-origin")).toBeNull();
      if (response.status >= 400) await errorOf(response);
    }
  });

  it("does not take over a request id that the caller made up", async () => {
    const response = await openFrontDoor().app.request("/healthz", {
      headers: { "x-request-id": "req_mine" },
    });
    expect(response.headers.get("x-request-id")).not.toBe("req_mine");
  });

  it("tells a client nothing about a defect, and the log everything, under one request id", async () => {
    for (const thrown of [new Error("boom at /srv/key.pem"), "a bare string", undefined]) {
      const door = openFrontDoor({
        ready: () => {
          throw thrown;
        },
      });
      const response = await door.app.request("/readyz");
      expect(response.status).toBe(500);
      const text = await response.text();
      expect(text).not.toMatch(/boom|key\.pem|string|stack|\.ts/);
      expect(JSON.parse(text).error.code).toBe("internal");
      const id = response.headers.get("x-request-id");
      expect(door.logged()).toContain(id);
      if (thrown instanceof Error) expect(door.logged()).toContain("key.pem");
    }
  });

  it("gives no origin a right by CORS, whatever it claims to be", async () => {
    const door = openFrontDoor();
    for (const origin of ["null", "https://evil.example", "http://localhost.evil.example"]) {
      const response = await door.app.request("/api/runs", {
        method: "OPTIONS",
        headers: { origin, "access-control-request-method": "POST" },
      });
      expect(response.status).toBe(405);
      const names = [...response.headers.keys()];
      expect(names.filter((name) => name.startsWith("access-control"))).toEqual([]);
    }
  });
});

describe("routing", () => {
  it("answers a known path with another method by 405, naming all methods that it has", async () => {
    const door = openFrontDoor();
    for (const path of new Set(table.map(([, route]) => route.path))) {
      const methods = table.filter(([, r]) => r.path === path).map(([, r]) => r.method);
      const route = table.find(([, r]) => r.path === path)?.[1] as Route;
      const response = await door.app.request(pathOf(route), { method: "PATCH" });
      expect(response.status, path).toBe(405);
      const allow = response.headers.get("allow")?.toLowerCase().split(", ") ?? [];
      expect(allow.filter((method) => method !== "head").sort()).toEqual([...methods].sort());
    }
  });

  it("binds every row of the table once, and nothing else", () => {
    const bound = openFrontDoor()
      .app.routes.filter((route) => route.method !== "ALL")
      .map((route) => `${route.method.toLowerCase()} ${route.path}`);
    const rows = table.map(([, route]) => `${route.method} ${routerPath(route)}`);
    expect(bound.sort()).toEqual(rows.sort());
    expect(new Set(rows).size).toBe(rows.length);
  });

  it.each([
    "..%2f..%2fetc%2fpasswd",
    "%00",
    "__proto__",
    "constructor",
    "run_%C3%A9",
    "RUN_01KADZ3V6M5C0JX9S2QF8T7W4B",
    "run_01kadz3v6m5c0jx9s2qf8t7w4b%0a",
    "x".repeat(10_000),
    "%ff%fe",
    "%",
  ])("answers the id %.40s like one that nobody has", async (id) => {
    const door = openFrontDoor();
    const { header } = door.token();
    const response = await door.app.request(`/api/runs/${id}`, { headers: header });
    expect(response.status).toBe(404);
    expect((await errorOf(response)).message.length).toBeLessThan(1000);
  });

  it("never answers 5xx to a path or query that somebody made up", async () => {
    const door = openFrontDoor();
    const { header } = door.token();
    const piece = fc.oneof(
      fc.webSegment(),
      fc.constantFrom("runs", "api", "events", "%2e%2e", "%00"),
    );
    await fc.assert(
      fc.asyncProperty(fc.array(piece), fc.webQueryParameters(), async (parts, query) => {
        const url = `/api/runs/${parts.join("/")}?${query}`;
        const response = await door.app.request(url, { headers: header });
        expect(response.status, url).toBeLessThan(500);
      }),
      { numRuns: 300 },
    );
  });

  it("answers HEAD like GET without a body", async () => {
    const response = await openFrontDoor().app.request("/healthz", { method: "HEAD" });
    expect(response.status).toBe(200);
    expect(await response.text()).toBe("");
  });
});

describe("query strings", () => {
  it.each([
    ["/api/runs?limit=0", "limit"],
    ["/api/runs?limit=1001", "limit"],
    ["/api/runs?limit=1e2", "limit"],
    ["/api/runs?limit=%205", "limit"],
    ["/api/runs?limit=1&limit=2", "limit"],
    ["/api/runs?status=running,lost", "status"],
    ["/api/runs?status=", "status"],
    ["/api/runs?cursor=", "cursor"],
    ["/api/runs?statsu=running", "statsu"],
    ["/api/runs?__proto__=1", "__proto__"],
    ["/api/whoami?verbose=1", "verbose"],
  ])("%s is refused and %s is named", async (url, name) => {
    const door = openFrontDoor();
    const response = await door.app.request(url, { headers: door.token().header });
    expect(response.status).toBe(400);
    const error = await errorOf(response);
    expect(error.code).toBe("invalid_request");
    expect(error.message).toContain(name);
    expect(Object.getPrototypeOf({})).toBe(Object.prototype);
  });
});

describe("runs", () => {
  it("lists, pages, filters, gets, cancels and deletes", async () => {
    const door = openFrontDoor();
    const { header, token } = door.token();
    const ask = async (path: string, method = "GET") => {
      const response = await door.app.request(path, { method, headers: header });
      type Body = { runs: { id: string }[]; nextCursor?: string; run: { id: string } };
      return { status: response.status, body: await bodyOf<Body>(response) };
    };
    const running = door.addRun(token.workspaceId, "running");
    const ended = door.addRun(token.workspaceId, "failed");
    const first = await ask("/api/runs?limit=1");
    expect(first.body.runs).toHaveLength(1);
    const second = await ask(`/api/runs?limit=1&cursor=${first.body.nextCursor}`);
    expect(second.body.nextCursor).toBeUndefined();
    const filtered = await ask("/api/runs?status=failed,succeeded");
    expect(filtered.body.runs.map((run) => run.id)).toEqual([ended.id]);
    expect((await ask(`/api/runs/${running.id}`)).body.run.id).toBe(running.id);
    const early = await ask(`/api/runs/${running.id}`, "DELETE");
    expect(early).toMatchObject({ status: 409, body: { error: { code: "run_not_finished" } } });
    const cancelled = await ask(`/api/runs/${running.id}/cancel`, "POST");
    expect(cancelled).toMatchObject({ status: 202, body: { run: { status: "cancelled" } } });
    expect(await ask(`/api/runs/${running.id}`, "DELETE")).toEqual({ status: 200, body: {} });
    expect((await ask(`/api/runs/${running.id}`)).status).toBe(404);
  });
});

describe("tokens, upkeep and the gateway itself", () => {
  it("makes a token in the caller's workspace, lists it, and revokes it at once", async () => {
    const door = openFrontDoor();
    const admin = door.token({ scopes: ["admin"] });
    const ask = async (path: string, init: { method?: string; body?: string } = {}) =>
      door.app.request(path, {
        ...init,
        headers: { ...admin.header, "content-type": "application/json" },
      });
    const body = JSON.stringify({ name: "ci", scopes: ["runs", "runs"] });
    const made = await ask("/api/tokens", { method: "POST", body });
    expect(made.status).toBe(201);
    const { token, secret } = await bodyOf<{ token: { id: string }; secret: string }>(made);
    expect(token).toMatchObject({ name: "ci", scopes: ["runs"], workspaceName: "default" });
    const asMade = { headers: { authorization: `Bearer ${secret}` } };
    expect((await door.app.request("/api/whoami", asMade)).status).toBe(200);
    const listed = await (await ask("/api/tokens")).text();
    expect(listed).toContain(token.id);
    expect(listed).not.toContain(secret);
    const revoked = await ask(`/api/tokens/${token.id}`, { method: "DELETE" });
    const after = await bodyOf<{ token: { revokedAt: string | null } }>(revoked);
    expect(after.token.revokedAt).not.toBeNull();
    expect((await door.app.request("/api/whoami", asMade)).status).toBe(401);
    const unknown = await ask(`/api/tokens/${newId("token")}`, { method: "DELETE" });
    expect(unknown.status).toBe(404);
  });

  it("refuses a token with an unknown scope or no name", async () => {
    const door = openFrontDoor();
    const { header } = door.token({ scopes: ["admin"] });
    for (const [body, name] of [
      [{ name: "x", scopes: ["root"] }, "scopes[0]"],
      [{ scopes: ["runs"] }, "name"],
      [{ name: "x", scopes: ["runs"], workspace: "A B" }, "workspace"],
    ] as const) {
      const response = await door.app.request("/api/tokens", {
        ...{ method: "POST", body: JSON.stringify(body) },
        headers: { ...header, "content-type": "application/json" },
      });
      expect(response.status).toBe(400);
      expect((await errorOf(response)).details?.fields).toMatchObject([{ path: name }]);
    }
  });

  it("tells a token what it opens", async () => {
    const door = openFrontDoor();
    const { header, token } = door.token({ scopes: ["approve"], name: "desk" });
    const response = await door.app.request("/api/whoami", { headers: header });
    expect(await response.json()).toEqual({
      principalType: "api_token",
      workspaceId: token.workspaceId,
      workspaceName: "default",
      tokenId: token.id,
      tokenName: "desk",
      scopes: ["approve"],
      caps: { maxConcurrentRuns: 8, maxRunDurationMs: 3_600_000 },
    });
  });

  it("reports verify, gc and doctor to an admin", async () => {
    const door = openFrontDoor();
    const { header } = door.token({ scopes: ["admin"] });
    const post = (path: string, body?: string) =>
      door.app.request(path, {
        ...{ method: "POST", headers: { ...header, "content-type": "application/json" } },
        ...(body === undefined ? {} : { body }),
      });
    expect(await bodyOf(await post("/api/verify"))).toMatchObject({ report: { ok: true } });
    const swept = await post("/api/gc", '{"dryRun":true}');
    expect(await bodyOf(swept)).toMatchObject({ report: { dryRun: true } });
    expect((await post("/api/gc", "{}")).status).toBe(400);
    const doctor = await door.app.request("/api/doctor", { headers: header });
    expect(await bodyOf(doctor)).toMatchObject({ report: { grade: "A" } });
  });

  it("says when it is not ready, and why", async () => {
    const door = openFrontDoor({ ready: () => ({ ok: false, reason: "no sandbox" }) });
    const response = await door.app.request("/readyz");
    expect(response.status).toBe(503);
    expect(await response.json()).toEqual({ status: "unavailable", reason: "no sandbox" });
    expect((await door.app.request("/healthz")).status).toBe(200);
    expect(await (await openFrontDoor().app.request("/readyz")).json()).toEqual({ status: "ok" });
  });
});
