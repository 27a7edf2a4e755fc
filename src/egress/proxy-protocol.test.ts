import { readFileSync } from "node:fs";
import fc from "fast-check";
import { afterEach, describe, expect, it } from "vitest";

import { ProxyEnvelope, ProxyError } from "../contract/proxy-call.ts";
import { bearer, bytesOf, openProxyTests } from "./proxy.testing.ts";
import type { RunProxy } from "./proxy.ts";
import { answerProtocol, readProtocol } from "./proxy-protocol.ts";

const { upstream, proxy, close } = openProxyTests();
afterEach(close);

type Said = Record<string, string> | [string, string][];

const call = (said: Said): [string, string][] => [
  ["X-Airlock-Proxy-Protocol", "1"],
  ...(Array.isArray(said) ? said : Object.entries(said)),
];

async function post(to: RunProxy, headers: [string, string][], body?: string, endpoint = "up") {
  const answer = await answerProtocol(to, {
    ...{ endpoint, door: "api" },
    headers: body === undefined ? headers : [...headers, ["Content-Length", `${body.length}`]],
    body: body === undefined ? null : bytesOf(body),
    signal: new AbortController().signal,
  });
  expect(answer.headers).toMatchObject({ "x-airlock-proxy-protocol": "1" });
  return { status: answer.status, body: JSON.parse(answer.body) };
}

const root = { "x-airlock-method": "GET", "x-airlock-path": "/" };

