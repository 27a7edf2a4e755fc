import { createHash } from "node:crypto";
import { request as httpRequest } from "node:http";
import { afterEach, describe, expect, it } from "vitest";
import { bodyOf, type FrontDoor, openFrontDoor } from "../../test/support/front-door.ts";
import { limits } from "../base/limits.ts";
import type { ErrorBody } from "../contract/problem.ts";

/*
 * Submissions as bytes on the wire: forms are written by hand, because a client library would never send the ones that
 * matter here.
 */

const boundary = "frontier";
const formType = `multipart/form-data; boundary=${boundary}`;
const submission = { model: "scripted/x", prompt: "hello" };

interface Part {
  name?: string;
  body: string | Buffer;
  head?: string;
}

function form(parts: Part[], end = `--${boundary}--\r\n`): Buffer {
  const chunks = parts.map(({ name, body, head }) => {
    const headers = head ?? `Content-Disposition: form-data; name="${name}"`;
    return Buffer.concat([
      Buffer.from(`--${boundary}\r\n${headers}\r\n\r\n`),
      Buffer.from(body as string),
      Buffer.from("\r\n"),
    ]);
  });
  return Buffer.concat([...chunks, Buffer.from(end)]);
}

function withFiles(...slots: string[]): Part {
  const files = slots.map((slot, index) => ({ path: `in/${index}`, slot }));
  return { name: "submission", body: JSON.stringify({ ...submission, files }) };
}

function post(door: FrontDoor, body: string | Buffer, headers: Record<string, string> = {}) {
  return door.app.request("/api/runs", {
    method: "POST",
    body: typeof body === "string" ? body : new Uint8Array(body),
    headers: { ...door.token().header, "content-type": "application/json", ...headers },
  });
}

/** A form inside a part, as RFC 7578 once allowed: here it is just bytes that are no JSON. */
const innerForm = form([withFiles()]).toString().replaceAll(boundary, "inner");

const postForm = (door: FrontDoor, body: Buffer) => post(door, body, { "content-type": formType });

async function refused(response: Response, status = 400) {
  const { error } = await bodyOf<ErrorBody>(response);
  expect(response.status, error.message).toBe(status);
  return error;
}

