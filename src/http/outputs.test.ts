import { get, IncomingMessage, ServerResponse } from "node:http";
import { Socket } from "node:net";
import { Readable } from "node:stream";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { bodyOf, openFrontDoor } from "../../test/support/front-door.ts";
import type { ErrorBody } from "../contract/problem.ts";
import { attachment } from "./download.ts";

function withOutput(name: string, bytes: Buffer, contentType?: string) {
  const door = openFrontDoor();
  const caller = door.token();
  const run = door.addRun(caller.token.workspaceId, "succeeded");
  const output = door.addOutput(run.id, name, bytes, contentType);
  return { door, caller, run, output, path: `/api/runs/${run.id}/outputs/${output.id}` };
}

describe("outputs", () => {
  it("are listed and come back byte for byte, as something to save and never to show", async () => {
    const bytes = Buffer.from([0, 1, 2, 255, 13, 10]);
    const { door, caller, run, output, path } = withOutput("deep/er/a.html", bytes, "text/html");
    const list = await door.app.request(`/api/runs/${run.id}/outputs`, { headers: caller.header });
    expect(await bodyOf(list)).toEqual({ outputs: [output] });
    const response = await door.app.request(path, { headers: caller.header });
    expect(Buffer.from(await response.arrayBuffer())).toEqual(bytes);
    expect(Object.fromEntries(response.headers)).toMatchObject({
      "content-type": "text/html",
      "content-length": "6",
      etag: `"${output.sha256}"`,
      "content-disposition": `attachment; filename="a.html"; filename*=UTF-8''a.html`,
      "x-content-type-options": "nosniff",
      "content-security-policy": expect.stringContaining("sandbox"),
    });
  });

  it.each([
    ["the digest", (etag: string) => etag, 304],
    ["the digest among others, weak", (etag: string) => `"x", W/${etag}`, 304],
    ["a star", () => "*", 304],
    ["another digest", () => '"sha256:0"', 200],
  ])("answer If-None-Match with %s", async (_name, header, status) => {
    const { door, caller, output, path } = withOutput("a", Buffer.from("x"));
    let destroyed = false;
    const { output: read } = door.corridor;
    door.corridor.output = async (...ask) => {
      const found = await read(...ask);
      found.stream.on("close", () => {
        destroyed = true;
      });
      return found;
    };
    const headers = { ...caller.header, "if-none-match": header(`"${output.sha256}"`) };
    const response = await door.app.request(path, { headers });
    expect(response.status).toBe(status);
    expect(response.headers.get("etag")).toBe(`"${output.sha256}"`);
    expect(await response.text()).toBe(status === 304 ? "" : "x");
    await expect.poll(() => destroyed).toBe(true);
  });

  it("have a content type that is one, whatever was recorded", async () => {
    for (const type of ["text/html\r\nset-cookie: a=b", "nonsense", "text/html, text/plain", ""]) {
      const { door, caller, path } = withOutput("a", Buffer.from("x"), type);
      const response = await door.app.request(path, { headers: caller.header });
      expect(response.headers.get("content-type")).toBe("application/octet-stream");
      expect(response.headers.get("set-cookie")).toBeNull();
    }
  });

  it("that nobody has are not found", async () => {
    const { door, caller, run, path } = withOutput("a", Buffer.from("x"));
    const other = door.addRun(caller.token.workspaceId);
    for (const url of [
      path.replace(run.id, other.id),
      `${path}x`,
      `/api/runs/${run.id}/outputs/1`,
    ]) {
      const response = await door.app.request(url, { headers: caller.header });
      expect(response.status).toBe(404);
    }
  });

  it("break off visibly when reading fails, and let go of the file when the client leaves", async () => {
    const { door, caller, path } = withOutput("a", Buffer.alloc(10));
    const server = await door.listen({ host: "127.0.0.1", port: 0 });
    const read = () =>
      new Promise<IncomingMessage>((resolve, reject) => {
        get(`${server.url}${path}`, { headers: caller.header }, resolve).on("error", reject);
      });
    const { output: original } = door.corridor;
    const serve = (chunks: () => AsyncGenerator<Buffer>) => {
      const stream = Readable.from(chunks());
      door.corridor.output = async (...ask) => {
        const found = await original(...ask);
        return { output: { ...found.output, bytes: 1_000_000_000 }, stream };
      };
      return stream;
    };
    try {
      serve(async function* broken() {
        yield Buffer.alloc(100_000);
        throw new Error("blob is gone: /srv/blobs/x");
      });
      const cut = await read();
      const aborted = new Promise((resolve) => cut.on("error", resolve).resume());
      expect(await aborted).toMatchObject({ code: "ECONNRESET" });
      expect(door.logged()).toContain("blob is gone");
      const endless = serve(async function* zeros() {
        for (;;) yield Buffer.alloc(100_000);
      });
      const left = await read();
      left.on("error", () => undefined).destroy();
      await expect.poll(() => endless.destroyed, { timeout: 5000 }).toBe(true);
    } finally {
      await server.close(0);
    }
  });
});

describe("a reader that takes nothing", () => {
  it("is cut after two minutes, so that it cannot keep a file or a place open", async () => {
    const { door, caller, run } = withOutput("a", Buffer.from("x"));
    const events = { ...caller.header, accept: "text/event-stream" };
    for (const [rest, headers] of [
      ["archive", caller.header],
      ["events", events],
    ] as const) {
      const incoming = new IncomingMessage(new Socket());
      const outgoing = new ServerResponse(incoming);
      outgoing.assignSocket(incoming.socket);
      const url = `/api/runs/${run.id}/${rest}`;
      const response = await door.app.request(url, { headers }, { incoming, outgoing });
      expect(response.status).toBe(200);
      expect(incoming.socket.timeout).toBe(120_000);
      outgoing.emit("timeout");
      expect(outgoing.destroyed).toBe(true);
      await response.body?.cancel();
    }
  });
});

describe("the archive", () => {
  it("is a zip to save; before the run starts there is none", async () => {
    const { door, caller, run } = withOutput("a", Buffer.from("x"));
    const response = await door.app.request(`/api/runs/${run.id}/archive`, {
      headers: caller.header,
    });
    expect(response.headers.get("content-type")).toBe("application/zip");
    expect(response.headers.get("content-disposition")).toContain(`''${run.id}.zip`);
    expect((await response.text()).startsWith("PK")).toBe(true);
    const queued = door.addRun(caller.token.workspaceId, "queued");
    const early = await door.app.request(`/api/runs/${queued.id}/archive`, {
      headers: caller.header,
    });
    expect(early.status).toBe(409);
    expect((await bodyOf<ErrorBody>(early)).error.code).toBe("run_not_started");
  });
});

describe("attachment()", () => {
  it("keeps any name inside its value, and a client that decodes it gets a plain file name", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary" }), (name) => {
        const header = attachment(name);
        const form = /^attachment; filename="([\w.-]+)"; filename\*=UTF-8''([\w.~!%-]+)$/;
        const [, plain = "", encoded = ""] = form.exec(header) ?? [];
        expect(plain).toMatch(/^[^.]/);
        const decoded = decodeURIComponent(encoded);
        expect(decoded).not.toBe("");
        expect(decoded).not.toMatch(/[\0-\x1f/\\]/);
      }),
    );
  });

  it("tells an ordinary name as it is", () => {
    const header = attachment("Bericht (final) für 'Ünïcode'.pdf");
    const decoded = decodeURIComponent(header.split("''")[1] ?? "");
    expect(decoded).toBe("Bericht (final) für 'Ünïcode'.pdf");
  });
});