describe("the protocol", () => {
  it("takes the query that the command inside shows as its example", () => {
    const usage = readFileSync(new URL("../../runtime/cli.mjs", import.meta.url), "utf8");
    const example = /--query JSON .*'(\{.*\})'/.exec(usage)?.[1] ?? "";
    const headers = call({ ...root, "x-airlock-query": example });
    const { signal } = new AbortController();
    const asked = { endpoint: "up", door: "protocol" as const, headers, body: null, signal };
    expect(readProtocol(asked).query).toBe("page=2");
  });

  it("answers 200 with an envelope, whatever the upstream said", async () => {
    const { baseUrl, arrived } = await upstream((_incoming, reply) =>
      reply.writeHead(404, { etag: "e", "set-cookie": "a=b" }).end(Buffer.from([0, 255, 10])),
    );
    const { proxy: endpoints } = proxy(baseUrl, {
      policy: { perCallBudget: 3, allowHeaders: ["x-team"] },
    });
    const { status, body } = await post(
      endpoints,
      call({
        "x-airlock-method": "patch",
        "x-airlock-path": "/v1/x",
        "x-airlock-query": '{"a":"1&2","list":["x","y z"],"\\u00e9\\ud800":""}',
        "x-airlock-headers": '{"Content-Type":"a/b","X-Team":"\\u00e9","authorization":"mine"}',
      }),
      "raw\0body",
    );
    expect(status).toBe(200);
    expect(ProxyEnvelope.parse(body)).toEqual({
      endpointName: "up",
      upstreamStatus: 404,
      upstreamHeaders: expect.objectContaining({ etag: "e" }),
      upstreamBodyBase64: Buffer.from([0, 255, 10]).toString("base64"),
      effectiveResponseMode: "full",
      modeClamped: false,
      remainingCalls: 2,
      remainingResponseBytes: 1024 * 1024 - 3,
    });
    expect(body.upstreamHeaders["set-cookie"]).toBeUndefined();
    const [row] = arrived;
    expect(row?.url).toBe("/v1/x?a=1%262&list=x&list=y%20z&%C3%A9%EF%BF%BD=");
    expect([row?.method, row?.body]).toEqual(["PATCH", "raw\0body"]);
    expect(row?.headers).toMatchObject({ "x-team": "é", "content-type": "a/b" });
    expect(row?.headers.authorization).toBe(`Bearer ${bearer}`);
  });

  it("says when more was asked for than the policy gives, and when a body was cut", async () => {
    const { baseUrl } = await upstream();
    const clamped = proxy(baseUrl, { policy: { responseMode: "headers_only" } });
    const { body } = await post(
      clamped.proxy,
      call({ ...root, "x-antpath-response-mode": "full" }),
    );
    expect(body).toMatchObject({ modeClamped: true, effectiveResponseMode: "headers_only" });
    expect(body.upstreamBodyBase64).toBeUndefined();
    const short = proxy(baseUrl, { policy: { maxResponseBytes: 4 } });
    const cut = await post(short.proxy, call(root));
    expect(cut.body).toMatchObject({ truncated: true });
    expect(Buffer.from(cut.body.upstreamBodyBase64, "base64").toString()).toBe("serv");
  });

  it("of another version is refused with the one that is spoken here", async () => {
    const { baseUrl, connections } = await upstream();
    const { proxy: endpoints } = proxy(baseUrl);
    for (const version of ["2", "", "01", undefined]) {
      const said = Object.entries(root);
      if (version !== undefined) said.push(["x-airlock-proxy-protocol", version]);
      const { status, body } = await post(endpoints, said);
      expect(status).toBe(426);
      expect(ProxyError.parse(body)).toMatchObject({
        ...{ error: "unsupported_protocol", serverProtocolVersion: "1", endpointName: "up" },
      });
    }
    expect(connections()).toBe(0);
  });

  it("has headers of two families, which may not contradict each other", async () => {
    const { baseUrl, arrived } = await upstream();
    const { proxy: endpoints } = proxy(baseUrl);
    const both = { ...root, "X-Antpath-Method": "GET", "x-antpath-path": "/" };
    expect((await post(endpoints, call(both))).status).toBe(200);
    const old = {
      "x-antpath-proxy-protocol": "1",
      "x-antpath-method": "GET",
      "x-antpath-path": "/o",
    };
    expect((await post(endpoints, Object.entries(old))).status).toBe(200);
    for (const [name, value] of [
      ["x-antpath-path", "/b"],
      ["x-airlock-path", "/b"],
      ["X-ANTPATH-method", "PUT"],
    ]) {
      const { status, body } = await post(
        endpoints,
        call([...Object.entries(root), [name ?? "", value ?? ""]]),
      );
      expect([status, body.error]).toEqual([400, "bad_request"]);
    }
    expect(arrived.map(({ url }) => url)).toEqual(["/", "/o"]);
  });

  it.each([
    [{ "x-airlock-path": "/" }, "x-airlock-method is missing"],
    [{ "x-airlock-method": "GET" }, "x-airlock-path is missing"],
    [{ ...root, "x-airlock-query": "a=1" }, "x-airlock-query: must be JSON"],
    [{ ...root, "x-airlock-query": '["a"]' }, "must be a JSON object"],
    [{ ...root, "x-airlock-query": '{"a":1}' }, "must be a text or a list of texts"],
    [{ ...root, "x-airlock-query": '{"a":[["b"]]}' }, "must be a text or a list of texts"],
    [{ ...root, "x-airlock-headers": "null" }, "must be a JSON object"],
    [{ ...root, "x-airlock-headers": '{"a":["b"]}' }, '"a" must be a text'],
    [{ ...root, "x-airlock-headers": '{"a":"é"}' }, "must be ASCII"],
    [{ ...root, "x-airlock-headers": '{"a":"b\\r\\nAuthorization: x"}' }, "control characters"],
    [{ ...root, "x-airlock-headers": '{"a\\r\\nb":"c"}' }, "is not the name of a header"],
    [{ ...root, "x-airlock-response-mode": "all" }, "is not one of status_only"],
  ])("is refused where it says what cannot be meant: %j (H06)", async (said, words) => {
    const { baseUrl, connections } = await upstream();
    const { proxy: endpoints } = proxy(baseUrl);
    const { status, body } = await post(endpoints, call(said as Record<string, string>));
    expect([status, ProxyError.parse(body).error]).toEqual([400, "bad_request"]);
    expect(body.message).toContain(words);
    expect(connections()).toBe(0);
  });

  it("refuses flatly, with the code's own status and no word of the upstream", async () => {
    const { baseUrl } = await upstream((_incoming, reply) => {
      reply.write("the upstream's own words");
      setImmediate(() => reply.destroy());
    });
    const { proxy: endpoints } = proxy(baseUrl);
    const broken = await post(endpoints, call(root));
    expect([broken.status, broken.body.error]).toEqual([502, "upstream_error"]);
    expect(JSON.stringify(broken.body)).not.toContain("own words");
    const unknown = await post(endpoints, call(root), undefined, "other");
    expect(unknown.status).toBe(404);
    expect(ProxyError.parse(unknown.body)).toMatchObject({ error: "endpoint_not_found" });
  });

  it("reads any headers or refuses them, and never makes a query of two parameters from one", () => {
    const text = fc.oneof(fc.string(), fc.json(), fc.constantFrom("1", "GET", "/"));
    const name = fc.constantFrom(
      ...["proxy-protocol", "method", "path", "query", "headers", "response-mode"].map(
        (part) => `x-airlock-${part}`,
      ),
    );
    const given = fc.dictionary(fc.string(), fc.oneof(fc.string(), fc.array(fc.string())));
    fc.assert(
      fc.property(fc.array(fc.tuple(name, text)), given, (headers, query) => {
        const request = { endpoint: "up", door: "api" as const, body: null };
        const { signal } = new AbortController();
        try {
          readProtocol({ ...request, headers, signal });
        } catch (error) {
          expect(error).toHaveProperty("code");
        }
        const ascii = JSON.stringify(query).replace(
          /[^\x20-\x7e]/g,
          (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, "0")}`,
        );
        const said = call({ ...root, "x-airlock-query": ascii });
        const read = readProtocol({ ...request, headers: said, signal });
        const pairs = Object.entries(query).flatMap(([key, value]) =>
          [value].flat().map((each) => [key.toWellFormed(), each.toWellFormed()]),
        );
        expect([...new URLSearchParams(read.query.replaceAll("+", "%2B"))]).toEqual(pairs);
      }),
    );
  });
});
