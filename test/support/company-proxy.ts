import { createServer, type IncomingMessage, type Server } from "node:http";
import { connect, type Socket } from "node:net";

/**
 * The proxy of a company: it wants a login (`Basic` and base64), and sends whatever it is asked for to one place, on
 * loopback. The caller lets it listen and closes it.
 */
export function makeCompanyProxy(
  login: string,
  place: { port: number; host: string },
): { server: Server; asked: string[] } {
  const asked: string[] = [];
  const server = createServer();
  server.on("connect", (incoming: IncomingMessage, client: Socket) => {
    asked.push(incoming.url ?? "");
    client.on("error", () => client.destroy());
    if (incoming.headers["proxy-authorization"] !== login) {
      client.end("HTTP/1.1 407 Proxy Authentication Required\r\n\r\n");
      return;
    }
    const host = connect(place, () => {
      client.write("HTTP/1.1 200 Connection established\r\nX-More: 1\r\n\r\n");
      client.pipe(host).pipe(client);
    });
    client.on("close", () => host.destroy());
    host.on("error", () => client.destroy());
  });
  return { server, asked };
}
