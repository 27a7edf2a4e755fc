import { once } from "node:events";
import type { RequestListener } from "node:http";
import { text } from "node:stream/consumers";
import { afterEach, describe, expect, it } from "vitest";
import type { Zone } from "../../test/support/name-server.ts";
import { limits } from "../base/limits.ts";
import { openNameSink } from "./name-sink.testing.ts";
import { UpstreamRefused } from "./upstream-refused.ts";
import { answerOf, ask, openUpstreamTests } from "./upstreams.testing.ts";

const { open, http, https, tcp, closeAfter, close } = openUpstreamTests();
afterEach(close);

async function refusalOf(asking: Promise<unknown>): Promise<UpstreamRefused> {
  const error = await asking.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  if (error instanceof UpstreamRefused) return error;
  throw new Error(`Expected a refusal, not ${error}`);
}

async function openNames(zone: Zone) {
  const names = await openNameSink(zone);
  closeAfter(() => names.close());
  return names;
}

describe("names that lead to private addresses", () => {
  it("are refused in whatever place of the answer one stands, of either kind, and nothing is dialled (H09)", async () => {
    const host = await https((_asked, answer) => answer.end("reached"), ["rebind.test"]);
    const answers = [
      ["127.0.0.1"],
      ["::1"],
      ["1.1.1.1", "127.0.0.1"],
      ["127.0.0.1", "1.1.1.1"],
      ["1.1.1.1", "::1"],
      ["2606:4700::1111", "10.0.0.1"],
      ["1.1.1.1", "2606:4700::1111", "::ffff:127.0.0.1"],
      ["169.254.169.254"],
      ["fd00:ec2::254"],
      ["0.0.0.0"],
    ];
    for (const [at, answer] of answers.entries()) {
      const { resolver } = await openNames(() => answer);
      const { upstreams } = open({ resolver });
      const refused = await refusalOf(ask(upstreams, `https://n${at}.rebind.test:${host.port}`));
      expect([answer, refused.reason]).toEqual([answer, "private_address"]);
    }
    expect(host.connections()).toBe(0);
  });

  it("are refused behind an alias (H09)", async () => {
    const host = await http((_asked, answer) => answer.end("reached"));
    const names = await openNames((name) =>
      name === "public.test" ? ["metadata.google.internal", "127.0.0.1"] : ["127.0.0.1"],
    );
    const { upstreams } = open(names);
    const refused = await refusalOf(ask(upstreams, `https://public.test:${host.port}`));
    expect(refused.reason).toBe("private_address");
    expect(host.connections()).toBe(0);
  });

  it("are asked for once: an answer that changes the next time changes nothing (H09)", async () => {
    const host = await https((_asked, answer) => answer.end("reached"), ["rebind.test"]);
    // The first answer is let through by the operator's list, and each later one is another host's.
    const names = await openNames((_name, question) => (question === 1 ? ["127.0.0.1"] : ["::1"]));
    const { upstreams } = open({ ...names, privateHosts: [`127.0.0.1:${host.port}`] });
    const { body, address } = await ask(upstreams, `https://rebind.test:${host.port}`);
    expect([body, address]).toEqual(["reached", "127.0.0.1"]);
    expect(names.asked.sort()).toEqual(["A rebind.test", "AAAA rebind.test"]);
    // The next connection asks again, and is checked again.
    const next = await refusalOf(ask(upstreams, `https://rebind.test:${host.port}`));
    expect(next.reason).toBe("private_address");
    expect(host.connections()).toBe(1);
  });

  it("are refused when a name that was public answers with loopback the second time (H09)", async () => {
    const host = await http((_asked, answer) => answer.end("reached"));
    // 127.0.0.2 stands for a public address: the operator lists it, and nobody listens there.
    const names = await openNames((_name, nth) => (nth === 1 ? ["127.0.0.2"] : ["127.0.0.1"]));
    const { upstreams } = open({ ...names, privateHosts: ["127.0.0.2"] });
    const url = `https://rebind.test:${host.port}`;
    expect((await refusalOf(ask(upstreams, url))).reason).toBe("unreachable");
    expect((await refusalOf(ask(upstreams, url))).reason).toBe("private_address");
    expect(host.connections()).toBe(0);
  });
});