describe("a JSON submission", () => {
  it("becomes one call of the corridor, in the workspace of the token", async () => {
    const door = openFrontDoor();
    const { header, token } = door.token();
    const response = await post(
      door,
      JSON.stringify({ ...submission, outputDirs: ["/workspace//out/"] }),
      header,
    );
    expect(response.status).toBe(201);
    const { run } = await bodyOf<{ run: { id: string } }>(response);
    expect(response.headers.get("location")).toBe(`/api/runs/${run.id}`);
    expect(door.submitted).toEqual([
      {
        workspaceId: token.workspaceId,
        submittedBy: token.id,
        submission: { ...submission, outputDirs: ["/workspace/out"] },
        uploads: new Map(),
      },
    ]);
  });

  it.each([
    ["no body at all", "", "empty"],
    ["no JSON", "model=x", "line 1, column 1"],
    ["an array", "[]", "expected object"],
    ["null", "null", "expected object"],
    ["no prompt", '{"model":"m"}', "prompt"],
    ["a blank prompt", '{"model":"m","prompt":" \\n"}', "prompt"],
    ["a prompt of a wrong type", '{"model":"m","prompt":5}', "expected string or array"],
    ["an unknown member", '{"model":"m","prompt":"p","promtp":1}', '"promtp"'],
    ["a member twice", '{"model":"m","model":"n","prompt":"p"}', "twice"],
    ["__proto__", '{"model":"m","prompt":"p","__proto__":{"admin":true}}', "__proto__"],
    [
      "a slot without a form",
      '{"model":"m","prompt":"p","files":[{"path":"a","slot":"s"}]}',
      "file:s",
    ],
    [
      "a path that climbs",
      '{"model":"m","prompt":"p","files":[{"path":"../a","content":""}]}',
      "files[0].path",
    ],
    [
      "an unknown capability",
      '{"model":"m","prompt":"p","agent":{"instructions":"i","capabilities":[{"type":"Root"}]}}',
      "agent.capabilities[0].type",
    ],
  ])("with %s is refused, and the place is named", async (_name, body, named) => {
    const door = openFrontDoor();
    const error = await refused(await post(door, body));
    expect(error.code).toBe("invalid_request");
    expect(error.message).toContain(named);
    expect(door.submitted).toEqual([]);
    expect(Reflect.get({}, "admin")).toBeUndefined();
  });

  it("names every wrong field with what was found there, shortened", async () => {
    const door = openFrontDoor();
    const files = [{ path: `/${"x".repeat(300)}`, content: "" }];
    const body = { ...submission, model: "no spaces please", files };
    const error = await refused(await post(door, JSON.stringify(body)));
    const fields = error.details?.fields as { path: string; received: string }[];
    expect(fields.map((field) => field.path).slice(0, 2)).toEqual(["model", "files[0].path"]);
    expect(fields[0]?.received).toBe('"no spaces please"');
    expect(fields[1]?.received.length).toBe(100);
    expect(error.message).toContain('Cannot use model "no spaces please"');
  });

  it("never repeats what is below secrets, wherever the mistake is", async () => {
    const door = openFrontDoor();
    const canary = "sk-canary-0123456789";
    const secrets: unknown[] = [
      { anthropic: { apiKey: canary.repeat(500) } },
      { anthropic: { apiKey: [canary] } },
      { anthropic: canary },
      { [canary]: { apiKey: canary } },
      { anthropic: { apiKey: canary, [canary]: 1 } },
      canary,
      [canary],
    ];
    for (const value of secrets) {
      const error = await refused(
        await post(door, JSON.stringify({ ...submission, secrets: value })),
      );
      expect(JSON.stringify(error)).not.toContain("canary");
    }
    const good = { ...submission, prompt: "", secrets: { anthropic: { apiKey: canary } } };
    const error = await refused(await post(door, JSON.stringify(good)));
    expect(JSON.stringify(error)).not.toContain("canary");
    await refused(await post(door, `{"secrets":{"anthropic":{"apiKey":"${canary}`));
    expect(door.logged()).not.toContain("canary");
  });

  it("limits how many wrong fields one answer names", async () => {
    const door = openFrontDoor();
    const files = Array.from({ length: 1000 }, () => ({ path: "/x", content: 1 }));
    const error = await refused(await post(door, JSON.stringify({ ...submission, files })));
    expect(error.details?.fields).toHaveLength(20);
    expect(error.message).toMatch(/\(and \d+ more\)$/);
  });

  it.each([
    "text/plain",
    "application/x-www-form-urlencoded",
    "application/json; charset=utf-16",
    "application/jsonx",
    "multipart/mixed; boundary=x",
  ])("as %s is refused with 415", async (type) => {
    const error = await refused(await post(openFrontDoor(), "{}", { "content-type": type }), 415);
    expect(error.code).toBe("unsupported_media_type");
  });

  it("in a content encoding is refused with 415: a small body could be a huge one", async () => {
    for (const type of ["application/json", formType]) {
      const headers = { "content-type": type, "content-encoding": "gzip" };
      await refused(await post(openFrontDoor(), "{}", headers), 415);
    }
    const plain = { "content-encoding": "identity" };
    expect((await post(openFrontDoor(), JSON.stringify(submission), plain)).status).toBe(201);
  });

  it("may be as large as the cap, and not one byte larger, with or without a length", async () => {
    const max = limits.requestJsonBytes;
    const ofSize = (bytes: number) => {
      const empty = JSON.stringify({ ...submission, prompt: "" }).length;
      return JSON.stringify({ ...submission, prompt: "p".repeat(bytes - empty) });
    };
    expect((await post(openFrontDoor(), ofSize(max))).status).toBe(201);
    const error = await refused(await post(openFrontDoor(), ofSize(max + 1)), 413);
    expect(error).toMatchObject({ code: "payload_too_large", details: { maxBytes: max } });
    const announced = { "content-length": String(max + 1) };
    await refused(await post(openFrontDoor(), "{}", announced), 413);
  });
});

