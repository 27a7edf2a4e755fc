import { mkdtempSync, rmSync } from "node:fs";
import { createServer as createHttp } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it } from "vitest";
import { inside } from "../../test/support/behind-relay.ts";
import { systemClock } from "../base/clock.ts";
import { openBuildNetwork } from "./build-network.ts";

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
