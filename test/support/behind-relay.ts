import { spawn } from "node:child_process";
import { resolve } from "node:path";
import { networkEnvironment } from "../../src/egress/egress.ts";

const relay = resolve(import.meta.dirname, "../../runtime/relay.mjs");

/**
 * Runs a script in namespaces without a network, with the relay started first and the environment of a call that may reach
 * hosts; gives its stdout. The socket is `proxy.sock` in the folder, which is at `/run/net`.
 */
export function inside(folder: string, script: string): Promise<string> {
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
