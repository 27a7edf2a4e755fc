/**
 * The relay: the only way out of a sandbox that may reach hosts. It joins loopback TCP inside to the egress socket of
 * the run, because no package client speaks to a unix socket.
 *
 *   /airlock/bin/node /airlock/relay.mjs <port> <socket path> <ready fd>
 *
 * It listens on 127.0.0.1:<port>, then writes "ready\n" to the descriptor (3 or more) and closes it: a command
 * that starts earlier finds a refused connection. When it cannot listen it says why on stderr and ends with 1, and the
 * descriptor closes without "ready". It decides nothing, holds no secret, and ends with the sandbox's pid namespace.
 *
 * An index that the machine's configuration has on its own loopback, such as localhost:4873, is at the same place inside,
 * because no client asks a proxy for its own loopback. The proxy decides about it as about any host.
 */
import { closeSync, existsSync, readFileSync, writeSync } from "node:fs";
import { connect, createServer } from "node:net";

const [port, path, ready] = process.argv.slice(2);
const loopbackFile = "/airlock-config/loopback";
const headMax = 65_536;

/** Joins what comes in at an address to the egress socket; `begin` says something there before the client does. */
function join(begin, host, port) {
  // A half-closed client still waits for its answer; without TCP_NODELAY every request would stall for 40 ms.
  const server = createServer({ allowHalfOpen: true, noDelay: true }, (client) => {
    const gateway = connect({ path, allowHalfOpen: true });
    // An end that breaks has nobody to be told but the other end, which must not wait for it.
    client.on("error", () => gateway.destroy()).on("close", () => gateway.destroy());
    gateway.on("error", () => client.destroy()).on("close", () => client.destroySoon());
    begin(client, gateway);
  });
  return new Promise((resolve, reject) => {
    server.once("error", reject).listen(port, host, resolve);
  });
}

function passOn(client, gateway) {
  client.pipe(gateway);
  gateway.pipe(client);
}

/** Asks the proxy for a tunnel first. A refusal goes to the client as it is: over plain HTTP it is an answer to read. */
function passOnTo(target) {
  return (client, gateway) => {
    let head = Buffer.alloc(0);
    // Cut before it has answered: there is nothing to wait for.
    const ended = () => client.end(head);
    const read = (chunk) => {
      head = Buffer.concat([head, chunk]);
      const end = head.indexOf("\r\n\r\n");
      if (end < 0 && head.length <= headMax) return;
      gateway.off("data", read).off("end", ended).pause();
      const isOpen = end >= 0 && head.toString("latin1", 0, 12) === "HTTP/1.1 200";
      client.write(isOpen ? head.subarray(end + 4) : head);
      passOn(client, gateway);
    };
    gateway.on("data", read).on("end", ended);
    gateway.write(`CONNECT ${target} HTTP/1.1\r\nHost: ${target}\r\n\r\n`);
  };
}

/** Every line is a host of this machine itself, with its port. */
const targets = existsSync(loopbackFile)
  ? readFileSync(loopbackFile, "utf8").split("\n").filter(Boolean)
  : [];

const tell = (error) => process.stderr.write(`The relay cannot listen: ${error.message}\n`);

await join(passOn, "127.0.0.1", Number(port)).catch((error) => {
  tell(error);
  process.exit(1);
});
for (const target of targets) {
  const [, host, targetPort] = /^\[?(.*?)\]?:(\d+)$/.exec(target);
  // One that cannot be had, for lack of IPv6 or because it is the relay's own port, must not cost all the others.
  const place = host === "localhost" ? "127.0.0.1" : host;
  await join(passOnTo(target), place, Number(targetPort)).catch(tell);
}
writeSync(Number(ready), "ready\n");
closeSync(Number(ready));
