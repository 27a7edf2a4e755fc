import { type ChildProcess, type StdioOptions, spawn } from "node:child_process";
import { once } from "node:events";
import { type AddressInfo, connect, createServer } from "node:net";
import { join, resolve } from "node:path";
import type { Readable } from "node:stream";
import type { Bench } from "./group.ts";

const root = resolve(import.meta.dirname, "..");

export interface NetworkWay {
  /** One request for so many bytes, which the host gives after so long, on a connection of its own. */
  direct(bytes: number, milliseconds: number): Promise<void>;
  /** The same, through the relay and the proxy. */
  through(bytes: number, milliseconds: number): Promise<void>;
  close(): Promise<void>;
}

/** A host on loopback, and a way to it as a sandbox has it: relay and proxy, each in its own process. */
export async function openNetworkWay(bench: Bench): Promise<NetworkWay> {
  const children: ChildProcess[] = [];
  const start = async (args: string[], said: number) => {
    const stdio: StdioOptions = ["ignore", "pipe", "inherit", "pipe"];
    const child = spawn(process.execPath, args, { stdio });
    children.push(child);
    const [line] = await once(child.stdio[said] as Readable, "data");
    return String(line).trim();
  };
  const close = async () => {
    for (const child of children) {
      const gone = child.exitCode === null ? once(child, "exit") : undefined;
      child.kill("SIGKILL");
      await gone;
    }
  };
  try {
    const socket = join(bench.newDirectory("network"), "egress.sock");
    const end = join(root, "bench/network-end.ts");
    const port = await start([end, "host"], 1);
    await start([end, "proxy", socket, port], 1);
    const relay = await freePort();
    await start([join(root, "runtime/relay.mjs"), String(relay), socket, "3"], 3);
    const ask = (bytes: number, milliseconds: number) =>
      `GET /${bytes}/${milliseconds} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`;
    return {
      direct: (bytes, milliseconds) => talk(Number(port), [ask(bytes, milliseconds)], bytes),
      through: (bytes, milliseconds) =>
        talk(
          relay,
          [`CONNECT 127.0.0.1:${port} HTTP/1.1\r\nHost: x\r\n\r\n`, ask(bytes, milliseconds)],
          bytes,
        ),
      close,
    };
  } catch (error) {
    await close();
    throw error;
  }
}

/** Says each line when the one before was answered; done when the other end has closed. */
function talk(port: number, lines: string[], bytes: number): Promise<void> {
  return new Promise((resolve, reject) => {
    const client = connect({ host: "127.0.0.1", port, noDelay: true });
    let got = 0;
    let at = 0;
    client.write(lines[at] ?? "");
    client.on("data", (chunk: Buffer) => {
      got += chunk.length;
      if (at + 1 < lines.length) client.write(lines[++at] ?? "");
    });
    client.on("error", reject).on("close", () => {
      if (got >= bytes && at + 1 === lines.length) resolve();
      else reject(new Error(`The way ended after ${got} bytes of ${bytes}`));
    });
  });
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, "close");
  return port;
}
