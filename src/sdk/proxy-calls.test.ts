/** Calls of proxy endpoints and secrets of a workspace, as a program makes them, over real HTTP. */
import { randomBytes } from "node:crypto";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { inspect } from "node:util";
import { describe, expect, it, onTestFinished } from "vitest";
import { openFrontDoor } from "../../test/support/front-door.ts";
import { memorySecrets } from "../../test/support/memory-secrets.ts";
import { newId } from "../contract/ids.ts";
import type { ProxyCall } from "../contract/proxy-call.ts";
import type { HttpOptions } from "../http/http.ts";
import {
  AirlockClient,
  AirlockError,
  isNotFound,
  isProxyProblem,
  isRateLimited,
  ProxyEndpoint,
  type ProxyEnvelope,
  ProxyProblem,
} from "./sdk.ts";

const value = `sk_${randomBytes(24).toString("base64url")}"\n`;
type Proxy = HttpOptions["proxy"];
type CallAnswer = Awaited<ReturnType<Proxy["call"]>>;

async function openGateway(overrides: Partial<HttpOptions> = {}) {
  const door = openFrontDoor(overrides);
  const server = await door.listen({ host: "127.0.0.1", port: 0 });
  onTestFinished(() => server.close(0));
  const { secret, token } = door.token({ scopes: ["runs", "admin"] });
  const client = new AirlockClient({ token: secret, baseUrl: server.url });
  return { door, client, token };
}

function flat(status: number, error: string, more: object = {}): CallAnswer {
  const body = JSON.stringify({ error, message: "It was refused", ...more });
  return { status, headers: { "content-type": "application/json" }, body };
}

async function failure(promise: Promise<unknown>): Promise<unknown> {
  return await promise.then(
    () => undefined,
    (error: unknown) => error,
  );
}

describe("a call of an endpoint from outside", () => {
  /** Says what it got; a body is measured and shown. */
  async function echo() {
    const got: { headers: Record<string, string>; body: Buffer }[] = [];
    const proxy: Proxy = {
      calls: async () => ({ rows: [], more: false }),
      async call({ endpoint, headers, body }) {
        const parts = body === null ? [] : await Array.fromAsync(body);
        got.push({ headers: Object.fromEntries(headers), body: Buffer.concat(parts) });
        const envelope: ProxyEnvelope = {
          ...{ endpointName: endpoint, upstreamStatus: 404, upstreamHeaders: {} },
          ...{ effectiveResponseMode: "full", modeClamped: false, upstreamBodyBase64: "aGk=" },
          ...{ remainingCalls: 9, remainingResponseBytes: 100 },
        };
        const type = { "content-type": "application/json" };
        return { status: 200, headers: type, body: JSON.stringify(envelope) };
      },
    };
    const { door, client, token } = await openGateway({ proxy });
    return { got, run: client.run(door.addRun(token.workspaceId).id) };
  }

  it("speaks the protocol, carries bytes as they are, and gives the envelope", async () => {
    const { got, run } = await echo();
    const bytes = Uint8Array.from({ length: 256 }, (_, index) => index);
    const envelope = await run.proxy("stripe", {
      ...{ method: "POST", path: "/v1/a%20b", query: { q: "é\u{1f600}&=", page: ["2", "3"] } },
      headers: { "X-Trace": "ü" },
      ...{ body: bytes, responseMode: "full" },
    });
    expect(envelope).toMatchObject({ endpointName: "stripe", upstreamStatus: 404 });
    const { headers = {}, body } = got[0] ?? {};
    expect(body?.equals(bytes)).toBe(true);
    expect(headers).toMatchObject({
      "x-airlock-proxy-protocol": "1",
      "x-airlock-method": "POST",
      "x-airlock-path": "/v1/a%20b",
      "x-airlock-response-mode": "full",
    });
    expect(JSON.parse(headers["x-airlock-query"] ?? "")).toEqual({
      q: "é\u{1f600}&=",
      page: ["2", "3"],
    });
    expect(JSON.parse(headers["x-airlock-headers"] ?? "")).toEqual({ "x-trace": "ü" });
    await run.proxy("stripe", { body: "text" });
    await run.proxy("stripe", { body: new Blob(["blob"]) });
    await run.proxy("stripe");
    expect(got.slice(1).map((one) => one.body.toString())).toEqual(["text", "blob", ""]);
    expect(got[3]?.headers).toMatchObject({ "x-airlock-method": "GET", "x-airlock-path": "/" });
  });

  it("finds a path that cannot be sent before it is", async () => {
    const { got, run } = await echo();
    for (const path of ["v1", "", "/a b", "/é", "/a\r\nx: y"]) {
      expect(await failure(run.proxy("stripe", { path }))).toBeInstanceOf(AirlockError);
    }
    expect(got).toEqual([]);
  });

  it("throws a ProxyProblem with the code, once: it is not made a second time by itself", async () => {
    let calls = 0;
    const answers = [
      flat(429, "budget_exceeded", { endpointName: "stripe" }),
      flat(502, "upstream_error", { upstreamStatus: 101 }),
      flat(418, "a_newer_code"),
    ];
    const call = async () => answers[calls++] as CallAnswer;
    const proxy = { calls: async () => ({ rows: [], more: false }), call };
    const { door, client, token } = await openGateway({ proxy });
    const run = client.run(door.addRun(token.workspaceId).id);
    const [budget, upstream, newer] = [
      await failure(run.proxy("stripe")),
      await failure(run.proxy("stripe")),
      await failure(run.proxy("stripe")),
    ];
    expect(calls).toBe(3);
    expect(budget).toBeInstanceOf(ProxyProblem);
    expect(budget).toMatchObject({ code: "budget_exceeded", status: 429, endpointName: "stripe" });
    // Whoever comes back later would come back for ever.
    expect(isRateLimited(budget)).toBe(false);
    expect(upstream).toMatchObject({ code: "upstream_error", status: 502, upstreamStatus: 101 });
    expect(isProxyProblem(newer) && newer.code).toBe("a_newer_code");
    expect((newer as ProxyProblem).requestId).toMatch(/^req_/);
  });

  it("goes through all pages of the calls of a run", async () => {
    const all = Array.from({ length: 5 }, () => ({ id: newId("proxyCall") }) as ProxyCall);
    const proxy: Proxy = {
      async calls(_workspaceId, _runId, { after }) {
        const from = all.findIndex(({ id }) => id === after) + 1;
        return { rows: all.slice(from, from + 2), more: from + 2 < all.length };
      },
      call: () => Promise.reject(new Error("Nobody calls")),
    };
    const { door, client, token } = await openGateway({ proxy });
    const run = client.run(door.addRun(token.workspaceId).id);
    const seen: string[] = [];
    for await (const { id } of run.proxyCalls()) seen.push(id);
    expect(seen).toEqual(all.map(({ id }) => id));
    expect(await failure(client.run(newId("run")).proxyCalls().next())).toSatisfy(isNotFound);
  });
});

