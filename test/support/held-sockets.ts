import { once } from "node:events";
import { connect, type Socket } from "node:net";

/** A client that keeps to no rules: it says what it is told, reads or does not, and keeps what came. */
export interface HeldSocket {
  socket: Socket;
  received(): string;
  /** Resolves with all that was received once the gateway has closed the connection. */
  closed: Promise<string>;
}

/** Connects and sends `text`. With `reads: false` nothing is ever taken out of the socket. */
export async function holdSocket(
  url: string,
  text: string,
  { reads = true }: { reads?: boolean } = {},
): Promise<HeldSocket> {
  const { hostname, port } = new URL(url);
  const socket = connect(Number(port), hostname);
  let received = "";
  // A reset is one of the ways in which a gateway may close.
  socket.on("error", () => undefined);
  const closed = new Promise<string>((resolve) => socket.once("close", () => resolve(received)));
  if (reads) {
    socket.setEncoding("utf8").on("data", (piece: string) => {
      received += piece;
    });
  }
  await once(socket, "connect");
  socket.write(text);
  return { socket, received: () => received, closed };
}

/** The head of a request as text, for bodies that no honest client would send. */
export function requestHead(
  method: string,
  path: string,
  headers: Record<string, string> = {},
): string {
  const all = { Host: "localhost", ...headers };
  const lines = Object.entries(all).map(([name, value]) => `${name}: ${value}`);
  return `${[`${method} ${path} HTTP/1.1`, ...lines].join("\r\n")}\r\n\r\n`;
}
