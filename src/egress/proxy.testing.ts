/** What the tests of the proxy share: upstreams that keep what arrived, books in memory, and an open proxy on them. */
import type { IncomingMessage, RequestListener, ServerResponse } from "node:http";
import { buffer } from "node:stream/consumers";

import { systemClock } from "../base/clock.ts";
import { openLog } from "../base/log.ts";
import type { ProxyCalled } from "../contract/proxy-call.ts";
import {
  type ProxyAuthValue,
  ProxyEndpointPolicy,
  type WholeProxyEndpoint,
  wholeProxyEndpoint,
} from "../contract/proxy-endpoint.ts";
import { openProxy } from "./open-proxy.ts";
import type { ProxyAnswer, ProxyBooks, ProxyOptions, ProxyRequest, RunProxy } from "./proxy.ts";
import { redactor } from "./redact.ts";
import { openUpstreamTests } from "./upstreams.testing.ts";

/** One request as an upstream got it. */
export interface Arrived {
  method: string;
  url: string;
  rawHeaders: string[];
  headers: IncomingMessage["headers"];
  body: string;
}

export interface TestBooks extends ProxyBooks {
  /** Every entry in order, as `reserve <id>` and so on. */
  entries: string[];
  settled: ProxyCalled[];
  reserved: number;
}

/** Books that keep a budget as the store does: atomic, and counted until it is released. */
export function openTestBooks(): TestBooks {
  const calls = new Map<string, string>();
  const used = (endpoint: string) => [...calls.values()].filter((name) => name === endpoint).length;
  const books: TestBooks = {
    entries: [],
    settled: [],
    get reserved() {
      return calls.size;
    },
    async reserve({ name, perCallBudget }, id) {
      const ok = used(name) < perCallBudget;
      if (ok) calls.set(id, name);
      books.entries.push(ok ? "reserve" : "full");
      const bytes = books.settled.filter((row) => row.endpoint === name);
      const usedBytes = bytes.reduce((sum, row) => sum + row.response_bytes, 0);
      const result = { ok, usedCalls: used(name), usedBytes };
      // As a disk has it: the answer comes when others have asked meanwhile.
      await new Promise<void>((resolve) => setImmediate(resolve));
      return result;
    },
    async sent() {
      books.entries.push("sent");
    },
    async release(id) {
      calls.delete(id);
      books.entries.push("release");
    },
    async settle(called) {
      books.entries.push(`settle ${called.outcome} ${called.error}`);
      books.settled.push(called);
    },
  };
  return books;
}

export interface Given {
  policy?: Partial<WholeProxyEndpoint>;
  /** A bearer token unless it is given; undefined: it cannot be opened. */
  credential?: ProxyAuthValue | { type: "none" } | undefined;
  options?: Partial<ProxyOptions>;
  secrets?: string[];
}

export const bearer = "tok_dGhpcyBpcyBhIHRlc3Q_4711";

export function openProxyTests() {
  const tests = openUpstreamTests();
  const closers: (() => unknown)[] = [];

  function keeping(answer: RequestListener) {
    const arrived: Arrived[] = [];
    const listener = async (incoming: IncomingMessage, reply: ServerResponse) => {
      const { method = "", url = "", rawHeaders, headers } = incoming;
      const row: Arrived = { method, url, rawHeaders, headers, body: "" };
      arrived.push(row);
      row.body = (await buffer(incoming)).toString("latin1");
      answer(incoming, reply);
    };
    const quiet: RequestListener = (incoming, reply) =>
      void listener(incoming, reply).catch(() => incoming.destroy());
    return { arrived, quiet };
  }
  const fine: RequestListener = (_incoming, reply) => reply.end("served");

  return {
    ...tests,
    async close() {
      for (const close of closers.splice(0).reverse()) await close();
      await tests.close();
    },
    closers,
    /** An upstream without TLS, and what arrived at it. */
    async upstream(answer = fine) {
      const { arrived, quiet } = keeping(answer);
      const { port, connections } = await tests.http(quiet);
      return { port, arrived, connections, baseUrl: `http://up.test:${port}` };
    },
    /** The same with TLS, for `up.test`. */
    async secureUpstream(answer = fine) {
      const { arrived, quiet } = keeping(answer);
      const { port, connections } = await tests.https(quiet, ["up.test"]);
      return { port, arrived, connections, baseUrl: `https://up.test:${port}` };
    },
    /** A proxy with one endpoint `up`, every call of which is allowed unless the policy says otherwise. */
    proxy(baseUrl: string, given: Given = {}) {
      const books = openTestBooks();
      const asked: string[] = [];
      const policy = wholeProxyEndpoint(
        ProxyEndpointPolicy.parse({
          ...{ name: "up", baseUrl, authShape: { type: "bearer" }, allowPathPrefixes: ["/"] },
          ...{ allowMethods: ["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD"] },
          responseMode: "full",
          ...given.policy,
        }),
      );
      const { credential } = { credential: { type: "bearer" as const, token: bearer }, ...given };
      const proxy = openProxy({
        endpoints: [{ policy, credential: () => credential }],
        books,
        redactor: () => redactor(given.secrets ?? [bearer]),
        callId: () => null,
        privateHosts: ["127.0.0.0/8", "up.test"],
        clock: systemClock,
        log: openLog("silent"),
        ...given.options,
        async resolver(name) {
          asked.push(name);
          return given.options?.resolver ? given.options.resolver(name) : ["127.0.0.1"];
        },
      });
      closers.push(() => proxy.close());
      return {
        proxy,
        books,
        asked,
        call: (request: Partial<ProxyRequest>) => calling(proxy, request),
      };
    },
  };
}

/** A GET of `/` unless the request says more. */
export function calling(proxy: RunProxy, request: Partial<ProxyRequest>): Promise<ProxyAnswer> {
  return proxy.call({
    ...{ endpoint: "up", door: "http", method: "GET", path: "/", query: "", headers: [] },
    ...{ body: null, bodyBytes: null, signal: new AbortController().signal },
    ...request,
  });
}

/** The whole body; the text of the error when there is none. */
export async function textOf(answer: ProxyAnswer): Promise<string> {
  if (!answer.ok) return answer.error.message;
  const parts: Uint8Array[] = [];
  for await (const part of answer.body ?? []) parts.push(part);
  return Buffer.concat(parts).toString();
}

/** The code of the error; `ok` when there is none. */
export function codeOf(answer: ProxyAnswer): string {
  return answer.ok ? "ok" : answer.error.error;
}

export async function* bytesOf(...texts: string[]): AsyncGenerator<Uint8Array> {
  for (const text of texts) yield Buffer.from(text, "latin1");
}