describe("the idempotency key", () => {
  const body = JSON.stringify(submission);
  const key = (value: string) => ({ "idempotency-key": value });

  it("is taken from the header, bare or quoted, or from the body", async () => {
    const door = openFrontDoor();
    const { header } = door.token();
    const first = await post(door, body, { ...header, ...key("job 1") });
    const again = await post(door, body, { ...header, ...key('"job 1"') });
    const member = JSON.stringify({ ...submission, idempotencyKey: "job 1" });
    const third = await post(door, member, { ...header, ...key("job 1") });
    expect([first, again, third].map((response) => response.status)).toEqual([201, 200, 200]);
    expect(again.headers.get("idempotent-replayed")).toBe("true");
    expect(first.headers.get("idempotent-replayed")).toBeNull();
    const ids = await Promise.all(
      [first, again, third].map((r) => bodyOf<{ run: { id: string } }>(r)),
    );
    expect(new Set(ids.map(({ run }) => run.id)).size).toBe(1);
  });

  it("with another body is a conflict that names the run", async () => {
    const door = openFrontDoor();
    await post(door, body, key("k"));
    const other = JSON.stringify({ ...submission, prompt: "other" });
    const error = await refused(await post(door, other, key("k")), 409);
    expect(error.code).toBe("idempotency_conflict");
    expect(error.details?.existingRunId).toMatch(/^run_/);
  });

  it("may not say two things at once", async () => {
    const member = JSON.stringify({ ...submission, idempotencyKey: "a" });
    const error = await refused(await post(openFrontDoor(), member, key("b")));
    expect(error.message).toContain("idempotencyKey");
  });

  it.each(["", '""', '"open', "k".repeat(256), "\u00e9", '"a\\n"', '" "'])(
    "is refused as %j",
    async (value) => {
      const door = openFrontDoor();
      const response = await post(door, body, key(value));
      expect((await refused(response)).message).toContain("Idempotency-Key");
      expect(door.submitted).toEqual([]);
    },
  );

  it("unescapes the quoted form", async () => {
    const door = openFrontDoor();
    await post(door, body, key('"a\\"b\\\\c"'));
    expect(door.submitted[0]?.submission.idempotencyKey).toBe('a"b\\c');
  });
});

