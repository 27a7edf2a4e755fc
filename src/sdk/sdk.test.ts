import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { createServer, type IncomingMessage, type RequestListener, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { inspect } from "node:util";
import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { newId } from "../contract/ids.ts";
import {
  AirlockClient,
  AirlockError,
  ApiError,
  type IdempotencyConflictError,
  isIdempotencyConflict,
  isInsufficientScope,
  isNotFound,
  isRateLimited,
  isUnauthorized,
  NetworkError,
  type Output,
  selectOutput,
} from "./sdk.ts";

const token = "alk_test_0123456789abcdef";
const runId = newId("run");

async function all<T>(source: AsyncIterable<T>): Promise<T[]> {
  const items: T[] = [];
  for await (const item of source) items.push(item);
  return items;
}
const submission = { model: "scripted/demo", prompt: "Say hello" };

let server: Server | undefined;
let dir: string;

beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), "airlock-sdk-"));
});

afterEach(async () => {
  server?.closeAllConnections();
  await new Promise((resolve) => (server ? server.close(resolve) : resolve(undefined)));
  server = undefined;
  await rm(dir, { recursive: true });
});

async function serve(listener: RequestListener): Promise<string> {
  const opened = createServer(listener);
  server = opened;
  await new Promise<void>((resolve) => opened.listen(0, "127.0.0.1", resolve));
  return `http://127.0.0.1:${(opened.address() as AddressInfo).port}`;
}

async function bodyOf(request: IncomingMessage): Promise<Buffer> {
  const parts: Buffer[] = [];
  for await (const part of request) parts.push(part as Buffer);
  return Buffer.concat(parts);
}

/** A gateway that accepts one submission and keeps what it got. */
async function acceptingGateway() {
  const got: { headers: IncomingMessage["headers"]; body: Buffer }[] = [];
  const baseUrl = await serve(async (request, response) => {
    got.push({ headers: request.headers, body: await bodyOf(request) });
    response.writeHead(201, { "content-type": "application/json" });
    response.end(JSON.stringify({ run: { id: runId } }));
  });
  return { got, client: new AirlockClient({ token, baseUrl }) };
}

async function failure(promise: Promise<unknown>): Promise<AirlockError> {
  const error = await promise.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(AirlockError);
  return error as AirlockError;
}

function answering(status: number, body: string, headers: Record<string, string> = {}) {
  return serve((_request, response) => response.writeHead(status, headers).end(body));
}

describe("constructing a client", () => {
  it("refuses a missing token at once and names the option", () => {
    expect(() => new AirlockClient({ token: "" })).toThrow(/Option token is required/);
    expect(() => new AirlockClient({} as { token: string })).toThrow(/Option token/);
  });

  it("refuses a token that cannot be a header without showing it", () => {
    const secret = "alk_secret\nvalue";
    const error = (() => {
      try {
        new AirlockClient({ token: secret });
      } catch (thrown) {
        return thrown;
      }
    })();
    expect(error).toBeInstanceOf(AirlockError);
    expect(inspect(error)).not.toContain("alk_secret");
  });

  it("refuses an address that is not http, or that carries credentials", () => {
    expect(() => new AirlockClient({ token, baseUrl: "ftp://x" })).toThrow(/Option baseUrl/);
    expect(() => new AirlockClient({ token, baseUrl: "http://a:b@x" })).toThrow(/no credentials/);
  });

  it("does not show the token when it is printed", () => {
    expect(inspect(new AirlockClient({ token }), { depth: 10, showHidden: true })).not.toContain(
      token,
    );
  });

  it("keeps the path of the address and needs no trailing slash", async () => {
    const paths: (string | undefined)[] = [];
    const baseUrl = await serve((request, response) => {
      paths.push(request.url);
      response.end(JSON.stringify({ run: { id: runId } }));
    });
    await new AirlockClient({ token, baseUrl: `${baseUrl}/base/` }).getRun(runId);
    expect(paths).toEqual([`/base/api/runs/${runId}`]);
  });
});

