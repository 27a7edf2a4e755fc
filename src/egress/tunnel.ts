import type { Socket } from "node:net";

import { limits } from "../base/limits.ts";
import { readClientHello } from "./client-hello.ts";
import { parseHost, type Target } from "./host-name.ts";

export interface Count {
  up(bytes: number): boolean;
  down(bytes: number): boolean;
}

export type TunnelEnd = "ended" | "sni_mismatch" | "not_tls" | "bytes_limit" | "idle";

/**
 * Joins a client to the host it was allowed, once the first bytes show that TLS is meant for that same host: a front
 * that serves many names must not be a way to all of them. Resolves when both ends are closed.
 */
export async function tunnel(
  client: Socket,
  host: Socket,
  target: Target,
  count: Count,
  idleMs: number,
): Promise<TunnelEnd> {
  let end: TunnelEnd = "ended";
  const stop = (reason: TunnelEnd) => {
    if (end === "ended") end = reason;
    client.destroy();
    host.destroy();
  };
  const closed = Promise.all([client, host].map(once));
  // What one end has said before it closed still reaches the other, however slowly that one reads.
  host.on("error", () => client.destroy()).on("close", () => client.destroySoon());
  client.on("error", () => host.destroy()).on("close", () => host.destroySoon());
  for (const one of [host, client]) one.setTimeout(idleMs, () => stop("idle"));
  host.on("data", (chunk: Buffer) => {
    if (!count.down(chunk.length)) stop("bytes_limit");
  });
  host.pipe(client);

  let held: Buffer | undefined = Buffer.alloc(0);
  client.on("data", (chunk: Buffer) => {
    if (!count.up(chunk.length)) return stop("bytes_limit");
    if (held === undefined) return;
    held = Buffer.concat([held, chunk]);
    const verdict = judge(held, target);
    if (verdict === "more") return;
    if (verdict !== "good") return stop(verdict);
    const first = held;
    held = undefined;
    host.write(first);
    client.pipe(host);
  });
  client.on("end", () => {
    if (held !== undefined) host.end();
  });
  await closed;
  return end;
}

function once(stream: Socket): Promise<void> {
  if (stream.destroyed) return Promise.resolve();
  return new Promise((resolve) => stream.once("close", () => resolve()));
}

function judge(
  bytes: Buffer,
  { host, port }: Target,
): "more" | "good" | "sni_mismatch" | "not_tls" {
  const hello = readClientHello(bytes);
  // A local index on a port of its own may speak plain HTTP through a tunnel, as Node's fetch does.
  if (hello.state === "not_tls") return port === 443 ? "not_tls" : "good";
  if (hello.state === "more" && bytes.length <= limits.egressHelloBytes) return "more";
  if (hello.state !== "whole") return "sni_mismatch";
  if (hello.names.length === 0) return host.kind === "name" ? "sni_mismatch" : "good";
  return hello.names.every((name) => parseHost(name)?.text === host.text) ? "good" : "sni_mismatch";
}
