/**
 * A host that counts who comes: what a test holds against the claim that nothing was reached. It speaks just enough HTTP
 * to answer, on an address of the loopback that only an operator's rule lets a run reach.
 */
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";

export interface NetworkSink {
  /** `127.0.0.3:PORT`. */
  host: string;
  url: string;
  /** The path of every request, and `connection` for each connection that never said anything. */
  hits(): string[];
  close(): void;
}

/** Opens a sink on an address of its own, so that sinks of one test differ by more than a port. */
export async function openSink(address = "127.0.0.3"): Promise<NetworkSink> {
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
  await new Promise<void>((resolve) => server.listen(0, address, resolve));
  const { port } = server.address() as AddressInfo;
  return {
    host: `${address}:${port}`,
    url: `http://${address}:${port}`,
    hits: () => [...hits, ...Array<string>(Math.max(0, connections - requests)).fill("connection")],
    close() {
      server.closeAllConnections();
      server.close();
    },
  };
}
