/**
 * An internet of one process, in namespaces of its own: a name server on port 53 and a host on port 443 of the loopback,
 * and at one public address that is the machine's own; nothing else. Opens a build network there with the machine's real resolver, says what the arguments say to it, and
 * prints what was asked, recorded and received.
 *
 *   node small-internet.ts '{"hosts": [...], "privateHosts": [...], "bytes": ["CONNECT ...", ...], "limits": {...}}'
 */
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { connect, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { systemClock } from "../../src/base/clock.ts";
import { openBuildNetwork } from "../../src/egress/egress.ts";
import { openNameServer } from "./name-server.ts";

const publicAddress = "93.184.216.34";
const ownAddress = "199.7.83.42";

/** As an administrator would with `ip`, which not every machine has. */
const addAddress = [
  "import fcntl, socket, struct",
  "request = struct.pack('16sHH4s8x', b'lo:1', socket.AF_INET, 0, socket.inet_aton('ADDRESS'))",
  "fcntl.ioctl(socket.socket(socket.AF_INET, socket.SOCK_DGRAM), 0x8916, request)",
].join("\n");

function zone(name: string, question: number): string[] | undefined {
  switch (name) {
    case "public.test":
      return [publicAddress];
    case "own.test":
      return [ownAddress];
    case "rebind.test":
      return question === 1 ? [publicAddress] : ["127.0.0.1"];
    case "mixed.test":
      return [publicAddress, "::1"];
    case "alias.test":
      return ["inner.test", "127.0.0.1"];
    case "local.test":
      return ["127.0.0.1"];
    case "silent.test":
      return undefined;
    default:
      return [];
  }
}

const { bytes, ...options } = JSON.parse(process.argv[2] ?? "{}");
const folder = mkdtempSync(join(tmpdir(), "airlock-internet-"));
execFileSync("python3", ["-c", addAddress.replace("ADDRESS", ownAddress)]);
const names = await openNameServer(zone);
let met = 0;
let received = 0;
const host = createServer((peer) => {
  met += 1;
  peer
    .on("error", () => peer.destroy())
    .on("data", (chunk) => {
      received += chunk.length;
    });
});
await new Promise<void>((resolve) => host.listen(443, resolve));
const allowed: unknown[] = [];
const denied: unknown[] = [];
const socket = join(folder, "egress.sock");
const network = await openBuildNetwork({
  ...{ socket, clock: systemClock, ...options },
  onAllowed: (record) => allowed.push(record),
  onDenied: (record) => denied.push(record),
});
const heard: string[] = [];
for (const each of bytes) {
  const client = connect(socket);
  client.on("error", () => client.destroy()).write(each);
  heard.push(await text(client));
}
await network.close();
host.close();
names.close();
rmSync(folder, { recursive: true });
process.stdout.write(JSON.stringify({ asked: names.asked, heard, allowed, denied, met, received }));
