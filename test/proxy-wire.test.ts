/** The protocol of endpoints from end to end: what a program gives the client is what the proxy is asked for, to the byte. */
import fc from "fast-check";
import { describe, expect, it, onTestFinished } from "vitest";
import { readProtocol } from "../src/egress/proxy-protocol.ts";
import type { ProxyCallRequest, ProxyRoom } from "../src/http/http.ts";
import { AirlockClient } from "../src/sdk/sdk.ts";
import { openFrontDoor } from "./support/front-door.ts";

async function openWire() {
  let got: ProxyCallRequest | undefined;
  let body = Buffer.alloc(0);
  const proxy: ProxyRoom = {
    calls: async () => ({ rows: [], more: false }),
    async call(request) {
      got = request;
      body = Buffer.concat(request.body === null ? [] : await Array.fromAsync(request.body));
      return { status: 200, headers: { "content-type": "application/json" }, body: "{}" };
    },
  };
  const door = openFrontDoor({ proxy });
  const server = await door.listen({ host: "127.0.0.1", port: 0 });
  onTestFinished(() => server.close(0));
  const { secret, token } = door.token();
  const client = new AirlockClient({ token: secret, baseUrl: server.url });
  const run = client.run(door.addRun(token.workspaceId).id);
  const read = () => {
    if (got === undefined) throw new Error("Nothing came");
    const { endpoint, headers, signal } = got;
    const asked = { endpoint, signal, door: "api" as const, body: null };
    return { ...readProtocol({ ...asked, headers: [...headers] }), bytes: body };
  };
  return { run, read };
}

const text = fc.string({ unit: "binary", maxLength: 20 });
const word = fc.string({
  unit: fc.constantFrom(..."abcXYZ019-_"),
  minLength: 1,
  maxLength: 12,
});

describe("a call of the client", () => {
  it("arrives with every character of its query, headers and body as it was", async () => {
    const { run, read } = await openWire();
    await fc.assert(
      fc.asyncProperty(
        fc.dictionary(fc.oneof(word, text), fc.oneof(text, fc.array(text, { maxLength: 3 })), {
          maxKeys: 4,
        }),
        fc.dictionary(word, text, { maxKeys: 4 }),
        fc.uint8Array({ maxLength: 200 }),
        fc.constantFrom("GET", "POST", "DELETE" as const),
        async (query, headers, bytes, method) => {
          const path = "/v1/a%20b;c=d";
          await run.proxy("api", { method, path, query, headers, body: bytes });
          const arrived = read();
          expect([arrived.method, arrived.path, arrived.endpoint]).toEqual([method, path, "api"]);
          const wanted = Object.entries(query).flatMap(([name, values]) =>
            [values].flat().map((value) => [name, value]),
          );
          const pairs = arrived.query === "" ? [] : arrived.query.split("&");
          expect(pairs.map((pair) => pair.split("=").map(decodeURIComponent))).toEqual(wanted);
          const lowerCased = Object.entries(headers).map(([name, value]) => [
            name.toLowerCase(),
            value,
          ]);
          expect(Object.fromEntries(arrived.headers)).toEqual(Object.fromEntries(lowerCased));
          expect(arrived.bytes.equals(bytes)).toBe(true);
        },
      ),
      { numRuns: 150 },
    );
  });
});
