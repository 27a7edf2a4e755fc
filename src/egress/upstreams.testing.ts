/** What the tests of upstreams share: open ones, hosts on loopback with certificates, and what one request came to. */

import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import type { ClientRequest, IncomingMessage, RequestListener } from "node:http";
import { createServer as createHttp } from "node:http";
import { createServer as createHttps, type ServerOptions } from "node:https";
import { type AddressInfo, createServer as createTcp, type Server, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { buffer } from "node:stream/consumers";

import { openTestAuthority, type TestAuthority } from "../../test/support/test-authority.ts";
import { systemClock } from "../base/clock.ts";
import { openLog } from "../base/log.ts";
import type { UpstreamRequest } from "./upstream-pool.ts";
import { openUpstreams, type Upstreams, type UpstreamsOptions } from "./upstreams.ts";

export interface Answered {
  status: number;
  body: string;
  address: string | null;
}

export interface Listening {
  port: number;
  /** How many were ever made. */
  connections(): number;
  endAll(): void;
}

export function openUpstreamTests() {
  const closers: (() => unknown)[] = [];
  let authority: TestAuthority | undefined;

  async function listening(server: Server): Promise<Listening> {
    const open = new Set<Socket>();
    let connections = 0;
    server.on("connection", (socket) => {
      connections++;
      open.add(socket);
      socket.on("error", () => socket.destroy()).on("close", () => open.delete(socket));
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    closers.push(() => {
      for (const socket of open) socket.destroy();
      server.close();
    });
    return {
      port: (server.address() as AddressInfo).port,
      connections: () => connections,
      endAll: () => {
        for (const socket of open) socket.end();
      },
    };
  }

  const directory = () => {
    const path = mkdtempSync(join(tmpdir(), "airlock-upstreams-"));
    closers.push(() => rmSync(path, { recursive: true }));
    return path;
  };
  const trusted = () => {
    authority ??= openTestAuthority(directory());
    return authority;
  };
  return {
    async close() {
      for (const close of closers.splice(0).reverse()) await close();
      authority = undefined;
    },
    closeAfter: (closer: () => unknown) => void closers.push(closer),
    directory,
    /** The authority that `open` trusts. */
    trusted,
    /** Every name is at 127.0.0.1 unless the options have a resolver of their own. `asked` are the names looked up. */
    open(options: Partial<UpstreamsOptions> = {}): { upstreams: Upstreams; asked: string[] } {
      const asked: string[] = [];
      const upstreams = openUpstreams({
        privateHosts: [],
        clock: systemClock,
        log: openLog("silent"),
        ...(authority ? { authorities: [readFileSync(authority.certificate, "utf8")] } : {}),
        ...options,
        async resolver(name) {
          asked.push(name);
          return options.resolver ? options.resolver(name) : ["127.0.0.1"];
        },
      });
      closers.push(() => upstreams.close());
      return { upstreams, asked };
    },
    http: (answer: RequestListener) => listening(createHttp(answer)),
    /** With a certificate of `trusted` for these names, unless the options have their own. */
    https(answer: RequestListener, names: string[], options: ServerOptions = {}) {
      return listening(createHttps({ ...trusted().issue(...names), ...options }, answer));
    },
    listening,
    tcp: (answer: (socket: Socket) => void) => listening(createTcp(answer)),
  };
}

/** One request to the end of its answer, over a pool of its own unless one is given. */
export async function ask(
  upstreams: Pick<Upstreams, "open">,
  url: string,
  options: UpstreamRequest = {},
): Promise<Answered> {
  const upstream = upstreams.open(new URL(url));
  const asking = upstream.request({ path: "/", ...options });
  const answer = await answerOf(asking);
  const address = upstream.addressOf(asking);
  const body = (await buffer(answer)).toString();
  return { status: answer.statusCode ?? 0, body, address };
}

export function answerOf(asking: ClientRequest): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    asking.once("response", resolve).once("error", reject).end();
  });
}
