/** The door to proxy endpoints, over real HTTP: who may call, in which words it is refused, and what a body may cost. */
import { once } from "node:events";
import { type ClientRequest, request as httpRequest, type IncomingMessage } from "node:http";
import { text } from "node:stream/consumers";
import { describe, expect, it, onTestFinished } from "vitest";
import { bodyOf, openFrontDoor } from "../../test/support/front-door.ts";
import { limits } from "../base/limits.ts";
import { newId } from "../contract/ids.ts";
import { Problem } from "../contract/problem.ts";
import { type ProxyCall, ProxyError } from "../contract/proxy-call.ts";
import type { Scope } from "../contract/token.ts";
import type { ProxyCallRequest, ProxyRoom } from "./http.ts";

const runToken = `airlock_run_${"k".repeat(43)}`;
const MiB = 1024 * 1024;
const envelope = { endpointName: "stripe", upstreamStatus: 404 };

type Answer = Awaited<ReturnType<ProxyRoom["call"]>>;
const good: Answer = {
  ...{ status: 200, body: JSON.stringify(envelope) },
  headers: { "content-type": "application/json", "x-airlock-proxy-protocol": "1" },
};

/** A door on a port, with endpoints behind it that do as they are told. */
async function openDoor(
  call: (request: ProxyCallRequest) => Promise<Answer> = async () => good,
  calls: ProxyRoom["calls"] = async () => ({ rows: [], more: false }),
) {
  const got: ProxyCallRequest[] = [];
  const door = openFrontDoor({
    proxy: {
      calls,
      call: (request) => {
        got.push(request);
        return call(request);
      },
    },
  });
  const server = await door.listen({ host: "127.0.0.1", port: 0 });
  onTestFinished(() => server.close(0));
  const workspaceId = newId("workspace");
  const holder = (scopes: Scope[] = ["runs"]) => door.token({ scopes, workspaceId });
  const { id: runId } = door.addRun(workspaceId);
  const path = `/api/runs/${runId}/proxy/stripe`;
  const ask = (headers: Record<string, string>, at = path, init: RequestInit = {}) =>
    fetch(`${server.url}${at}`, { method: "POST", ...init, headers });
  return { door, got, holder, runId, path, ask, url: server.url, close: server.close };
}

async function refusal(response: Response) {
  expect(response.headers.get("content-type")).toContain("application/json");
  return ProxyError.parse(await response.json());
}

describe("a call of a proxy endpoint", () => {
  it("is made for a token with the scope runs, in its workspace, and answered as the room says", async () => {
    const { got, holder, runId, ask } = await openDoor();
    const { token, header } = holder();
    const protocol = { "x-airlock-proxy-protocol": "1", "x-airlock-path": "/v1/charges" };
    const response = await ask({ ...header, ...protocol, cookie: "a=b" });
    expect(response.status).toBe(200);
    expect(response.headers.get("x-airlock-proxy-protocol")).toBe("1");
    expect(await response.json()).toEqual(envelope);
    expect(got.length).toBe(1);
    const { workspaceId, headers, ...rest } = got[0] as ProxyCallRequest;
    expect(rest).toMatchObject({ runId, runToken: null, endpoint: "stripe", body: null });
    expect(workspaceId).toBe(token.workspaceId);
    expect(headers.get("x-airlock-path")).toBe("/v1/charges");
    // Neither may end up at an upstream, whatever the room does with what it is given (I6).
    expect([headers.get("authorization"), headers.get("cookie")]).toEqual([null, null]);
  });

  it("is passed on for anything that is no token of ours, as what may be the run's own", async () => {
    const { door, got, holder, ask } = await openDoor();
    const revoked = holder();
    door.revoke(revoked.token.id);
    await ask({ authorization: `Bearer ${runToken}` });
    await ask(revoked.header);
    const said = got.map(({ workspaceId, runToken: shown }) => [workspaceId, shown]);
    expect(said).toEqual([
      [null, runToken],
      [null, revoked.secret],
    ]);
    expect(door.logged()).not.toContain(runToken);
  });

  it("is refused in the flat words of the protocol, before the room hears of it", async () => {
    const { door, got, holder, runId, path, ask } = await openDoor();
    const { header, secret } = holder();
    const nobody: [Record<string, string>, string?][] = [
      [{}],
      [{ authorization: "Bearer" }],
      [{ authorization: `Basic ${runToken}` }],
      [{ authorization: `Bearer ${runToken} ${runToken}` }],
      [{}, `${path}?token=${secret}`],
      [header, `${path}?access_token=${secret}`],
      [holder(["admin", "approve"]).header],
      [{ authorization: `Bearer ${runToken}` }, "/api/runs/run_1/proxy/stripe"],
    ];
    for (const [headers, at] of nobody) {
      const response = await ask(headers, at);
      expect(response.status).toBe(401);
      expect(response.headers.get("www-authenticate")).toContain("Bearer");
      const refused = await refusal(response);
      expect(refused.error).toBe("unauthorized");
      expect(refused.message).not.toContain(secret);
      expect(refused.message).not.toContain(runToken);
    }
    const strange = door.addRun(newId("workspace")).id;
    const said = [`${runId}x`, newId("run"), strange].map(async (id) => {
      const absent = await ask(header, `/api/runs/${id}/proxy/stripe`);
      const { error, message } = await refusal(absent);
      return `${absent.status} ${error} ${message.replace(id, "<id>")}`;
    });
    // What another workspace has is not there (I14).
    const words = '404 endpoint_not_found No run has the id "<id>"';
    expect(await Promise.all(said)).toEqual([words, words, words]);
    expect(got).toEqual([]);
  });

  it.each([
    [new Problem("not_found", "No run has this id"), 404, "endpoint_not_found"],
    [new Problem("too_many_requests", "Too many"), 429, "rate_limited"],
    [new Problem("invalid_request", "Wrong"), 400, "bad_request"],
    [new Problem("storage_full", "Full at /var/lib/airlock"), 500, "internal_error"],
    [new Error("boom at /secret/path"), 500, "internal_error"],
  ])("that ends in %s is %i %s, and tells no path of ours", async (error, status, code) => {
    const { door, holder, ask } = await openDoor(() => Promise.reject(error));
    const response = await ask(holder().header);
    expect(response.status).toBe(status);
    const refused = await refusal(response);
    expect(refused.error).toBe(code);
    expect(refused.message).not.toContain("/");
    const log = door.logged();
    expect(log.includes("http.failed")).toBe(status === 500);
  });

  it("ends its signal when the client goes away, and when the gateway stops", async () => {
    const arrived: PromiseWithResolvers<AbortSignal>[] = [
      Promise.withResolvers(),
      Promise.withResolvers(),
    ];
    let at = 0;
    const { holder, ask, close } = await openDoor(async ({ signal }) => {
      arrived[at++]?.resolve(signal);
      await once(signal, "abort");
      return { ...good, status: 200 };
    });
    const { header } = holder();
    const leaving = new AbortController();
    const left = ask(header, undefined, { signal: leaving.signal }).catch(() => "left");
    const first = await (arrived[0] as PromiseWithResolvers<AbortSignal>).promise;
    expect(first.aborted).toBe(false);
    const ended = once(first, "abort");
    leaving.abort();
    await ended;
    expect(await left).toBe("left");
    const other = ask(header).catch(() => undefined);
    const second = await (arrived[1] as PromiseWithResolvers<AbortSignal>).promise;
    const stopped = once(second, "abort");
    await Promise.all([close(1_000), stopped, other]);
  });
});