describe("submitting", () => {
  it("names the wrong field and sends nothing", async () => {
    const { got, client } = await acceptingGateway();
    const error = await failure(
      client.submitRun({ ...submission, prompt: " ", limits: { turns: 0 } }),
    );
    expect(error.code).toBe("invalid_request");
    expect(error.message).toMatch(/prompt: .*blank/);
    expect(error.message).toMatch(/limits\.turns/);
    const file = await failure(
      client.submitRun({ ...submission, files: [{ path: "../x", content: "" }] }),
    );
    expect(file.message).toMatch(/^files\[0\]\.path: /);
    const two = { path: "x", content: "a", bytes: new Uint8Array(1) };
    expect((await failure(client.submitRun({ ...submission, files: [two] }))).message).toMatch(
      /files\[0\] must have exactly one of content, bytes and from/,
    );
    expect(got).toEqual([]);
  });

  it("never shows a secret in the error for a wrong submission", async () => {
    const { client } = await acceptingGateway();
    const error = await failure(
      client.submitRun({ ...submission, secrets: { anthropic: { apiKey: "s3cret" } } }),
    );
    expect(error.message).toMatch(/secrets\.anthropic\.apiKey/);
    expect(inspect(error, { depth: 10 })).not.toContain("s3cret");
  });

  it("sends a random idempotency key when none is given, and the given one otherwise", async () => {
    const { got, client } = await acceptingGateway();
    await client.submitRun(submission);
    await client.submitRun(submission);
    await client.submitRun({ ...submission, idempotencyKey: "mine" });
    const keys = got.map(({ body }) => JSON.parse(body.toString()).idempotencyKey);
    expect(keys[0]).toMatch(/^[0-9a-f-]{36}$/);
    expect(keys[1]).not.toBe(keys[0]);
    expect(keys[2]).toBe("mine");
  });

  it("sends small inputs inside the JSON", async () => {
    const { got, client } = await acceptingGateway();
    const run = await client.submitRun({
      ...submission,
      files: [
        { path: "a.txt", content: "héllo" },
        { path: "b.bin", bytes: Uint8Array.of(0, 255, 128), executable: true },
      ],
    });
    expect(run.id).toBe(runId);
    expect(got[0]?.headers.authorization).toBe(`Bearer ${token}`);
    expect(JSON.parse(got[0]?.body.toString() ?? "").files).toEqual([
      { path: "a.txt", content: "héllo" },
      { path: "b.bin", contentBase64: "AP+A", executable: true },
    ]);
  });

  it("sends everything else as parts named by slot, byte for byte", async () => {
    const { got, client } = await acceptingGateway();
    const path = join(dir, "tool.sh");
    await writeFile(path, "#!/bin/sh\necho \r\n\0", { mode: 0o755 });
    const large = new Uint8Array(300_000).map((_, index) => index % 251);
    await client.submitRun({
      ...submission,
      files: [
        { path: "small.txt", content: "small" },
        { path: "large.bin", bytes: large },
        { path: "tool.sh", from: path },
        { path: "blob.txt", from: new Blob(["from a blob"]) },
      ],
    });
    const { headers, body } = got[0] ?? { headers: {}, body: Buffer.alloc(0) };
    const form = await new Response(new Uint8Array(body), {
      headers: { "content-type": headers["content-type"] ?? "" },
    }).formData();
    const sent = JSON.parse(String(form.get("submission")));
    expect(sent.files).toEqual([
      { path: "small.txt", content: "small" },
      { path: "large.bin", slot: "f1" },
      { executable: true, path: "tool.sh", slot: "f2" },
      { path: "blob.txt", slot: "f3" },
    ]);
    const part = async (name: string) =>
      new Uint8Array(await (form.get(`file:${name}`) as File).arrayBuffer());
    expect(await part("f1")).toEqual(large);
    expect(Buffer.from(await part("f2"))).toEqual(await readFile(path));
    expect(Buffer.from(await part("f3")).toString()).toBe("from a blob");
    expect(body.toString("latin1")).not.toContain(dir);
  });

  it("names an input that cannot be read and sends nothing", async () => {
    const { got, client } = await acceptingGateway();
    for (const from of [join(dir, "missing"), dir]) {
      const files = [{ path: "x", from }];
      const error = await failure(client.submitRun({ ...submission, files }));
      expect(error.code).toBe("file_unreadable");
      expect(error.message).toContain(`files[0].from: cannot read ${JSON.stringify(from)}`);
    }
    expect(got).toEqual([]);
  });

  it("submits again with the same key when the connection breaks before the answer", async () => {
    const keys: string[] = [];
    const baseUrl = await serve(async (request, response) => {
      keys.push(JSON.parse((await bodyOf(request)).toString()).idempotencyKey);
      if (keys.length < 3) return void request.socket.destroy();
      response.end(JSON.stringify({ run: { id: runId } }));
    });
    const run = await new AirlockClient({ token, baseUrl }).submitRun(submission);
    expect(run.id).toBe(runId);
    expect(keys).toHaveLength(3);
    expect(new Set(keys).size).toBe(1);
  });

  it("says which run has the idempotency key", async () => {
    const details = { existing_run_id: runId };
    const body = { error: { code: "idempotency_conflict", message: "Key in use", details } };
    const baseUrl = await answering(409, JSON.stringify(body), { "x-request-id": "req_1" });
    const error = await failure(new AirlockClient({ token, baseUrl }).submitRun(submission));
    expect(isIdempotencyConflict(error)).toBe(true);
    expect((error as IdempotencyConflictError).existingRunId).toBe(runId);
    expect(error).toMatchObject({ status: 409, requestId: "req_1", message: "Key in use" });
  });
});