describe("secrets", () => {
  it("are set, replaced, listed and deleted, and the key is rotated", async () => {
    const room = memorySecrets();
    const { client, token } = await openGateway({ secrets: room });
    const { secrets } = client;
    expect(await secrets.set("KEY", value)).toMatchObject({
      created: true,
      secret: { name: "KEY", version: 1 },
    });
    expect(await secrets.set("KEY", `${value}2`)).toMatchObject({ created: false });
    expect(room.valueOf(token.workspaceId, "KEY")).toBe(`${value}2`);
    expect(await secrets.list()).toMatchObject([{ name: "KEY", version: 2 }]);
    expect(await secrets.get("KEY")).toMatchObject({ version: 2, updatedBy: token.id });
    expect(await secrets.rotateKey()).toEqual({ from: "key_1", to: "key_2", resealed: 1 });
    await secrets.delete("KEY");
    expect(await failure(secrets.get("KEY"))).toSatisfy(isNotFound);
    expect(await failure(secrets.delete("KEY"))).toSatisfy(isNotFound);
  });

  it("are held against the contract before they are sent, and never quoted", async () => {
    const asked: unknown[] = [];
    const fetch = async (...args: unknown[]) => {
      asked.push(args);
      return new Response();
    };
    const client = new AirlockClient({ token: "alk_test_0123456789", fetch: fetch as never });
    for (const [name, text] of [
      ["../x", value],
      ["KEY", value.slice(0, 5)],
      ["KEY", `${value}\0`],
      ["KEY", undefined],
    ] as [string, string][]) {
      const error = await failure(client.secrets.set(name, text));
      expect(error).toBeInstanceOf(AirlockError);
      expect(inspect(error)).not.toContain(value.slice(0, 5));
    }
    expect(asked).toEqual([]);
  });

  it("do not come back in an error or a debug line when something on the way repeats them (I6)", async () => {
    const lines: string[] = [];
    const server = createServer(async (request, response) => {
      const body = Buffer.concat(await Array.fromAsync(request)).toString();
      // The last of it is what an error shows the beginning of.
      response.writeHead(400).end(`${body.slice(-120)} ${value}`);
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    onTestFinished(() => new Promise((resolve) => server.close(() => resolve())));
    const baseUrl = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    const debug = (line: string) => lines.push(line);
    const client = new AirlockClient({ token: "alk_test_0123456789", baseUrl, debug });
    const error = await failure(client.secrets.set("KEY", value));
    expect(error).toBeInstanceOf(AirlockError);
    expect((error as Error).message).toContain("[secret]");
    const endpoint = { name: "api", baseUrl: "https://api.example.org", token: value };
    const rules = { allowMethods: ["GET" as const], allowPathPrefixes: ["/"] };
    const submitted = await failure(
      client.submitRun({
        ...{ model: "scripted/x", prompt: "hello" },
        proxyEndpoints: [ProxyEndpoint.bearer({ ...endpoint, ...rules })],
      }),
    );
    expect(submitted).toBeInstanceOf(AirlockError);
    const bare = value.slice(0, 20);
    expect(inspect([error, submitted]) + lines.join()).not.toContain(bare);
  });
});
