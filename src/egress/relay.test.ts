import { spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer as createHttp } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { expect, it } from "vitest";

import { systemClock } from "../base/clock.ts";
import { openBuildNetwork } from "./build-network.ts";
import { networkEnvironment } from "./network-environment.ts";

const relay = resolve(import.meta.dirname, "../../runtime/relay.mjs");

/** Runs a script in namespaces without a network, with the relay started first; gives its stdout. */
function inside(folder: string, script: string): Promise<string> {
  const shell = `mkfifo /run/ready
    "$NODE" "$RELAY" 3128 "$SOCKET" 3 3>/run/ready & read line </run/ready; ${script}`;
  const child = spawn(
    "bwrap",
    [
      "--unshare-all",
      "--die-with-parent",
      "--ro-bind",
      "/",
      "/",
      "--dev",
      "/dev",
      // Not over the system's temporary directory, in which the checkout itself may lie.
      "--tmpfs",
      "/run",
    ].concat(["--ro-bind", folder, "/run/net", "sh", "-c", shell]),
    {
      stdio: ["ignore", "pipe", "inherit"],
      env: {
        PATH: process.env.PATH,
        NODE: process.execPath,
        RELAY: relay,
        SOCKET: "/run/net/proxy.sock",
        ...networkEnvironment({ port: 3128, caBundle: "/etc/ssl/certs/ca-certificates.crt" }),
      },
    },
  );
  return new Promise((done, fail) => {
    let heard = "";
    child.stdout.setEncoding("utf8").on("data", (chunk: string) => {
      heard += chunk;
    });
    child.on("error", fail).on("close", () => done(heard));
  });
}

it("is the way out of a sandbox without a network, to a listed host and to no other", async () => {
  const folder = mkdtempSync(join(tmpdir(), "airlock-relay-"));
  const server = createHttp((_incoming, answer) => answer.end("served"));
  await new Promise<void>((listening) => server.listen(0, "127.0.0.1", listening));
  const hosts = [`index.test:${(server.address() as AddressInfo).port}`];
  const network = await openBuildNetwork({
    socket: join(folder, "proxy.sock"),
    hosts,
    privateHosts: hosts,
    clock: systemClock,
    resolver: async () => ["127.0.0.1"],
    onAllowed: () => undefined,
    onDenied: () => undefined,
  });
  try {
    expect(await inside(folder, `curl -sS -m 10 http://${hosts[0]}/`)).toBe("served");
    const refused = await inside(folder, "curl -sS -m 10 http://evil.test/");
    expect(refused).toMatch(
      /evil\.test:80 \(not_listed\): add "evil\.test" to the hosts of NetworkAccess/,
    );
  } finally {
    await network.close();
    server.closeAllConnections();
    server.close();
    rmSync(folder, { recursive: true });
  }
}, 30_000);
