import { once } from "node:events";
import fc from "fast-check";
import { afterEach, expect, it } from "vitest";

import { openNetworkTests } from "./network.testing.ts";
import { bearer, openProxyTests } from "./proxy.testing.ts";

const networks = openNetworkTests();
const { upstream, proxy, close } = openProxyTests();
afterEach(async () => {
  await networks.close();
  await close();
});

const request = [
  ...["POST http://up.proxy/v1/x?a=1 HTTP/1.1", "Host: up.proxy", "Content-Length: 5"],
  ...["Accept: text/plain", "X-Team: 7", "\r\nhello"],
].join("\r\n");

const inserted = fc.constantFrom(
  ...["\r\n", "\n", "\r", "\0", " ", "\t", ":", ",", ";", "/", "\\", "?", "#", "@", "%", "."],
  ...["/..", "/%2e%2e", "%2f", "//", "admin", "/admin", "evil.test", "HTTP/1.1", "http://", "*"],
  ...["\r\nHost: evil.test", "\r\nAuthorization: Bearer mine", "\r\nCookie: a=b", "\x0b", "\xff"],
  ...["\r\nTransfer-Encoding: chunked", "\r\nContent-Length: 0", "\r\nConnection: authorization"],
  ...["0\r\n\r\n", "\r\nX-HTTP-Method-Override: DELETE", "&_method=DELETE", "&key=mine"],
  "GET http://up.proxy/admin HTTP/1.1\r\nHost: x\r\n\r\n",
);

const edits = fc.array(
  fc.record({
    at: fc.noBias(fc.nat({ max: request.length })),
    text: inserted,
    cut: fc.constantFrom(0, 0, 0, 1, 4),
  }),
  { minLength: 1, maxLength: 2 },
);

it("whatever bytes come, what arrives is under the policy and has our credential once (H04, H05)", async () => {
  const { baseUrl, arrived, port } = await upstream();
  const policy = { allowPathPrefixes: ["/v1/"], perCallBudget: 100_000, allowHeaders: ["x-team"] };
  const opened = proxy(baseUrl, { policy: { ...policy, allowMethods: ["POST"] } });
  const doors = { proxy: opened.proxy, runToken: "t".repeat(20), runId: "run_x" };
  const { socket, asked } = await networks.open({ hosts: [], proxy: doors });
  let passed = 0;
  await fc.assert(
    fc.asyncProperty(edits, async (changes) => {
      let bytes = request;
      for (const { at, text, cut } of changes)
        bytes = bytes.slice(0, at) + text + bytes.slice(at + cut);
      const { client, heard } = networks.say(socket, Buffer.from(bytes, "latin1"));
      // What is half a request for the gateway waits for the other half, which does not come.
      const late = once(AbortSignal.timeout(100), "abort");
      await Promise.race([once(client, "data").catch(() => undefined), heard, late]);
      client.end();
      await heard;
      for (const each of arrived.splice(0)) {
        passed += 1;
        const [path = "", query = ""] = each.url.split("?");
        expect(path).toMatch(/^\/v1\//);
        expect(path).not.toMatch(/%2e|%2f|\/\/|\\/i);
        expect(new URL(`http://up.test${path}`).pathname).toBe(path);
        expect(query).not.toMatch(/(^|&)_method/);
        expect(each.method).toBe("POST");
        const of = (name: string) =>
          each.rawHeaders.filter((_, at) => each.rawHeaders[at - 1]?.toLowerCase() === name);
        expect(of("authorization")).toEqual([`Bearer ${bearer}`]);
        expect(of("host")).toEqual([`up.test:${port}`]);
        expect([...of("cookie"), ...of("x-http-method-override")]).toEqual([]);
      }
    }),
    { numRuns: 300 },
  );
  expect(asked).toEqual([]);
  expect(passed).toBeGreaterThan(5);
  // The control: unchanged, it arrives.
  const { client } = networks.say(socket, request);
  await once(client, "data");
  expect(arrived).toMatchObject([{ url: "/v1/x?a=1", body: "hello" }]);
}, 180_000);