describe("the body of a call", () => {
  /** A client that writes as slowly or as much as the test wants. */
  function send(url: string, headers: Record<string, string>) {
    const request = httpRequest(url, { method: "POST", headers, agent: false });
    const answered = new Promise<IncomingMessage>((resolve, reject) => {
      request.once("response", resolve).once("error", reject);
    });
    answered.catch(() => undefined);
    onTestFinished(() => void request.destroy());
    return { request, answered };
  }

  /** Resolves when more can be written, or nothing can be any more. */
  async function flushed(request: ClientRequest) {
    const over = new AbortController();
    const { signal } = over;
    await Promise.race([once(request, "drain", { signal }), once(request, "close", { signal })])
      .catch(() => undefined)
      .finally(() => over.abort());
  }

  it("is handed on piece by piece, before its end has come", async () => {
    const pieces: string[] = [];
    let heard = Promise.withResolvers<void>();
    const { url, path, holder } = await openDoor(async ({ body }) => {
      for await (const piece of body ?? []) {
        pieces.push(Buffer.from(piece).toString());
        heard.resolve();
      }
      return good;
    });
    const { request, answered } = send(`${url}${path}`, holder().header);
    request.write("one");
    await heard.promise;
    expect(pieces).toEqual(["one"]);
    heard = Promise.withResolvers();
    request.write("two");
    await heard.promise;
    request.end("three");
    expect((await answered).statusCode).toBe(200);
    expect(pieces.join("")).toBe("onetwothree");
  });

  it("of more than any policy allows is refused, announced or not, and its sender reads why (H22)", async () => {
    let read = 0;
    const { door, url, path, holder } = await openDoor(async ({ body }) => {
      for await (const piece of body ?? []) read += piece.length;
      return good;
    });
    const { header } = holder();
    const bytes = Buffer.alloc(limits.proxyRequestBytes + MiB);
    const announced = send(`${url}${path}`, { ...header, "content-length": String(bytes.length) });
    announced.request.write("x");
    announced.request.on("error", () => undefined);
    await door.clock.sleeping(limits.proxyDrainMs);
    door.clock.advance(limits.proxyDrainMs);
    const early = await announced.answered;
    expect(early.statusCode).toBe(502);
    expect(JSON.parse(await text(early))).toMatchObject({ error: "exceeded_cap" });
    expect(read).toBe(0);
    const chunked = send(`${url}${path}`, header);
    chunked.request.end(bytes);
    const late = await chunked.answered;
    expect(late.statusCode).toBe(502);
    expect(JSON.parse(await text(late))).toMatchObject({ error: "exceeded_cap" });
    expect(read).toBeLessThanOrEqual(limits.proxyRequestBytes);
  });

  it("of a gigabyte is cut soon after the cap, and never kept (H22)", async () => {
    let read = 0;
    const { url, path, holder } = await openDoor(async ({ body }) => {
      for await (const piece of body ?? []) read += piece.length;
      return good;
    });
    const before = process.memoryUsage().rss;
    const { request, answered } = send(`${url}${path}`, holder().header);
    let isOver = false;
    const over = answered.then(
      ({ statusCode }) => {
        isOver = true;
        return statusCode;
      },
      // Its own sending may be what breaks first.
      () => {
        isOver = true;
        return 502;
      },
    );
    request.on("error", () => undefined);
    let sent = 0;
    const piece = Buffer.alloc(MiB);
    while (!isOver && sent < 1024 * MiB) {
      sent += piece.length;
      if (!request.write(piece)) await Promise.race([flushed(request), over]);
    }
    expect(await over).toBe(502);
    expect(read).toBeLessThanOrEqual(limits.proxyRequestBytes);
    const most = limits.proxyRequestBytes + limits.proxyDrainBytes;
    expect(sent).toBeLessThan(most + 64 * MiB);
    expect(process.memoryUsage().rss - before).toBeLessThan(256 * MiB);
  });

  it("that the room does not want is dropped for a while, and its connection is not used again (H22)", async () => {
    const { door, url, path, holder } = await openDoor(async () => ({ ...good, status: 403 }));
    const { request, answered } = send(`${url}${path}`, holder().header);
    request.on("error", () => undefined);
    request.write(Buffer.alloc(64 * 1024));
    await door.clock.sleeping(limits.proxyDrainMs);
    door.clock.advance(limits.proxyDrainMs);
    const response = await answered;
    expect(response.statusCode).toBe(403);
    expect(response.headers.connection).toBe("close");
    // One that is sent whole costs nobody a connection.
    const { request: whole, answered: kept } = send(`${url}${path}`, holder().header);
    whole.end(Buffer.alloc(MiB));
    expect((await kept).statusCode).toBe(403);
  });

  it("that was too large is refused even when the room took the cut for an end", async () => {
    const { door, url, path, holder } = await openDoor(async ({ body }) => {
      const seen: unknown[] = [];
      try {
        for await (const piece of body ?? []) seen.push(piece.length);
      } catch (error) {
        seen.push(error);
      }
      return good;
    });
    const { request, answered } = send(`${url}${path}`, {
      ...holder().header,
      "content-length": String(limits.proxyRequestBytes + 1),
    });
    request.on("error", () => undefined);
    request.write("x");
    await door.clock.sleeping(limits.proxyDrainMs);
    door.clock.advance(limits.proxyDrainMs);
    expect((await answered).statusCode).toBe(502);
  });
});

