/**
 * A host that counts who comes: what a test holds against the claim that nothing was reached. It speaks just enough HTTP
 * to answer, on an address of the loopback that only an operator's rule lets a run reach.
 */
import { createSocket, type Socket } from "node:dgram";
import { once } from "node:events";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";

export interface NetworkSink {
  /** `127.0.0.3:PORT`. */
  host: string;
  port: number;
  url: string;
  /**
   * The path of every request, `connection` for each connection that never asked for one, and `datagram` for each
   * datagram to the same port: a name server would count the same.
   */
  hits(): string[];
  close(): void;
}

/** Opens a sink on an address of its own, so that sinks of one test differ by more than a port. */
export async function openSink(address = "127.0.0.3", port = 0): Promise<NetworkSink> {
  const hits: string[] = [];
  const server = createServer((request, response) => {
    hits.push(request.url ?? "");
    response.end("reached\n");
  });
  let connections = 0;
  let requests = 0;
  server.on("connection", () => {
    connections += 1;
  });
  server.on("request", () => {
    requests += 1;
  });
  const datagrams = await listen(server, address, port);
  datagrams.on("message", () => hits.push("datagram"));
  const bound = (server.address() as AddressInfo).port;
  const host = address.includes(":") ? `[${address}]:${bound}` : `${address}:${bound}`;
  return {
    ...{ host, port: bound, url: `http://${host}` },
    hits: () => [...hits, ...Array<string>(Math.max(0, connections - requests)).fill("connection")],
    close() {
      server.closeAllConnections();
      server.close();
      datagrams.close();
    },
  };
}

/** Listens for both on one port. Without a wanted one, a port that is free for one of them may be taken for the other. */
async function listen(server: Server, address: string, wanted: number): Promise<Socket> {
  for (let attempt = 1; ; attempt += 1) {
    server.listen(wanted, address);
    await once(server, "listening");
    const { port } = server.address() as AddressInfo;
    const datagrams = createSocket(address.includes(":") ? "udp6" : "udp4");
    datagrams.bind(port, address);
    try {
      await once(datagrams, "listening");
      return datagrams;
    } catch (error) {
      datagrams.close();
      server.close();
      if (wanted !== 0 || attempt === 5) throw error;
      await once(server, "close");
    }
  }
}
