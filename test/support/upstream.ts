import {
  createServer,
  type IncomingHttpHeaders,
  type IncomingMessage,
  type ServerResponse,
} from "node:http";
import { createServer as createTlsServer } from "node:https";
import type { AddressInfo } from "node:net";
import { buffer } from "node:stream/consumers";

export interface Arrived {
  method: string;
  url: string;
  headers: IncomingHttpHeaders;
  /** Name, value, name, value, as they were sent. */
  rawHeaders: string[];
  body: Buffer;
}

export interface Upstream {
  /** `http://127.0.0.1:PORT`, or `https`; `host` is for AIRLOCK_PRIVATE_HOSTS. */
  url: string;
  host: string;
  /** Everything that really came. */
  arrived: Arrived[];
  close(): Promise<void>;
}

/** An HTTP API on loopback, over TLS when it has a certificate, that keeps what it was sent and answers as it is told. */
export async function openUpstream(
  answer: (request: Arrived, response: ServerResponse) => void = (_, response) =>
    void response.writeHead(200, { "content-type": "application/json" }).end('{"ok":true}'),
  tls?: { key: Buffer; cert: Buffer },
  port = 0,
): Promise<Upstream> {
  const arrived: Arrived[] = [];
  const take = async (incoming: IncomingMessage, response: ServerResponse) => {
    const { method = "", url = "", headers, rawHeaders } = incoming;
    const request = { method, url, headers, rawHeaders, body: await buffer(incoming) };
    arrived.push(request);
    answer(request, response);
  };
  const server = tls === undefined ? createServer(take) : createTlsServer(tls, take);
  await new Promise<void>((resolve) => server.listen(port, "127.0.0.1", resolve));
  const host = `127.0.0.1:${(server.address() as AddressInfo).port}`;
  return {
    url: `${tls === undefined ? "http" : "https"}://${host}`,
    ...{ host, arrived },
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

/** Says what came back to front: proof that every byte made the way there and back. */
export function backToFront({ body, url }: Arrived, response: ServerResponse): void {
  const head = { "content-type": "application/octet-stream", etag: '"one"' };
  response
    .writeHead(url.includes("/absent") ? 404 : 200, head)
    .end(body.length === 0 ? "nothing came" : Buffer.from(body).reverse());
}

/** The values of a header as they came: more than one when it came more than once. */
export function valuesOf({ rawHeaders }: Arrived, name: string): string[] {
  return rawHeaders.filter((_, at) => at % 2 === 1 && rawHeaders[at - 1]?.toLowerCase() === name);
}
