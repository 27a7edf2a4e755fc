import { connect, type Socket } from "node:net";

import { limits } from "../base/limits.ts";
import { hostText, type Target } from "./host-name.ts";

/**
 * Connects to the first address that answers; each has its share of the time, so that a silent one does not use up that
 * of its neighbours. Only addresses that were checked are given, so nothing is resolved here.
 */
export async function dial(
  addresses: string[],
  port: number,
  withinMs: number,
  signal: AbortSignal,
): Promise<Socket> {
  let last: unknown;
  for (const address of addresses) {
    try {
      return await connected(
        connect({ host: address, port, noDelay: true, allowHalfOpen: true }),
        withinMs / addresses.length,
        signal,
      );
    } catch (error) {
      signal.throwIfAborted();
      last = error;
    }
  }
  throw last;
}

/** Resolves once connected; the socket is destroyed when it does not, in time or at all. */
function connected(socket: Socket, withinMs: number, signal: AbortSignal): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const abort = () => socket.destroy(new Error("Nobody waits for the connection any more"));
    const settle = () => {
      socket.setTimeout(0).off("error", fail).off("timeout", late);
      signal.removeEventListener("abort", abort);
    };
    const fail = (error: Error) => {
      settle();
      reject(error);
    };
    const late = () => socket.destroy(new Error("The host did not answer in time"));
    socket.once("connect", () => {
      settle();
      resolve(socket);
    });
    socket.setTimeout(Math.max(1, Math.ceil(withinMs)), late).once("error", fail);
    if (signal.aborted) abort();
    else signal.addEventListener("abort", abort, { once: true });
  });
}

/**
 * Connects through the proxy that the gateway's own host needs. That proxy resolves the name, so the check of the
 * address is its duty then; rules about the name and about address literals were applied before.
 */
export async function dialThrough(
  proxy: URL,
  target: Target,
  withinMs: number,
  signal: AbortSignal,
): Promise<Socket> {
  const host = proxy.hostname.replace(/^\[|\]$/g, "");
  const socket = await dial([host], Number(proxy.port || 80), withinMs, signal);
  const authority = `${hostText(target)}:${target.port}`;
  const user = `${decodeURIComponent(proxy.username)}:${decodeURIComponent(proxy.password)}`;
  const login =
    proxy.username === ""
      ? ""
      : `Proxy-Authorization: Basic ${Buffer.from(user).toString("base64")}\r\n`;
  socket.write(`CONNECT ${authority} HTTP/1.1\r\nHost: ${authority}\r\n${login}\r\n`);
  try {
    const head = await readHead(socket, signal);
    if (!/^HTTP\/1\.[01] 2\d\d/.test(head)) throw new Error("The upstream proxy refused the host");
    return socket;
  } catch (error) {
    socket.destroy();
    throw error;
  }
}

function readHead(socket: Socket, signal: AbortSignal): Promise<string> {
  return new Promise((resolve, reject) => {
    let bytes = Buffer.alloc(0);
    const end = (error?: Error) => {
      socket.off("readable", read).off("error", end).off("end", ended);
      signal.removeEventListener("abort", ended);
      if (error) reject(error);
    };
    const ended = () => end(new Error("The upstream proxy closed the connection"));
    if (signal.aborted) ended();
    const read = () => {
      for (let chunk = socket.read(); chunk !== null; chunk = socket.read()) {
        bytes = Buffer.concat([bytes, chunk]);
      }
      const at = bytes.indexOf("\r\n\r\n");
      if (at < 0 && bytes.length <= limits.egressHeadBytes) return;
      end(at < 0 ? new Error("The upstream proxy answered with too long a head") : undefined);
      if (at < 0) return;
      // What follows the head is the host's already.
      if (at + 4 < bytes.length) socket.unshift(bytes.subarray(at + 4));
      resolve(bytes.toString("latin1", 0, at));
    };
    socket.on("readable", read).on("error", end).on("end", ended);
    signal.addEventListener("abort", ended, { once: true });
  });
}
