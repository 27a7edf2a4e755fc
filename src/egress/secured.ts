import type { Socket } from "node:net";
import {
  connect,
  createSecureContext,
  getCACertificates,
  type SecureContext,
  type TLSSocket,
} from "node:tls";

import type { Target } from "./host-name.ts";

/**
 * TLS towards an upstream, verified for the host of its URL, whatever the environment says of TLS (H19). `authorities`
 * are PEM, beside those that Node trusts. What it gives rejects with Node's error, and then destroys the socket.
 */
export function openSecured(
  authorities: readonly string[],
): (socket: Socket, target: Target, signal: AbortSignal) => Promise<TLSSocket> {
  // Once, and for the first connection: with authorities of its own it takes as long as a handshake.
  let made: SecureContext | undefined;
  const contextOf = () => {
    made ??= createSecureContext({
      minVersion: "TLSv1.2",
      ...(authorities.length > 0 ? { ca: [...getCACertificates("default"), ...authorities] } : {}),
    });
    return made;
  };
  return (socket, { host }, signal) =>
    new Promise((resolve, reject) => {
      const secured = connect({
        socket,
        secureContext: contextOf(),
        // NODE_TLS_REJECT_UNAUTHORIZED=0 decides only where this is not said.
        rejectUnauthorized: true,
        ALPNProtocols: ["http/1.1"],
        // The certificate is held against `host`; a server name must not be an address.
        host: host.text,
        ...(host.kind === "name" ? { servername: host.text } : {}),
      });
      const abort = () => secured.destroy(new Error("Nobody waits for the connection any more"));
      const settle = () => {
        secured.off("error", fail).off("close", ended);
        signal.removeEventListener("abort", abort);
      };
      const fail = (error: Error) => {
        settle();
        socket.destroy();
        reject(error);
      };
      const ended = () => fail(new Error("The host closed the connection during the handshake"));
      secured.on("error", fail).on("close", ended);
      secured.once("secureConnect", () => {
        settle();
        // Between two requests nobody listens, and an error that nobody hears would end the gateway.
        secured.on("error", () => secured.destroy());
        resolve(secured);
      });
      if (signal.aborted) abort();
      else signal.addEventListener("abort", abort, { once: true });
    });
}