describe("a listed private host", () => {
  it("is reached by TLS for the name of the URL, and its address is told", async () => {
    const { port } = await https((asked, answer) => answer.end(asked.headers.host), ["api.test"]);
    const { upstreams, asked } = open({ privateHosts: [`api.test:${port}`] });
    expect(await ask(upstreams, `https://api.test:${port}`)).toEqual({
      ...{ status: 200, body: `api.test:${port}`, address: "127.0.0.1" },
    });
    expect(asked).toEqual(["api.test"]);
  });

  it("is reached without TLS only when its own name is listed", async () => {
    const { port, connections } = await http((_asked, answer) => answer.end("reached"));
    const url = `http://api.test:${port}`;
    const byName = open({ privateHosts: [`api.test:${port}`] });
    expect((await ask(byName.upstreams, url)).body).toBe("reached");
    // Over https the network would do; in plain text the name could be anybody's.
    const byNetwork = open({ privateHosts: ["127.0.0.0/8"] });
    expect((await refusalOf(ask(byNetwork.upstreams, url))).reason).toBe("not_listed");
    const otherPort = open({ privateHosts: [`api.test:${port + 1}`] });
    expect((await refusalOf(ask(otherPort.upstreams, url))).reason).toBe("not_listed");
    expect([...byNetwork.asked, ...otherPort.asked]).toEqual([]);
    expect(connections()).toBe(1);
  });

  it("is dialled where its URL says, whatever Host and path a request has", async () => {
    const seen: unknown[] = [];
    const { port } = await http((asked, answer) => {
      seen.push([asked.url, asked.headers.host]);
      answer.end();
    });
    const { upstreams, asked } = open({ privateHosts: [`api.test:${port}`] });
    const headers = { host: "evil.test" };
    await ask(upstreams, `http://api.test:${port}`, { path: "http://evil.test/", headers });
    expect(seen).toEqual([["http://evil.test/", "evil.test"]]);
    expect(asked).toEqual(["api.test"]);
  });
});

describe("hosts that are refused", () => {
  it("by name cost no DNS query, so none of a secret leaves in one (H23)", async () => {
    const names = await openNames(() => ["127.0.0.1"]);
    const { upstreams } = open(names);
    for (const url of [
      "https://nbswy3dpeb3w64tmmq.localhost",
      "https://nbswy3dpeb3w64tmmq.internal",
      "https://nbswy3dpeb3w64tmmq",
      "http://nbswy3dpeb3w64tmmq.evil.test",
      "https://a_b.evil.test",
      "https://user:nbswy3dpeb3w64tmmq@evil.test",
    ]) {
      expect((await refusalOf(ask(upstreams, url))).reason).toBe("not_listed");
    }
    expect(names.asked).toEqual([]);
    await refusalOf(ask(upstreams, "https://asked.example"));
    expect(names.asked).toContain("A asked.example");
  });

  it("are told apart from those that are not there, or do not answer", async () => {
    const dead = await tcp(() => undefined);
    const privateHosts = ["127.0.0.0/8"];
    const { upstreams } = open({ privateHosts, connectMs: 1_000 });
    const silent = await refusalOf(ask(upstreams, `https://api.test:${dead.port}`));
    expect([silent.reason, silent.address]).toEqual(["timed_out", "127.0.0.1"]);
    const { resolver } = await openNames(() => []);
    const nameless = open({ privateHosts, resolver });
    const gone = await refusalOf(ask(nameless.upstreams, "https://api.test"));
    expect([gone.reason, gone.isFinal]).toEqual(["not_found", false]);
    const closed = await refusalOf(ask(upstreams, "https://api.test:1"));
    expect(closed.reason).toBe("unreachable");
  });
});

