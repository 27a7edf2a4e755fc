import { afterEach, describe, expect, it } from "vitest";
import { CredentialUnfit, openBearerFetch } from "./bearer-fetch.ts";
import { openUpstreamTests } from "./upstreams.testing.ts";

const { open, http, close } = openUpstreamTests();
afterEach(close);

const doorTo = (port: number, secret?: () => Promise<string>) => {
  const { upstreams } = open({ privateHosts: [`api.test:${port}`] });
  return openBearerFetch(upstreams, `http://api.test:${port}/mcp`, secret);
};

describe("a fetch with a credential", () => {
  it("spends it at its own address, in place of whatever the caller says", async () => {
    const seen: unknown[] = [];
    const { port } = await http(({ url, headers }, answer) => {
      seen.push([url, headers.authorization]);
      answer.end("ok");
    });
    let value = "first-value";
    const door = doorTo(port, async () => value);
    const headers = { Authorization: "Bearer forged" };
    await (await door.fetch({ headers })).text();
    value = "second-value";
    await (await door.fetch({})).text();
    await (await doorTo(port).fetch({ headers })).text();
    expect(seen).toEqual([
      ["/mcp", "Bearer first-value"],
      ["/mcp", "Bearer second-value"],
      ["/mcp", undefined],
    ]);
  });

  it("goes nowhere that an answer points to", async () => {
    let other = 0;
    const elsewhere = await http((_, answer) => {
      other += 1;
      answer.end();
    });
    const { port } = await http((_, answer) => {
      answer.writeHead(307, { location: `http://api.test:${elsewhere.port}/` }).end();
    });
    const answer = await doorTo(port, async () => "a-credential").fetch({ method: "POST" });
    expect([answer.status, other]).toEqual([307, 0]);
  });

  it("does not say the value of a credential that no header can carry", async () => {
    const { port, connections } = await http((_, answer) => void answer.end());
    const asked = doorTo(port, async () => "two\r\nlines-of-it").fetch({});
    const error = await asked.catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(CredentialUnfit);
    expect(String(error)).not.toContain("lines-of-it");
    expect(connections()).toBe(0);
  });

  it("is over when it is closed", async () => {
    const { port } = await http((_, answer) => void answer.end("ok"));
    const door = doorTo(port);
    await (await door.fetch({})).text();
    door.close();
    await expect(door.fetch({})).rejects.toThrow(TypeError);
  });
});