describe("answers", () => {
  it("comes back after the time that a busy gateway asks for", async () => {
    for (const status of [429, 503]) {
      const times: number[] = [];
      const baseUrl = await serve((_request, response) => {
        times.push(performance.now());
        if (times.length === 1)
          return void response.writeHead(status, { "retry-after": "1" }).end();
        response.end(JSON.stringify({ run: { id: runId } }));
      });
      expect((await new AirlockClient({ token, baseUrl }).getRun(runId)).id).toBe(runId);
      expect((times[1] ?? 0) - (times[0] ?? 0)).toBeGreaterThan(900);
      server?.closeAllConnections();
      server?.close();
    }
  });

  it("gives up after maxRetries, and never repeats what must not be done twice", async () => {
    let asked = 0;
    const baseUrl = await serve((request) => {
      asked++;
      request.socket.destroy();
    });
    const client = new AirlockClient({ token, baseUrl, maxRetries: 1 });
    const error = await failure(client.getRun(runId));
    expect(error).toBeInstanceOf(NetworkError);
    expect(error.message).toContain(`Cannot reach the gateway at ${baseUrl}: `);
    expect(asked).toBe(2);
    await failure(client.tokens.create({ name: "ci", scopes: ["runs"] }));
    expect(asked).toBe(3);
  });

  it("does not sleep through a Retry-After of an hour", async () => {
    const body = { error: { code: "queue_full", message: "The queue is full" } };
    const baseUrl = await answering(429, JSON.stringify(body), { "retry-after": "3600" });
    const error = await failure(new AirlockClient({ token, baseUrl }).getRun(runId));
    expect(isRateLimited(error)).toBe(true);
    expect((error as ApiError).retryAfterMs).toBe(3_600_000);
  });

  it("tells what came when it is not JSON, but never the token", async () => {
    const html = `<html>Bad gateway: Authorization: Bearer ${token} ${"x".repeat(500)}</html>`;
    for (const status of [502, 200]) {
      const baseUrl = await answering(status, html);
      const error = await failure(new AirlockClient({ token, baseUrl }).getRun(runId));
      expect(error.message).toContain(`status ${status}`);
      expect(error.message).toContain("<html>Bad gateway");
      expect(error.message.length).toBeLessThan(320);
      expect(inspect(error, { depth: 10 })).not.toContain(token);
    }
  });

  it("tells the errors apart", async () => {
    const cases = [
      [401, "unauthorized", isUnauthorized],
      [403, "insufficient_scope", isInsufficientScope],
      [404, "not_found", isNotFound],
    ] as const;
    for (const [status, code, guard] of cases) {
      const baseUrl = await answering(status, JSON.stringify({ error: { code, message: "No" } }));
      const error = await failure(new AirlockClient({ token, baseUrl }).getRun(runId));
      expect(error).toBeInstanceOf(ApiError);
      expect(guard(error)).toBe(true);
      expect(cases.filter(([, , other]) => other(error))).toHaveLength(1);
    }
  });

  it("gives up on a gateway that accepts and says nothing", async () => {
    const baseUrl = await serve(() => undefined);
    const client = new AirlockClient({ token, baseUrl, timeoutMs: 50, maxRetries: 0 });
    expect((await failure(client.getRun(runId))).code).toBe("request_timeout");
  });

  it("gives up on an answer that stops in the middle", async () => {
    const baseUrl = await serve((_request, response) => void response.write('{"run":'));
    const client = new AirlockClient({ token, baseUrl, idleTimeoutMs: 50, maxRetries: 0 });
    expect((await failure(client.getRun(runId))).code).toBe("connection_silent");
  });

  it("rejects with the reason of an aborted signal", async () => {
    const controller = new AbortController();
    const baseUrl = await serve(() => controller.abort(new Error("Enough")));
    const { signal } = controller;
    await expect(new AirlockClient({ token, baseUrl }).getRun(runId, { signal })).rejects.toThrow(
      "Enough",
    );
  });

  it("writes one debug line per round trip, without query, headers or body", async () => {
    const lines: string[] = [];
    const body = JSON.stringify({ runs: [] });
    const baseUrl = await answering(200, body, { "x-request-id": "req_7" });
    const client = new AirlockClient({ token, baseUrl, debug: (line) => void lines.push(line) });
    await client.listRuns({ limit: 5 });
    expect(lines).toHaveLength(1);
    expect(lines[0]).toMatch(/^\[airlock\] GET \/api\/runs -> 200 \d+ms \(req_7\)$/);
  });

  it("does not follow a redirect with the token", async () => {
    const paths: (string | undefined)[] = [];
    const baseUrl = await serve((request, response) => {
      paths.push(request.url);
      response.writeHead(307, { location: "/elsewhere" }).end();
    });
    const client = new AirlockClient({ token, baseUrl, maxRetries: 0 });
    expect(await failure(client.getRun(runId))).toBeInstanceOf(NetworkError);
    expect(paths).toEqual([`/api/runs/${runId}`]);
  });
});

