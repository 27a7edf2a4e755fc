import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { afterEach, describe, expect, it } from "vitest";
import { openFrontDoor } from "../../test/support/front-door.ts";
import type { VerifyReport } from "../contract/upkeep.ts";
import { checkHost } from "./host-check.ts";
import type { Listening } from "./listen.ts";

/* What no HTTP client would send is sent over a bare socket. */

const open: Listening[] = [];
/** Taken before anything was served. */
const own = { Request: globalThis.Request, Response: globalThis.Response };
afterEach(async () => {
  for (const server of open.splice(0)) await server.close(0);
});

async function serve(door = openFrontDoor()) {
  const server = await door.listen({ host: "127.0.0.1", port: 0 });
  open.push(server);
  return { door, server };
}

async function raw(port: number, text: string): Promise<string> {
  const socket = connect(port, "127.0.0.1");
  socket.on("error", () => undefined);
  socket.write(text);
  return await received(socket);
}

async function received(socket: Socket): Promise<string> {
  let text = "";
  socket.on("data", (chunk) => {
    text += chunk;
  });
  await once(socket, "close");
  return text;
}

const report: VerifyReport = {
  ...{ ok: true, runs: 0, events: 0, blobs: 0, bytes: 0, layers: 0 },
  defects: [],
};

