/**
 * One end of the measured way, as a process of its own, so that no two of them share a thread.
 *
 *   node network-end.ts host                    answers GET /<bytes>/<milliseconds>; prints its port
 *   node network-end.ts proxy <socket> <port>   a build network that lets that port of loopback be reached
 */
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { Readable } from "node:stream";
import { setTimeout as sleep } from "node:timers/promises";
import { systemClock } from "../src/base/clock.ts";
import { openBuildNetwork } from "../src/egress/egress.ts";

const [, , role, socket = "", port = ""] = process.argv;

function* pieces(bytes: number) {
  const piece = Buffer.alloc(256 * 1024);
  for (let left = bytes; left > 0; left -= piece.length) yield piece.subarray(0, left);
}

if (role === "host") {
  const server = createServer(async (incoming, answer) => {
    const [, bytes = "0", milliseconds = "0"] = (incoming.url ?? "").split("/");
    if (milliseconds !== "0") await sleep(Number(milliseconds));
    Readable.from(pieces(Number(bytes)), { objectMode: false }).pipe(answer);
  });
  server.listen(0, "127.0.0.1", () => {
    process.stdout.write(`${(server.address() as AddressInfo).port}\n`);
  });
} else {
  const hosts = [`127.0.0.1:${port}`];
  const nothing = () => undefined;
  await openBuildNetwork({
    ...{ socket, hosts, privateHosts: hosts, clock: systemClock },
    limits: { downBytes: Number.MAX_SAFE_INTEGER, connectionsInAll: 1_000_000 },
    ...{ onAllowed: nothing, onDenied: nothing },
  });
  process.stdout.write("ready\n");
}
