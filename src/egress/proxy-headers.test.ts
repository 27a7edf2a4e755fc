import { request } from "node:http";
import fc from "fast-check";
import { describe, expect, it } from "vitest";

import type { ProxyAuthShape } from "../contract/proxy-endpoint.ts";
import { proxyMethods, refusedCallerHeaders } from "../contract/proxy-endpoint.ts";
import { spendCredential } from "./proxy-credential.ts";
import { headersToSend } from "./proxy-headers.ts";
import { methodToSend, spelledMethod } from "./proxy-method.ts";

const bare = { authShape: { type: "bearer" } as ProxyAuthShape, allowHeaders: [] as string[] };
const send = (headers: [string, string][], policy = bare) => headersToSend(policy, headers);
const agent: [string, string] = ["user-agent", "airlock-proxy/1.0"];

describe("the headers of a call", () => {
  it("pass when they describe the body or the wish, and when the policy lists them", () => {
    const policy = { ...bare, allowHeaders: ["x-team"] };
    const given: [string, string][] = [
      ["Accept", "a/b"],
      ["Content-Type", "text/plain"],
      ["If-None-Match", '"x"'],
      ["X-Team", "7"],
      ["X-Other", "no"],
      ["User-Agent", "mine"],
    ];
    expect(send(given, policy)).toEqual([
      ["accept", "a/b"],
      ["content-type", "text/plain"],
      ["if-none-match", '"x"'],
      ["x-team", "7"],
      ["user-agent", "mine"],
    ]);
    expect(send([])).toEqual([agent]);
  });

  const hostile = [
    ...refusedCallerHeaders,
    ...["x-api-key", "forwarded", "keep-alive", "te", "trailer", "proxy-connection", "x-host"],
    ...["x-http-method-override", "x-method-override", "x-http-method", "x-original-url"],
    ...["x_http_method_override", "X_Forwarded_For", "x_api_key", "accept-encoding"],
  ];
  it.each(hostile)("never pass, not even when a policy lists them: %s (H03, H07)", (name) => {
    const policy = { ...bare, allowHeaders: [name.toLowerCase()] };
    expect(send([[name, "x"]], policy)).toEqual([agent]);
  });

  it("never pass under the name that carries the credential, however it is spelled (H07)", () => {
    const policy = {
      authShape: { type: "header", name: "X-Key" } as ProxyAuthShape,
      allowHeaders: ["x-key", "x_key"],
    };
    expect(
      send(
        [
          ["X-KEY", "mine"],
          ["x_key", "mine"],
        ],
        policy,
      ),
    ).toEqual([agent]);
  });

  it("that Connection names are left out (H07)", () => {
    const policy = { ...bare, allowHeaders: ["x-team"] };
    const given: [string, string][] = [
      ["Connection", "close, X-Team"],
      ["Accept", "a/b"],
      ["X-Team", "7"],
      ["connection", "ACCEPT"],
    ];
    expect(send(given, policy)).toEqual([agent]);
  });

  it.each([
    ["x", "a\r\nAuthorization: x"],
    ["x", "a\nb"],
    ["x", "a\rb"],
    ["x", "a\0b"],
    ["x", "\x7f"],
    ["x", "snow ☃"],
    ["a\r\nAuthorization: x", "b"],
    ["a b", "c"],
    ["a:", "c"],
    ["", "c"],
    ["é", "c"],
    ["x".repeat(300), "c"],
    ["x", "c".repeat(40_000)],
  ])("are refused when they hide another one: %j: %j (H06)", (name, value) => {
    expect(() => send([[name, value]])).toThrow(/header/i);
  });

  it("are refused in a number that nobody needs, and twice where only one counts", () => {
    const many = Array.from({ length: 101 }, (_, at): [string, string] => [`x-${at}`, "1"]);
    expect(() => send(many)).toThrow("There are more than 100 headers");
    expect(() =>
      send([
        ["content-type", "a/b"],
        ["Content-Type", "c/d"],
      ]),
    ).toThrow("given twice");
  });

  it("that pass can be sent by Node, and are what the caller said, for any headers (H06)", () => {
    const text = fc.oneof(fc.string(), fc.constantFrom("accept", "x-team", "a\r\nb: c", "range"));
    const policy = { ...bare, allowHeaders: ["x-team"] };
    fc.assert(
      fc.property(fc.array(fc.tuple(text, text), { maxLength: 5 }), (headers) => {
        let sent: [string, string][] = [];
        try {
          sent = headersToSend(policy, headers);
        } catch {
          return;
        }
        const asking = request({ headers: sent.flat(), createConnection: () => never() });
        asking.on("error", () => undefined).destroy();
        for (const [name, value] of sent.filter((each) => each[0] !== "user-agent")) {
          expect(headers.some(([a, b]) => a.toLowerCase() === name && b === value)).toBe(true);
        }
      }),
    );
  });
});

function never(): never {
  throw new Error("Nothing is to be connected");
}

describe("the method of a call", () => {
  const policy = { allowMethods: ["GET", "POST"] as const };
  it.each([
    "get",
    "Get",
    "GET ",
    " GET",
    "TRACE",
    "CONNECT",
    "PRI",
    "OPTIONS",
    "PUT",
    "",
    "GET\r\n",
  ])("is denied unless it is exactly one of the policy: %j (H03)", (method) => {
    expect(() => methodToSend(policy, method)).toThrow("is not one that the endpoint allows");
  });

  it("may be spelled in lower case by the protocol's header, if it is a method of ours (H03)", () => {
    for (const method of proxyMethods) expect(spelledMethod(method.toLowerCase())).toBe(method);
    for (const other of ["trace", "connect", "get ", "gêt", "ſ", "ıd"]) {
      expect(spelledMethod(other)).toBe(other);
    }
  });
});

describe("the credential", () => {
  const call = { query: "a=1", headers: [["accept", "x"]] as [string, string][] };
  it("is added once, in the shape of the policy", () => {
    const basic = { type: "basic", username: "me", password: "pass:wörd" } as const;
    expect(spendCredential({ type: "none" }, { type: "none" }, call)).toEqual(call);
    expect(spendCredential({ type: "basic" }, basic, call).headers.at(-1)).toEqual([
      "authorization",
      `Basic ${Buffer.from("me:pass:wörd").toString("base64")}`,
    ]);
    const header = { type: "header", name: "X-Key" } as const;
    const value = { type: "header", value: "12345678k" } as const;
    expect(spendCredential(header, value, call).headers.at(-1)).toEqual(["x-key", "12345678k"]);
    const query = { type: "query", name: "key" } as const;
    const spent = spendCredential(query, { type: "query", value: "a b&c=d/é" }, call);
    expect(spent.query).toBe("a=1&key=a%20b%26c%3Dd%2F%C3%A9");
  });

  it("that is not there, is of another shape, or would be two lines is not spent", () => {
    const absent = /not there any more.*cannot be opened.*set its secret again/;
    expect(() => spendCredential({ type: "bearer" }, undefined, call)).toThrow(absent);
    const other = { type: "query", value: "12345678k" } as const;
    expect(() => spendCredential({ type: "bearer" }, other, call)).toThrow("cannot be opened");
    expect(() => spendCredential({ type: "bearer" }, { type: "none" }, call)).toThrow("cannot");
    const lines = { type: "bearer", token: "12345678\r\nx: y" } as const;
    expect(() => spendCredential({ type: "bearer" }, lines, call)).toThrow("cannot be sent");
  });
});
