/** A run of a real gateway, followed through something that keeps answers until they are whole, as some proxies do. */
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { afterAll, beforeAll, expect, it } from "vitest";
import { AirlockClient } from "../src/sdk/sdk.ts";
import { historyOf } from "./support/airlock-api.ts";
import { type Director, openDirector } from "./support/directed-run.ts";
import { type StartedGateway, startGateway } from "./support/start-gateway.ts";

let director: Director;
let gateway: StartedGateway;
let proxy: Server;
let url: string;
const streams = { asked: 0 };

beforeAll(async () => {
  director = await openDirector();
  gateway = await startGateway({ env: director.env });
  proxy = createServer(async (request, response) => {
    if (request.headers.accept === "text/event-stream") streams.asked += 1;
    const gone = new AbortController();
    response.on("close", () => gone.abort());
    const { authorization = "", accept = "" } = request.headers;
    try {
      const answer = await fetch(`${gateway.url}${request.url}`, {
        headers: { authorization, accept },
        signal: gone.signal,
      });
      const type = answer.headers.get("content-type") ?? "";
      response.writeHead(answer.status, { "content-type": type }).flushHeaders();
      response.end(await answer.text());
    } catch (error) {
      if (!gone.signal.aborted) throw error;
    }
  });
  await new Promise<void>((resolve) => proxy.listen(0, "127.0.0.1", resolve));
  url = `http://127.0.0.1:${(proxy.address() as AddressInfo).port}`;
});
afterAll(async () => {
  proxy.closeAllConnections();
  await new Promise((resolve) => proxy.close(resolve));
  await gateway.stop();
  await director.close();
});

it("brings every event once and in order, up to the last", async () => {
  const directed = await director.open(gateway);
  const client = new AirlockClient({ baseUrl: url, token: gateway.token, idleTimeoutMs: 200 });
  const first = Promise.withResolvers<void>();
  const seen: unknown[] = [];
  const following = (async () => {
    for await (const event of client.stream(directed.id, { intervalMs: 20 })) {
      seen.push(event);
      first.resolve();
    }
  })();
  // What comes from here on comes while the stream is kept back.
  await first.promise;
  for (const command of ["true", "echo one", "echo two"]) {
    await directed.call("sandbox_exec", { command });
  }
  await directed.end();
  await following;
  const history = await historyOf(gateway, directed.id);
  const last = history.findIndex(({ type }) => type === "run.finished");
  expect(seen).toEqual(history.slice(0, last + 1));
  expect(streams.asked).toBe(1);
});