describe("lists", () => {
  it("walks all pages of runs and of events", async () => {
    const baseUrl = await serve((request, response) => {
      const url = new URL(request.url ?? "", "http://x");
      const cursor = Number(url.searchParams.get("cursor") ?? 0);
      const since = Number(url.searchParams.get("since"));
      const answer = url.pathname.endsWith("/events")
        ? {
            events: [1, 2].map((n) => ({ seq: since + n })),
            ...(since < 4 ? { nextCursor: String(since + 2) } : {}),
          }
        : { runs: [{ id: `r${cursor}` }], ...(cursor < 2 ? { nextCursor: `${cursor + 1}` } : {}) };
      response.end(JSON.stringify(answer));
    });
    const client = new AirlockClient({ token, baseUrl });
    const runs = await all(client.runs({ status: ["failed", "cancelled"] }));
    expect(runs.map((run) => run.id)).toEqual(["r0", "r1", "r2"]);
    const events = await all(client.events(runId));
    expect(events.map((event) => event.seq)).toEqual([1, 2, 3, 4, 5, 6]);
  });

  it("takes a run that is already deleted for deleted", async () => {
    const body = JSON.stringify({ error: { code: "run_deleted", message: "Gone" } });
    const client = new AirlockClient({ token, baseUrl: await answering(410, body) });
    await client.deleteRun(runId);
    await expect(client.getRun(runId)).rejects.toThrow("Gone");
  });
});

