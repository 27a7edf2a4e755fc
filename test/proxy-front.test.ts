/**
 * What an operator types and a program calls, against a whole gateway with real upstreams: secrets go in at the terminal, are
 * spent from outside of the sandbox, rotated under a run that goes on, and come out nowhere.
 */
import { readdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import {
  type ProxyCall,
  ProxyEndpoint,
  type ProxyEnvelope,
  type ProxyProblem,
} from "../src/sdk/sdk.ts";
import { call, clientOf } from "./support/airlock-api.ts";
import { filesWithSecret, findSecret, newCanary } from "./support/canary.ts";
import { type DirectedRun, type Director, openDirector } from "./support/directed-run.ts";
import { newDataDir, type StartedGateway, startGateway } from "./support/start-gateway.ts";
import { typed } from "./support/terminal.ts";
import { openUpstream, type Upstream } from "./support/upstream.ts";

const dataDir = newDataDir();
/** What an upstream says beside what it was sent: an old key perhaps. */
let beside = "";
/** An upstream that has been asked for /v1/held never answers. */
let held = Promise.withResolvers<void>();
let director: Director;
let upstream: Upstream;
let gateway: StartedGateway;

beforeAll(async () => {
  director = await openDirector();
  upstream = await openUpstream(({ url, headers, body }, response) => {
    if (url === "/v1/held") return held.resolve();
    const said = JSON.stringify({ url, headers, body: body.toString("base64"), beside });
    response.writeHead(201, { "content-type": "application/json", etag: '"one"' }).end(said);
  });
  gateway = await startGateway({
    dataDir,
    env: { ...director.env, AIRLOCK_PRIVATE_HOSTS: upstream.host, AIRLOCK_LOG_LEVEL: "trace" },
  });
});
afterAll(async () => {
  await gateway.stop();
  await Promise.all([upstream.close(), director.close()]);
  rmSync(dataDir, { recursive: true, force: true });
});

const airlock = (argv: string[], types: string[] = []) =>
  typed(argv, { url: gateway.url, token: gateway.token, types });

const policy = (more = {}) => ({
  ...{ name: "api", baseUrl: upstream.url, allowMethods: ["GET", "POST"] },
  ...{ allowPathPrefixes: ["/v1/"], responseMode: "full" as const, ...more },
});

/** A run that is at work: its endpoints are open. */
async function openRun(endpoint: ProxyEndpoint): Promise<DirectedRun> {
  const run = await director.open(gateway, { proxyEndpoints: [endpoint] });
  await run.call("sandbox_exec", { command: "true" });
  return run;
}

function bodyOf({ upstreamBodyBase64 = "" }: ProxyEnvelope) {
  return JSON.parse(Buffer.from(upstreamBodyBase64, "base64").toString()) as {
    headers: Record<string, string>;
    beside: string;
  };
}

async function problemOf(promise: Promise<unknown>): Promise<ProxyProblem> {
  return (await promise.then(
    () => Promise.reject(new Error("It was answered")),
    (error: unknown) => error,
  )) as ProxyProblem;
}

/** What the run's own code would read at /airlock/run-token. */
function tokenOf(runId: string): string {
  const place = join(dataDir, "runs", runId);
  const path = readdirSync(place, { recursive: true }).find((name) =>
    String(name).endsWith("run-token"),
  );
  return readFileSync(join(place, String(path)), "utf8").trim();
}

const sentKey = () => upstream.arrived.at(-1)?.headers["x-api-key"];

describe("a secret that was set at the terminal", () => {
  it("is spent from outside, rotated under the run, masked afterwards, and gone when deleted (J04)", async () => {
    const [first, second] = [newCanary(), newCanary()];
    expect((await airlock(["secrets", "set", "API_KEY"], [first])).code).toBe(0);
    const options = { ...policy(), header: "X-Api-Key", secret: "API_KEY" };
    const { run, end } = await openRun(ProxyEndpoint.header(options));
    const bytes = Uint8Array.from({ length: 256 }, (_, index) => index);
    const envelope = await run.proxy("api", {
      ...{ method: "POST", path: "/v1/a%20b", body: bytes },
      ...{ query: { q: "é &", page: ["2", "3"] }, headers: { "x-api-key": "mine", accept: "*/*" } },
    });
    expect(envelope).toMatchObject({ upstreamStatus: 201, upstreamHeaders: { etag: '"one"' } });
    expect(bodyOf(envelope).headers["x-api-key"]).toBe("[redacted]");
    const arrived = upstream.arrived.at(-1);
    expect(arrived?.url).toBe("/v1/a%20b?q=%C3%A9%20%26&page=2&page=3");
    expect(arrived?.body.equals(bytes)).toBe(true);
    expect(sentKey()).toBe(first);

    const rotated = await airlock(["secrets", "rotate", "API_KEY"], [second]);
    expect(rotated.err).toMatch(/cut out of everything until \d{4}-/);
    beside = `it was ${first} and ${Buffer.from(first).toString("hex")}`;
    const again = bodyOf(await run.proxy("api", { path: "/v1/x" }));
    expect(sentKey()).toBe(second);
    expect(again.beside).toBe("it was [redacted] and [redacted]");
    beside = "";

    expect((await airlock(["secrets", "rotate-key"])).out).toMatch(/sealed anew/);
    await run.proxy("api", { path: "/v1/y" });
    expect(sentKey()).toBe(second);

    expect((await airlock(["secrets", "delete", "API_KEY"])).code).toBe(0);
    const before = upstream.arrived.length;
    expect(await problemOf(run.proxy("api", { path: "/v1/z" }))).toMatchObject({ status: 500 });
    expect(upstream.arrived.length).toBe(before);
    await end();

    const { out } = await airlock(["proxy-calls", run.id]);
    expect(out.trim().split("\n").length).toBe(4);
    expect(out).toMatch(/POST {3}\/v1\/a%20b {2}✓ 201 \[a secret cut out\]/);
    const shown = out + (await airlock(["show", run.id])).out + gateway.log();
    for (const secret of [first, second]) {
      expect(findSecret(Buffer.from(shown), secret)).toEqual([]);
      expect(filesWithSecret(dataDir, secret)).toEqual([]);
    }
  });

  it("is named to the person who is asked to let a command have it, and its value is not (J07)", async () => {
    const secret = newCanary();
    await airlock(["secrets", "set", "DB_PASSWORD"], [secret]);
    const run = await director.open(gateway);
    const answer = run.call("sandbox_exec", {
      command: 'printf %s "$PGPASSWORD" | wc -c',
      credential_env: { PGPASSWORD: "DB_PASSWORD" },
    });
    const { approvals } = clientOf(gateway);
    let id = "";
    for await (const event of run.run.stream()) {
      if (event.type === "approval.requested") {
        id = (event.data as { request_id: string }).request_id;
        break;
      }
    }
    const { out } = await airlock(["approvals", "show", id]);
    expect(out).toContain("  │ PGPASSWORD is the secret DB_PASSWORD");
    expect(out).not.toContain(secret);
    await approvals.approve(id);
    expect((await answer).stdout).toContain(String(secret.length));
    await run.end();
    expect(filesWithSecret(dataDir, secret)).toEqual([]);
  });
});

describe("a call from outside", () => {
  const token = newCanary();

  it("is held against the policy, in the words of the protocol", async () => {
    const options = { ...policy({ maxRequestBytes: 1_000 }), token };
    const { run, end } = await openRun(ProxyEndpoint.bearer(options));
    const before = upstream.arrived.length;
    const codes = [
      await problemOf(run.proxy("api", { path: "/v2/x" })),
      await problemOf(run.proxy("api", { path: "/v1/../admin" })),
      await problemOf(run.proxy("api", { method: "DELETE", path: "/v1/x" })),
      await problemOf(run.proxy("other", { path: "/v1/x" })),
      await problemOf(run.proxy("api", { method: "POST", path: "/v1/x", body: "x".repeat(2_000) })),
    ].map(({ status, code }) => `${status} ${code}`);
    expect(codes).toEqual([
      ...["403 policy_denied", "403 policy_denied", "403 policy_denied"],
      ...["404 endpoint_not_found", "502 exceeded_cap"],
    ]);
    expect(upstream.arrived.length).toBe(before);
    const narrow = await run.proxy("api", { path: "/v1/x", responseMode: "status_only" });
    expect(narrow).toMatchObject({ effectiveResponseMode: "status_only", upstreamHeaders: {} });
    expect(narrow.upstreamBodyBase64).toBeUndefined();
    const calls: ProxyCall[] = await Array.fromAsync(run.proxyCalls());
    expect(calls.at(-1)).toMatchObject({
      door: "api",
      outcome: "ok",
      requestPathRedacted: "/v1/x",
    });
    expect(calls.filter(({ outcome }) => outcome === "ok").length).toBe(1);
    await end();
    const closed = await problemOf(run.proxy("api", { path: "/v1/x" }));
    expect(closed).toMatchObject({ status: 403, code: "policy_denied" });
  });

  it("that goes on when its run ends is cut, and written down as sent (H21)", async () => {
    held = Promise.withResolvers();
    const { run, end } = await openRun(ProxyEndpoint.bearer({ ...policy(), token }));
    const cut = problemOf(run.proxy("api", { path: "/v1/held" }));
    await held.promise;
    await end();
    expect(await cut).toMatchObject({ status: 500 });
    const calls: ProxyCall[] = await Array.fromAsync(run.proxyCalls());
    expect(calls).toMatchObject([{ requestPathRedacted: "/v1/held", outcome: "interrupted" }]);
  });

  it("takes a token of the workspace with the scope runs: others find no run, or no entrance (I14)", async () => {
    const { run, end } = await openRun(ProxyEndpoint.bearer({ ...policy(), token }));
    const tokenFor = async (scopes: string[], workspace?: string) => {
      const made = await call(gateway, "POST", "/api/tokens", { name: "t", scopes, workspace });
      return { url: gateway.url, token: made.body.secret as string };
    };
    const ask = async (who: { url: string; token: string }, runId = run.id) => {
      const path = { "x-airlock-proxy-protocol": "1", "x-airlock-path": "/v1/x" };
      const headers = { ...path, "x-airlock-method": "GET" };
      const { status, body } = await call(
        ...[who, "POST", `/api/runs/${runId}/proxy/api`, undefined, headers],
      );
      return `${status} ${body.error ?? "ok"}`;
    };
    expect(await ask(await tokenFor(["runs"]))).toBe("200 ok");
    expect(await ask(await tokenFor(["admin", "approve"]))).toBe("401 unauthorized");
    const stranger = await tokenFor(["runs"], "elsewhere");
    expect(await ask(stranger)).toBe("404 endpoint_not_found");
    expect(await ask(stranger, `run_${"0".repeat(26)}`)).toBe("404 endpoint_not_found");
    const wrong = { url: gateway.url, token: `airlock_run_${"k".repeat(43)}` };
    expect(await ask(wrong)).toBe("401 unauthorized");
    await end();
  });

  it("takes the run's own token too, under either family of headers, and that of no other run", async () => {
    const [one, other] = [
      await openRun(ProxyEndpoint.bearer({ ...policy(), token })),
      await openRun(ProxyEndpoint.bearer({ ...policy(), token })),
    ];
    const ask = async (runToken: string) => {
      const said = { "proxy-protocol": "1", method: "GET", path: "/v1/own" };
      const headers = Object.entries(said).map(([name, value]) => [`x-antpath-${name}`, value]);
      const who = { url: gateway.url, token: runToken };
      const path = `/api/runs/${one.id}/proxy/api`;
      const { status } = await call(who, "POST", path, undefined, Object.fromEntries(headers));
      return status;
    };
    expect(await ask(tokenOf(one.id))).toBe(200);
    expect(upstream.arrived.at(-1)?.headers.authorization).toBe(`Bearer ${token}`);
    expect(await ask(tokenOf(other.id))).toBe(401);
    const mine = tokenOf(one.id);
    const { status } = await call({ ...gateway, token: mine }, "GET", `/api/runs/${one.id}`);
    expect(status).toBe(401);
    await Promise.all([one.end(), other.end()]);
    expect(await ask(mine)).toBe(401);
    expect(findSecret(Buffer.from(gateway.log()), mine)).toEqual([]);
  });

  it("is one of exactly as many as the budget has, however many are made at once", async () => {
    const options = { ...policy({ perCallBudget: 10 }), token };
    const { run, end } = await openRun(ProxyEndpoint.bearer(options));
    const before = upstream.arrived.length;
    const answers = await Promise.allSettled(
      Array.from({ length: 50 }, (_, at) => run.proxy("api", { path: `/v1/${at}` })),
    );
    const refused = answers.flatMap((one) =>
      one.status === "rejected" ? [(one.reason as ProxyProblem).code] : [],
    );
    expect(upstream.arrived.length - before).toBe(10);
    expect(refused).toEqual(Array(40).fill("budget_exceeded"));
    await end();
  });
});