describe("requests that are hardly HTTP", () => {
  it.each([
    ["garbage", "\x00\x01\x02\r\n\r\n", 400],
    ["TLS", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", 400],
    [
      "two lengths",
      "POST /api/gc HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
      400,
    ],
    [
      "a length and chunks",
      "POST /api/gc HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
      400,
    ],
    [
      "an odd transfer coding",
      "POST /api/gc HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: xchunked\r\n\r\n",
      400,
    ],
    ["a space before the colon", "GET /healthz HTTP/1.1\r\nHost : localhost\r\n\r\n", 400],
    ["a folded header", "GET /healthz HTTP/1.1\r\nHost: localhost\r\nX: a\r\n b\r\n\r\n", 400],
    ["bare line feeds", "GET /healthz HTTP/1.1\nHost: localhost\n\n", 400],
    ["headers without end", `GET /healthz HTTP/1.1\r\nX: ${"x".repeat(20_000)}`, 431],
    ["no host", "GET /healthz HTTP/1.1\r\nConnection: close\r\n\r\n", 400],
    ["a broken host", "GET /healthz HTTP/1.1\r\nHost: a b\r\nConnection: close\r\n\r\n", 400],
    [
      "another host",
      "GET /healthz HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n",
      400,
    ],
    [
      "a host in the target",
      "GET http://evil.example/healthz HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n",
      400,
    ],
  ])(
    "%s: an error in our shape with a request id, and the connection ends",
    async (_name, text, status) => {
      const { server } = await serve();
      const answer = await raw(server.port, text);
      expect(answer).toMatch(new RegExp(`^HTTP/1.1 ${status} `));
      expect(answer).toMatch(/x-request-id: req_[0-9a-z]{26}\r\n/i);
      const body = answer.slice(answer.indexOf("\r\n\r\n") + 4);
      expect(JSON.parse(body.slice(body.indexOf("{"), body.lastIndexOf("}") + 1))).toMatchObject({
        error: { code: "invalid_request", message: expect.stringMatching(/^[A-Z].*[^.]$/) },
      });
    },
  );

  it("garbage in the middle of an answer cuts it, and puts nothing of ours into it", async () => {
    const { door, server } = await serve();
    const { header, token } = door.token();
    const run = door.addRun(token.workspaceId);
    door.append(run.id, "run.started");
    const socket = connect(server.port, "127.0.0.1");
    socket.write(
      `GET /api/runs/${run.id}/events HTTP/1.1\r\nHost: localhost\r\nAccept: text/event-stream\r\n` +
        `Authorization: ${header.authorization}\r\n\r\n`,
    );
    await once(socket, "data");
    const rest = received(socket);
    socket.write("\x00garbage\r\n\r\n");
    expect(await rest).not.toContain("HTTP/1.1");
    await expect.poll(() => door.following(), { timeout: 5000 }).toBe(0);
  });

  it("an upgrade is not followed", async () => {
    const { server } = await serve();
    const answer = await raw(
      server.port,
      "GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: upgrade, close\r\nUpgrade: websocket\r\n\r\n",
    );
    expect(answer).toMatch(/^HTTP\/1.1 200 /);
  });
});

describe("checkHost()", () => {
  it.each([
    ["localhost"],
    ["LOCALHOST:7475"],
    ["127.0.0.1:1"],
    ["[::1]:7475"],
    ["[::1]"],
    ["127.0.0.2"],
  ])("lets %s pass on a loopback address", (host) => {
    expect(() => checkHost(host, "127.0.0.2")).not.toThrow();
  });

  it.each([
    [undefined],
    [""],
    ["evil.example"],
    ["localhost.evil.example"],
    ["evil.example:7475"],
    ["127.0.0.1.evil.example"],
    ["127.0.0.1:7475@evil.example"],
    ["localhost:"],
    ["::1"],
    ["[::1"],
    ["127.0.0.3"],
    ["localhost:7475, evil.example"],
  ])("refuses %s on a loopback address: a name that was pointed at us", (host) => {
    expect(() => checkHost(host, "127.0.0.1")).toThrow(/Cannot serve the host/);
  });

  it("lets every name pass on an address that the operator opened to others", () => {
    expect(() => checkHost("airlock.example", "0.0.0.0")).not.toThrow();
  });
});

describe("listen()", () => {
  it("tells where it serves, and refuses a taken address in a sentence", async () => {
    const { server } = await serve();
    expect(server.url).toBe(`http://127.0.0.1:${server.port}`);
    expect((await fetch(`${server.url}/healthz`)).status).toBe(200);
    const second = openFrontDoor().listen({ host: "127.0.0.1", port: server.port });
    await expect(second).rejects.toThrow(/^Cannot listen on 127.0.0.1:\d+: /);
  });

  it("does not replace the Request and Response of the process", async () => {
    await serve();
    expect(globalThis.Request).toBe(own.Request);
    expect(globalThis.Response).toBe(own.Response);
  });
});

describe("close()", () => {
  async function verifying() {
    const asked = Promise.withResolvers<void>();
    const answer = Promise.withResolvers<VerifyReport>();
    const verify = () => {
      asked.resolve();
      return answer.promise;
    };
    const upkeep = { verify, gc: () => Promise.reject(), doctor: () => Promise.reject() };
    const { door, server } = await serve(openFrontDoor({ upkeep }));
    const { header } = door.token({ scopes: ["admin"] });
    const response = fetch(`${server.url}/api/verify`, { method: "POST", headers: header });
    response.catch(() => undefined);
    await asked.promise;
    return { door, server, response, finish: () => answer.resolve(report) };
  }

  it("waits for what is under way, lets nothing new in, and then ends at once", async () => {
    const { server, response, finish } = await verifying();
    let closed = false;
    const closing = server.close(60_000).then(() => {
      closed = true;
    });
    await expect(fetch(`${server.url}/healthz`)).rejects.toThrow();
    expect(closed).toBe(false);
    finish();
    expect((await response).status).toBe(200);
    await closing;
  });

  it("cuts what takes longer than it was given", async () => {
    const { door, server, response } = await verifying();
    const closing = server.close(5000);
    await door.clock.sleeping(5000);
    door.clock.advance(5000);
    await closing;
    await expect(response).rejects.toThrow();
  });

  it("does not wait for connections that only idle", async () => {
    const { server } = await serve();
    const idle = connect(server.port, "127.0.0.1");
    await once(idle, "connect");
    const gone = received(idle);
    await server.close(60_000);
    expect(await gone).toBe("");
  });

  it("refuses with 503 what still comes over a connection that is open for another answer", async () => {
    const { door, server, response, finish } = await verifying();
    const closing = server.close(60_000);
    const late = await door.app.request("/api/runs", { headers: door.token().header });
    expect(late.status).toBe(503);
    expect(late.headers.get("retry-after")).not.toBeNull();
    expect((await door.app.request("/readyz")).status).toBe(503);
    expect((await door.app.request("/healthz")).status).toBe(200);
    finish();
    await response;
    await closing;
  });
});