describe("a multipart submission", () => {
  const file = (slot: string, body: string | Buffer): Part => ({ name: `file:${slot}`, body });

  it.each([
    ["first", [withFiles("a", "b"), file("a", "AAA"), file("b", "")]],
    ["in the middle", [file("a", "AAA"), withFiles("a", "b"), file("b", "")]],
    ["last", [file("b", ""), file("a", "AAA"), withFiles("a", "b")]],
  ])("is stored part by part with the submission %s", async (_place, parts) => {
    const door = openFrontDoor();
    const response = await postForm(door, form(parts));
    expect(response.status, await response.text()).toBe(201);
    const sha256 = (text: string) => `sha256:${createHash("sha256").update(text).digest("hex")}`;
    expect(Object.fromEntries(door.submitted[0]?.uploads ?? [])).toEqual({
      "file:a": { sha256: sha256("AAA"), bytes: 3 },
      "file:b": { sha256: sha256(""), bytes: 0 },
    });
  });

  it("is read from what fetch makes of a FormData", async () => {
    const door = openFrontDoor();
    const data = new FormData();
    data.append(
      "submission",
      new Blob([withFiles("a").body as string], { type: "application/json" }),
    );
    data.append("file:a", new Blob([Buffer.from([0, 13, 10, 45, 45, 255])]), "../../etc/passwd");
    const response = await door.app.request("/api/runs", {
      ...{ method: "POST", body: data, headers: door.token().header },
    });
    expect(response.status).toBe(201);
    expect(door.submitted[0]?.uploads.get("file:a")?.bytes).toBe(6);
  });

  it.each<[string, Part[], string]>([
    ["no part submission", [file("a", "x")], '"submission"'],
    ["two parts submission", [withFiles(), withFiles()], "twice"],
    [
      "a part that no slot asks for, early",
      [withFiles("a"), file("a", "x"), file("b", "y")],
      '"file:b"',
    ],
    [
      "a part that no slot asks for, before the submission",
      [file("b", "y"), withFiles()],
      '"file:b"',
    ],
    ["a part twice", [file("a", "x"), file("a", "x"), withFiles("a")], "twice"],
    ["a part missing", [withFiles("a", "b"), file("a", "x")], '"file:b"'],
    ["a slot used by two files", [withFiles("a", "a"), file("a", "x")], "files[1].slot"],
    ["an unknown part", [withFiles(), { name: "skill:x", body: "" }], '"skill:x"'],
    ["a slot that is not one", [withFiles(), file("../x", "")], '"file:../x"'],
    [
      "a part without a name",
      [{ head: "Content-Disposition: form-data", body: "" }],
      "without a name",
    ],
    ["a submission that is no JSON", [{ name: "submission", body: "{" }], "line 1"],
    ["an invalid submission", [{ name: "submission", body: "{}" }], "prompt"],
  ])("with %s is refused, and it is named", async (_name, parts, named) => {
    const door = openFrontDoor();
    const error = await refused(await postForm(door, form(parts)));
    expect(error.message).toContain(named);
    expect(door.submitted).toEqual([]);
  });

  it.each<[string, string, Buffer]>([
    ["no boundary", "multipart/form-data", form([withFiles()])],
    ["another boundary", "multipart/form-data; boundary=other", form([withFiles()])],
    ["no end", formType, form([withFiles("a"), file("a", "x")], "")],
    ["nothing in it", formType, Buffer.alloc(0)],
    ["only its end", formType, form([])],
    [
      "a header without an end",
      formType,
      Buffer.from(`--${boundary}\r\nContent-Disposition: form-da`),
    ],
    ["huge headers", formType, form([{ head: `x: ${"y".repeat(1_000_000)}`, body: "" }])],
    ["an inner form", formType, form([{ name: "submission", body: innerForm }])],
  ])("with %s is refused", async (_name, type, body) => {
    const door = openFrontDoor();
    const error = await refused(await post(door, body, { "content-type": type }));
    expect(error.code).toBe("invalid_request");
    expect(door.submitted).toEqual([]);
  });

  it("of ten thousand parts is refused at the thousandth, not stored", async () => {
    const door = openFrontDoor();
    const parts = Array.from({ length: 10_000 }, (_, index) => file(`s${index}`, "x"));
    const error = await refused(await postForm(door, form(parts)));
    expect(error.message).toContain("more than");
    expect(door.uploaded.length).toBeLessThanOrEqual(1001);
  });

  it("is refused only when no upload of it is under way any more", async () => {
    const door = openFrontDoor();
    const begun = Promise.withResolvers<void>();
    let cleaned = false;
    door.corridor.upload = async (source) => {
      try {
        for await (const chunk of source) if (chunk.length > 0) begun.resolve();
        return { sha256: "", bytes: 0 };
      } finally {
        for (let turns = 0; turns < 50; turns++) await new Promise(setImmediate);
        cleaned = true;
      }
    };
    const body = new ReadableStream<Uint8Array>({
      async start(controller) {
        controller.enqueue(form([withFiles("a"), file("a", "x".repeat(100_000))], ""));
        await begun.promise;
        controller.close();
      },
    });
    const headers = { ...door.token().header, "content-type": formType };
    const init: RequestInit = { method: "POST", body, headers, duplex: "half" };
    await refused(await door.app.request("/api/runs", init));
    expect(cleaned).toBe(true);
  });

  it("passes on what the store says about a part, and does not read the rest", async () => {
    const door = openFrontDoor();
    const { Problem } = await import("../contract/problem.ts");
    let uploads = 0;
    door.corridor.upload = async () => {
      uploads += 1;
      throw new Problem("storage_full", "The disk is full");
    };
    const body = form([withFiles("a", "b"), file("a", Buffer.alloc(1_000_000)), file("b", "x")]);
    expect((await refused(await postForm(door, body), 507)).code).toBe("storage_full");
    expect(uploads).toBe(1);
  });
});

