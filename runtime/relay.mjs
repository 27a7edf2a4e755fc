/**
 * The relay: the only way out of a sandbox that may reach hosts. It joins loopback TCP inside to the egress socket of
 * the run, because no package client speaks to a unix socket.
 *
 *   /airlock/bin/node /airlock/relay.mjs <port> <socket path> <ready fd>
 *
 * It listens on 127.0.0.1:<port>, then writes "ready\n" to the descriptor (3 or more) and closes it: a command
 * that starts earlier finds a refused connection. When it cannot listen it says why on stderr and ends with 1, and the
 * descriptor closes without "ready". It decides nothing, holds no secret, and ends with the sandbox's pid namespace.
 */
import { closeSync, writeSync } from "node:fs";
import { connect, createServer } from "node:net";

const [port, path, ready] = process.argv.slice(2);

// A half-closed client still waits for its answer; without TCP_NODELAY every request would stall for 40 ms.
const server = createServer({ allowHalfOpen: true, noDelay: true }, (client) => {
  const gateway = connect({ path, allowHalfOpen: true });
  // An end that breaks has nobody to be told but the other end, which must not wait for it.
  client.on("error", () => gateway.destroy()).on("close", () => gateway.destroy());
  gateway.on("error", () => client.destroy()).on("close", () => client.destroySoon());
  client.pipe(gateway);
  gateway.pipe(client);
});

server.on("error", (error) => {
  process.stderr.write(`The relay cannot listen on 127.0.0.1:${port}: ${error.message}\n`);
  process.exit(1);
});

server.listen(Number(port), "127.0.0.1", () => {
  writeSync(Number(ready), "ready\n");
  closeSync(Number(ready));
});
