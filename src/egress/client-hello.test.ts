import { connect as connectTcp, createServer } from "node:net";
import { connect } from "node:tls";
import fc from "fast-check";
import { expect, it } from "vitest";

import { readClientHello } from "./client-hello.ts";

/** The first bytes that Node's own TLS sends for a server name. */
async function helloFor(servername: string): Promise<Buffer> {
  const server = createServer();
  await new Promise<void>((listening) => server.listen(0, "127.0.0.1", listening));
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("No port was given");
  const bytes = new Promise<Buffer>((resolve) => {
    server.once("connection", (socket) =>
      socket.on("error", () => socket.destroy()).once("data", resolve),
    );
  });
  const client = connect({ socket: connectTcp(address.port, "127.0.0.1"), servername });
  client.on("error", () => client.destroy());
  const hello = await bytes;
  client.destroy();
  server.close();
  return hello;
}

it("a hello of a real TLS client says its server name, and every part of it asks for more", async () => {
  const hello = await helloFor("good.example");
  expect(readClientHello(hello)).toEqual({ state: "whole", names: ["good.example"] });
  for (let end = 0; end < hello.length; end += 1) {
    expect(readClientHello(hello.subarray(0, end)).state).toBe("more");
  }
});

it("bytes of an enemy never throw", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 300 }), (noise) => {
      const head = Buffer.from([22, 3, 1, 0, noise.length & 255, 1, 0, 0, noise.length & 255]);
      readClientHello(Buffer.concat([head, noise]));
    }),
  );
});
