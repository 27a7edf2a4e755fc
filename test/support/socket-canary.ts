/** Sockets of the host that count who comes: nobody in a run may ever reach one. */
import { randomUUID } from "node:crypto";
import { createSocket } from "node:dgram";
import { once } from "node:events";
import { chmodSync } from "node:fs";
import { connect, createServer, type Server } from "node:net";

export interface SocketCanary {
  name: string;
  port: number;
  /** For a unix socket. */
  path: string;
  hits(): number;
  /** Reaches it from the host, as the control: the count goes up. */
  touch(): Promise<void>;
  close(): Promise<void>;
}

/** TCP on one address of the host. */
export async function listenTcp(address: string): Promise<SocketCanary> {
  const counter = countingServer();
  counter.server.listen(0, address);
  await once(counter.server, "listening");
  const bound = counter.server.address();
  const port = typeof bound === "object" && bound !== null ? bound.port : 0;
  return asCanary(`tcp ${address}`, { port, path: "" }, counter, { host: address, port });
}

/** A unix socket: a path that all may connect to, or an abstract name that starts with NUL. */
export async function listenUnix(path: string): Promise<SocketCanary> {
  const counter = countingServer();
  counter.server.listen({ path });
  await once(counter.server, "listening");
  if (!path.startsWith("\0")) chmodSync(path, 0o777);
  return asCanary(`unix ${path.replace("\0", "@")}`, { port: 0, path }, counter, { path });
}

export function newAbstractName(): string {
  return `\0airlock-canary-${randomUUID()}`;
}

function countingServer() {
  let count = 0;
  const server = createServer((socket) => {
    count += 1;
    socket.on("error", () => socket.destroy());
    socket.end("CANARY\n");
  });
  return { server, hits: () => count };
}

function asCanary(
  name: string,
  place: { port: number; path: string },
  counter: { server: Server; hits: () => number },
  target: { host: string; port: number } | { path: string },
): SocketCanary {
  return {
    ...place,
    ...{ name, hits: counter.hits },
    async touch() {
      const socket = connect(target);
      await once(socket, "data");
      socket.destroy();
    },
    async close() {
      counter.server.close();
      await once(counter.server, "close");
    },
  };
}

/** A datagram sink: what a name server or a log collector would be. */
export async function listenUdp(address: string): Promise<SocketCanary> {
  let count = 0;
  const type = address.includes(":") ? "udp6" : "udp4";
  const socket = createSocket(type);
  socket.on("message", () => {
    count += 1;
  });
  socket.bind(0, address);
  await once(socket, "listening");
  const { port } = socket.address();
  return {
    ...{ name: `udp ${address}`, port, path: "", hits: () => count },
    async touch() {
      const sender = createSocket(type);
      const arrived = once(socket, "message");
      sender.send("control", port, address);
      await arrived;
      sender.close();
    },
    async close() {
      socket.close();
      await once(socket, "close");
    },
  };
}