describe("downloading", () => {
  const archive = Buffer.from("PK\u0003\u0004 and so on");

  it("returns the bytes, or writes them to a file", async () => {
    const client = new AirlockClient({ token, baseUrl: await answering(200, archive.toString()) });
    expect(Buffer.from(await client.download(runId))).toEqual(archive);
    const to = join(dir, "run.zip");
    expect(await client.download(runId, { to })).toEqual({ path: to, bytes: archive.length });
    expect(await readFile(to)).toEqual(archive);
  });

  it("leaves what was there when the connection breaks half-way", async () => {
    const baseUrl = await serve((_request, response) => {
      response.writeHead(200, { "content-length": "1000" });
      response.write("half", () => response.destroy());
    });
    const to = join(dir, "run.zip");
    await writeFile(to, "the one from yesterday");
    const error = await failure(new AirlockClient({ token, baseUrl }).download(runId, { to }));
    expect(error).toBeInstanceOf(NetworkError);
    expect(await readFile(to, "utf8")).toBe("the one from yesterday");
    expect(await readdir(dir)).toEqual(["run.zip"]);
  });

  it("says so when the file cannot be written", async () => {
    const client = new AirlockClient({ token, baseUrl: await answering(200, "x") });
    const to = join(dir, "no", "such", "place");
    expect((await failure(client.download(runId, { to }))).code).toBe("file_unwritable");
  });
});

describe("choosing an output", () => {
  const output = (path: string): Output => ({
    id: newId("output"),
    path,
    name: path.slice(1),
    sha256: `sha256:${"0".repeat(64)}`,
    bytes: 1,
    contentType: "text/plain",
  });

  it("finds every output by its own path, however its slashes are written", () => {
    const segment = fc.stringMatching(/^[a-z.]{1,4}$/);
    const paths = fc.uniqueArray(
      fc.array(segment, { minLength: 1, maxLength: 4 }).map((parts) => `/${parts.join("/")}`),
      { minLength: 1, maxLength: 8 },
    );
    fc.assert(
      fc.property(paths, fc.nat(), (all, pick) => {
        const outputs = all.map(output);
        const wanted = outputs[pick % outputs.length] as Output;
        const bare = wanted.path.slice(1);
        for (const path of [wanted.path, bare, bare.replaceAll("/", "\\"), `//${bare}`]) {
          expect(selectOutput(outputs, { path })).toBe(wanted);
        }
      }),
    );
  });

  it("matches a suffix at a segment only, and refuses to guess between two", () => {
    const [a, b] = [output("/workspace/out/report.csv"), output("/tmp/out/report.csv")];
    const suffix = { path: "report.csv", match: "suffix" } as const;
    expect(selectOutput([a], suffix)).toBe(a);
    expect(selectOutput([a, b], { ...suffix, path: "tmp/out/report.csv" })).toBe(b);
    expect(() => selectOutput([a], { ...suffix, path: "port.csv" })).toThrow(/No output matches/);
    expect(() => selectOutput([a], { path: "report.csv" })).toThrow(/No output matches/);
    expect(() => selectOutput([a, b], suffix)).toThrow(/2 outputs match/);
    expect(() => selectOutput([a], { path: "/" })).toThrow(/path: must not be empty/);
  });
});