describe("the connections of an upstream", () => {
  const counting = () =>
    http((asked, answer) =>
      answer.end(`${asked.socket.remotePort} ${asked.headers.authorization}`),
    );

  it("are kept for the next request of the same owner, and never given to another (H20)", async () => {
    const host = await counting();
    const { upstreams } = open({ privateHosts: [`api.test:${host.port}`] });
    const url = new URL(`http://api.test:${host.port}`);
    const owners = ["Bearer one", "Bearer two"].map((authorization) => {
      const pool = upstreams.open(url);
      return async () => {
        const answer = await answerOf(pool.request({ headers: { authorization } }));
        return text(answer);
      };
    });
    const [one = async () => "", two = async () => ""] = owners;
    const said = [await one(), await two(), await one(), await two()];
    expect(said[2]).toBe(said[0]);
    expect(said[3]).toBe(said[1]);
    expect(said.map((each) => each.split(" Bearer ")[1])).toEqual(["one", "two", "one", "two"]);
    expect(host.connections()).toBe(2);
  });

  it("are at most as many as the limit at once; one beyond is refused, and may be made later", async () => {
    const held: (() => void)[] = [];
    const host = await http((_asked, answer) => void held.push(() => answer.end()));
    const { upstreams } = open({ privateHosts: [`api.test:${host.port}`] });
    const pool = upstreams.open(new URL(`http://api.test:${host.port}`));
    const all = Array.from({ length: limits.upstreamConnections + 5 }, () =>
      answerOf(pool.request({})).then(
        (answer) => void answer.resume(),
        (error: unknown) => error,
      ),
    );
    const refused = (await Promise.all(all.slice(limits.upstreamConnections))).map((error) =>
      error instanceof UpstreamRefused ? error.reason : error,
    );
    expect(refused).toEqual(Array(5).fill("connections_limit"));
    await expect.poll(() => held.length).toBe(limits.upstreamConnections);
    for (const answer of held.splice(0)) answer();
    await Promise.all(all);
    const later = answerOf(pool.request({}));
    await expect.poll(() => held.length).toBe(1);
    held[0]?.();
    expect((await later).statusCode).toBe(200);
    expect(host.connections()).toBe(limits.upstreamConnections);
  });

  it.each(["http", "https"])(
    "that the upstream has ended are not used again: %s",
    async (scheme) => {
      const reached: RequestListener = (_asked, answer) => answer.end("reached");
      const host = scheme === "http" ? await http(reached) : await https(reached, ["api.test"]);
      const { upstreams } = open({ privateHosts: [`api.test:${host.port}`] });
      const pool = upstreams.open(new URL(`${scheme}://api.test:${host.port}`));
      for (let i = 1; i <= 3; i++) {
        const answer = await answerOf(pool.request({}));
        const closed = once(answer.socket, "close");
        await once(answer.resume(), "end");
        host.endAll();
        await closed;
        expect(host.connections()).toBe(i);
      }
    },
  );

  it("are cut with the pool, and with all pools; later requests are refused and dial nothing", async () => {
    const host = await http((_asked, answer) => void answer.write("begun"));
    const { upstreams, asked } = open({ privateHosts: [`api.test:${host.port}`] });
    const url = new URL(`http://api.test:${host.port}`);
    const [one, two] = [upstreams.open(url), upstreams.open(url)];
    const answers = [await answerOf(one.request({})), await answerOf(two.request({}))];
    const cuts = answers.map((answer) => once(answer.resume(), "error"));
    one.close();
    await cuts[0];
    expect(answers[1]?.destroyed).toBe(false);
    expect((await refusalOf(answerOf(one.request({})))).reason).toBe("call_ended");
    upstreams.close();
    await cuts[1];
    expect((await refusalOf(answerOf(two.request({})))).reason).toBe("call_ended");
    expect((await refusalOf(ask(upstreams, url.href))).reason).toBe("call_ended");
    expect(asked).toHaveLength(2);
  });

  it("that are being made end with the request that they are for", async () => {
    const cut = Promise.withResolvers<void>();
    const host = await tcp((socket) => void socket.on("close", () => cut.resolve()).resume());
    const { upstreams } = open({ privateHosts: [`api.test:${host.port}`] });
    const gone = new AbortController();
    const url = `https://api.test:${host.port}`;
    const asking = ask(upstreams, url, { signal: gone.signal });
    await expect.poll(() => host.connections()).toBe(1);
    gone.abort();
    expect((await refusalOf(asking)).reason).toBe("call_ended");
    await cut.promise;
  });
});
