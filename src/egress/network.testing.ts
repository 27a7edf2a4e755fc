/** What the tests of the build network share: an open one, hosts on loopback, and a client that says exact bytes. */
import { mkdtempSync, rmSync } from "node:fs";
import { createServer as createHttp, type RequestListener } from "node:http";
import { type AddressInfo, connect, createServer, type Server, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { systemClock } from "../base/clock.ts";
import {
  type BuildNetwork,
  type BuildNetworkOptions,
  type EgressAllowed,
  type EgressDenied,
  openBuildNetwork,
} from "./build-network.ts";

export interface OpenNetwork {
  network: BuildNetwork;
  socket: string;
  allowed: EgressAllowed[];
  denied: EgressDenied[];
  /** The names that were looked up. */
  asked: string[];
}

export function openNetworkTests() {
  const closers: (() => unknown)[] = [];

  async function listening(server: Server): Promise<number> {
    const open = new Set<Socket>();
    server.on("connection", (socket) => {
      open.add(socket);
      socket.on("error", () => socket.destroy()).on("close", () => open.delete(socket));
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    closers.push(() => {
      for (const socket of open) socket.destroy();
      server.close();
    });
    return (server.address() as AddressInfo).port;
  }

  return {
    async close() {
      for (const close of closers.splice(0).reverse()) await close();
    },
    /** Every name is at 127.0.0.1 unless the options have a resolver of their own. */
    async open(options: Partial<BuildNetworkOptions>): Promise<OpenNetwork> {
      const folder = mkdtempSync(join(tmpdir(), "airlock-egress-"));
      closers.push(() => rmSync(folder, { recursive: true }));
      const socket = join(folder, "net", "proxy.sock");
      const [allowed, denied, asked]: [EgressAllowed[], EgressDenied[], string[]] = [[], [], []];
      const network = await openBuildNetwork({
        ...{ socket, hosts: [], clock: systemClock },
        onAllowed: (record) => allowed.push(record),
        onDenied: (record) => denied.push(record),
        ...options,
        async resolver(name) {
          asked.push(name);
          return options.resolver ? options.resolver(name) : ["127.0.0.1"];
        },
      });
      closers.push(() => network.close());
      return { network, socket, allowed, denied, asked };
    },
    /** The port of a server on loopback, which ends with the test. */
    listening,
    /** A plain HTTP server; its port. */
    http: (answer: RequestListener) => listening(createHttp(answer)),
    tcp: (answer: (socket: Socket) => void) =>
      listening(createServer({ allowHalfOpen: true }, answer)),
    /** Connects to the proxy. What it says is in `heard` when it has ended. */
    say(path: string, bytes: string | Buffer): { client: Socket; heard: Promise<string> } {
      const client = connect({ path, allowHalfOpen: true });
      closers.push(() => client.destroy());
      const parts: Buffer[] = [];
      client.on("data", (chunk: Buffer) => parts.push(chunk));
      client.on("error", () => client.destroy()).on("end", () => client.end());
      const heard = new Promise<string>((resolve) => {
        client.on("close", () => resolve(Buffer.concat(parts).toString("latin1")));
      });
      client.write(bytes);
      return { client, heard };
    },
  };
}

/** A CONNECT, with what follows it at once. */
export function tunnelTo(target: string, then = ""): string {
  return `CONNECT ${target} HTTP/1.1\r\nHost: ${target}\r\n\r\n${then}`;
}

export function heardFirst(client: Socket): Promise<string> {
  return new Promise((resolve) => {
    client.once("data", (chunk: Buffer) => resolve(chunk.toString("latin1")));
  });
}
