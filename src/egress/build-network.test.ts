import { mkdtempSync, rmSync, statSync } from "node:fs";
import { createServer as createHttp, request } from "node:http";
import { type AddressInfo, connect, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { connect as connectTls } from "node:tls";
import { afterEach, describe, expect, it } from "vitest";

import { systemClock } from "../base/clock.ts";
import {
  type BuildNetworkOptions,
  type EgressAllowed,
  type EgressDenied,
  openBuildNetwork,
} from "./build-network.ts";

const closers: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

async function open(options: Partial<BuildNetworkOptions>) {
  const folder = mkdtempSync(join(tmpdir(), "airlock-egress-"));
  closers.push(() => rmSync(folder, { recursive: true }));
  const socket = join(folder, "net", "proxy.sock");
  const allowed: EgressAllowed[] = [];
  const denied: EgressDenied[] = [];
  const asked: string[] = [];
  const network = await openBuildNetwork({
    socket,
    hosts: [],
    clock: systemClock,
    resolver: async (name) => {
      asked.push(name);
      return ["127.0.0.1"];
    },
    onAllowed: (record) => allowed.push(record),
    onDenied: (record) => denied.push(record),
    ...options,
  });
  closers.push(() => network.close());
  return { socket, allowed, denied, asked, network };
}

/** A plain HTTP server that answers with the Host it was asked for. */
async function upstream(): Promise<number> {
  const server = createHttp((incoming, answer) => answer.end(`host ${incoming.headers.host}`));
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  closers.push(
    () => server.closeAllConnections(),
    () => server.close(),
  );
  return (server.address() as AddressInfo).port;
}

/** Sends bytes as they are, and gives all that comes back until the end. */
function talk(path: string, bytes: string): Promise<string> {
  return new Promise((resolve) => {
    let heard = "";
    const client: Socket = connect(path);
    client.on("data", (chunk: Buffer) => {
      heard += chunk.toString("latin1");
    });
    client.on("error", () => client.destroy()).on("close", () => resolve(heard));
    client.write(bytes);
  });
}

describe("the build network", () => {
  it("refuses a host that is not listed without asking DNS, and names it", async () => {
    const { socket, asked, denied } = await open({ hosts: ["example.org"] });
    const heard = await talk(socket, "CONNECT secret.evil.test:443 HTTP/1.1\r\nHost: x\r\n\r\n");
    expect(heard).toMatch(/^HTTP\/1\.1 403 .*secret\.evil\.test:443/);
    expect(asked).toEqual([]);
    expect(denied).toEqual([{ host: "secret.evil.test", port: 443, reason: "not_listed" }]);
  });

  it("refuses a listed name that has one private address among public ones", async () => {
    const resolver = async () => ["93.184.216.34", "127.0.0.1"];
    const { socket, denied } = await open({ hosts: ["example.org"], resolver });
    await talk(socket, "CONNECT example.org:443 HTTP/1.1\r\nHost: example.org\r\n\r\n");
    expect(denied).toEqual([{ host: "example.org", port: 443, reason: "private_address" }]);
  });

  it("forwards plain HTTP to a private host that the operator listed, with the URI's Host", async () => {
    const port = await upstream();
    const hosts = [`index.test:${port}`];
    const { socket, allowed } = await open({ hosts, privateHosts: hosts });
    const heard = await new Promise<string>((resolve, reject) => {
      const url = `http://index.test:${port}/simple`;
      const asking = request({ socketPath: socket, path: url, headers: { host: "other.test" } });
      asking.on("error", reject).on("response", (response) => {
        response.setEncoding("utf8").on("data", resolve);
      });
      asking.end();
    });
    expect(heard).toBe(`host index.test:${port}`);
    await expect.poll(() => allowed).toHaveLength(1);
    expect(allowed[0]).toMatchObject({ host: "index.test", port, address: "127.0.0.1" });
  });

  it("tunnels to the port that the rule names and reports the bytes", async () => {
    const port = await upstream();
    const hosts = [`index.test:${port}`];
    const { socket, allowed } = await open({ hosts, privateHosts: ["127.0.0.0/8"] });
    const heard = await talk(
      socket,
      `CONNECT index.test:${port} HTTP/1.1\r\nHost: x\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n`,
    );
    expect(heard).toContain("host a");
    await expect.poll(() => allowed).toHaveLength(1);
    expect(allowed[0]?.bytes_up).toBeGreaterThan(30);
  });

  it("cuts a tunnel whose TLS is meant for another host, before a byte of it is sent", async () => {
    const port = await upstream();
    const hosts = [`index.test:${port}`];
    const { socket, denied, allowed } = await open({ hosts, privateHosts: hosts });
    const client = connect(socket);
    client.write(`CONNECT index.test:${port} HTTP/1.1\r\nHost: x\r\n\r\n`);
    await new Promise((resolve) => client.once("data", resolve));
    const tls = connectTls({ socket: client, servername: "other.test" });
    await new Promise((resolve) => tls.once("error", resolve));
    await expect.poll(() => denied).toEqual([{ host: "index.test", port, reason: "sni_mismatch" }]);
    expect(allowed).toEqual([]);
  });

  it("answers garbage with 400 and lives on", async () => {
    const { socket } = await open({ hosts: ["*"] });
    for (const line of [
      "CONNECT a@b:443",
      "CONNECT a%2eb:443",
      "GET /",
      "GET http://a@b/",
      "CONNECT :1",
    ]) {
      expect(await talk(socket, `${line} HTTP/1.1\r\nHost: x\r\n\r\n`)).toMatch(/^HTTP\/1\.1 400/);
    }
  });

  it("leaves no socket behind and cuts an open tunnel when it closes", async () => {
    const port = await upstream();
    const hosts = [`127.0.0.1:${port}`];
    const { socket, network } = await open({ hosts, privateHosts: hosts });
    const client = connect(socket);
    const cut = new Promise<void>((resolve) =>
      client.on("error", resolve).on("close", () => resolve()),
    );
    client.write(`CONNECT 127.0.0.1:${port} HTTP/1.1\r\nHost: x\r\n\r\n`);
    await new Promise((resolve) => client.once("data", resolve));
    await network.close();
    await cut;
    expect(() => statSync(socket)).toThrow("ENOENT");
  });
});