describe("a submission over a real connection", () => {
  const open: { close(drainMs: number): Promise<void> }[] = [];
  afterEach(async () => {
    for (const server of open.splice(0)) await server.close(0);
  });

  async function serve() {
    const door = openFrontDoor();
    const server = await door.listen({ host: "127.0.0.1", port: 0 });
    open.push(server);
    const send = (headers: Record<string, string>) =>
      httpRequest(`${server.url}/api/runs`, {
        method: "POST",
        headers: { ...door.token().header, ...headers },
      });
    const answered = (request: ReturnType<typeof send>) =>
      new Promise<{ status: number; text: string }>((resolve, reject) => {
        request.on("error", reject).on("response", async (response) => {
          let text = "";
          for await (const chunk of response) text += chunk;
          resolve({ status: response.statusCode ?? 0, text });
        });
      });
    return { door, send, answered };
  }

  it("streams a large part to the store without holding it in memory", async () => {
    const { door, send, answered } = await serve();
    const request = send({ "content-type": formType });
    const answer = answered(request);
    const whole = form([withFiles("big"), file("big", "@")]);
    const at = whole.lastIndexOf("@");
    const chunk = Buffer.alloc(1024 * 1024, "x");
    const size = 300;
    const before = process.memoryUsage();
    let most = 0;
    request.write(whole.subarray(0, at));
    for (let index = 0; index < size; index++) {
      if (!request.write(chunk)) await new Promise((resolve) => request.once("drain", resolve));
      const now = process.memoryUsage();
      most = Math.max(
        most,
        now.arrayBuffers + now.heapUsed - before.arrayBuffers - before.heapUsed,
      );
    }
    request.end(whole.subarray(at + 1));
    expect((await answer).status).toBe(201);
    expect(door.submitted[0]?.uploads.get("file:big")?.bytes).toBe(size * chunk.length);
    expect(most).toBeLessThan(150 * 1024 * 1024);
  });

  it("is counted when it comes in chunks without a length, and refused at the cap", async () => {
    const { send, answered, door } = await serve();
    const request = send({ "content-type": "application/json", "transfer-encoding": "chunked" });
    const answer = answered(request);
    request.write('{"prompt":"');
    const chunk = Buffer.alloc(1024 * 1024, "x");
    for (let mebibytes = 0; mebibytes < 17; mebibytes++) request.write(chunk);
    const { status, text } = await answer;
    expect(status).toBe(413);
    expect(JSON.parse(text).error.code).toBe("payload_too_large");
    request.destroy();
    expect(door.submitted).toEqual([]);
  });

  it("is answered early when a part is wrong, while the client still sends", async () => {
    const { send, answered } = await serve();
    const request = send({ "content-type": formType });
    const answer = answered(request);
    request.write(form([withFiles("a"), { name: "file:b", body: "x" }], ""));
    request.write(Buffer.alloc(1024 * 1024));
    expect((await answer).status).toBe(400);
    request.destroy();
  });

  it("is given up when nothing more of it comes for a minute", async () => {
    const { door, send, answered } = await serve();
    for (const type of ["application/json", formType]) {
      const request = send({ "content-type": type, "transfer-encoding": "chunked" });
      const answer = answered(request);
      request.write("{");
      await door.clock.sleeping(60_000);
      door.clock.advance(60_000);
      const { status, text } = await answer;
      expect(status).toBe(400);
      expect(JSON.parse(text).error.message).toContain("No byte of the body came for 60 s");
      request.destroy();
    }
  });

  it("that is cut in the middle of an upload leaves nothing running and submits nothing", async () => {
    const { door, send } = await serve();
    const begun = Promise.withResolvers<void>();
    const ended = Promise.withResolvers<unknown>();
    door.corridor.upload = async (source) => {
      try {
        for await (const chunk of source) if (chunk.length > 0) begun.resolve();
        return { sha256: "", bytes: 0 };
      } finally {
        ended.resolve(undefined);
      }
    };
    const request = send({ "content-type": formType });
    request.on("error", () => undefined);
    request.write(form([withFiles("a"), { name: "file:a", body: Buffer.alloc(100_000) }], ""));
    await begun.promise;
    request.destroy();
    await ended.promise;
    expect(door.submitted).toEqual([]);
    expect(door.logged()).not.toContain("http.failed");
  });

  function file(slot: string, body: string): Part {
    return { name: `file:${slot}`, body };
  }
});