describe("the calls of a run", () => {
  const call = (): ProxyCall => ({
    ...{ id: newId("proxyCall"), runId: newId("run"), callId: null, endpointName: "stripe" },
    ...{ door: "protocol", method: "GET", requestPathRedacted: "/v1", requestByteSize: 0 },
    ...{ responseStatus: 200, responseByteSize: 4, outcome: "ok", errorClass: null },
    ...{ modeClamped: false, truncated: false, redacted: false, durationMs: 5 },
    ...{ startedAt: "2030-01-01T00:00:00.000Z", finishedAt: "2030-01-01T00:00:00.005Z" },
  });

  it("are listed page by page, in the workspace of the token alone", async () => {
    const all = Array.from({ length: 5 }, call);
    const asked: unknown[] = [];
    const { door, url } = await openDoor(undefined, async (workspaceId, runId, page) => {
      asked.push([workspaceId, runId, page]);
      const from = all.findIndex(({ id }) => id === page.after) + 1;
      const rows = all.slice(from, from + page.most);
      return { rows, more: from + rows.length < all.length };
    });
    const { header, token } = door.token();
    const run = door.addRun(token.workspaceId);
    const seen: string[] = [];
    let cursor: string | undefined = "";
    while (cursor !== undefined) {
      const next: string = cursor === "" ? "" : `&cursor=${cursor}`;
      const path = `/api/runs/${run.id}/proxy-calls?limit=2${next}`;
      const response = await fetch(`${url}${path}`, { headers: header });
      const page = await bodyOf<{ proxyCalls: ProxyCall[]; nextCursor?: string }>(response);
      seen.push(...page.proxyCalls.map(({ id }) => id));
      cursor = page.nextCursor;
    }
    expect(seen).toEqual(all.map(({ id }) => id));
    expect(asked[0]).toEqual([token.workspaceId, run.id, { after: null, most: 2 }]);
    const wrong = await fetch(`${url}/api/runs/${run.id}/proxy-calls?cursor=1`, {
      headers: header,
    });
    expect(wrong.status).toBe(400);
    const stranger = await fetch(`${url}/api/runs/${run.id}/proxy-calls`, {
      headers: door.token().header,
    });
    expect(stranger.status).toBe(404);
    expect(asked.length).toBe(3);
  });
});
