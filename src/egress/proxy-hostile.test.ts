import { brotliCompressSync, deflateRawSync, gzipSync, zstdCompressSync } from "node:zlib";
import { afterEach, describe, expect, test } from "vitest";
import { residentBytes } from "../../test/support/resident-memory.ts";
import { limits } from "../base/limits.ts";
import { answerHeaders } from "./answer-headers.ts";
import {
  type Asking,
  call,
  chunk,
  chunkedHead,
  forEver,
  framed,
  openAnswerTests,
  type Script,
  unread,
} from "./proxy-answer.testing.ts";
import { redactor } from "./redact.ts";

const { upstream, close } = openAnswerTests();
afterEach(close);

const MiB = 1024 * 1024;

/** Of one call: what it came to, and how much memory the process took in addition. The upstream is in it too. */
async function measured(script: Script, asking: Asking = {}) {
  const { port, allClosed } = await upstream(script);
  const before = residentBytes(process.pid);
  const outcome = await call(port, asking);
  const grown = residentBytes(process.pid) - before;
  await allClosed();
  return { ...outcome, grown };
}

const zeros = Buffer.alloc(64 * MiB);
const say = (text: string) => (socket: Parameters<Script>[0]) => socket.write(text);
const sayAndEnd = (text: string | Buffer) => (socket: Parameters<Script>[0]) => socket.end(text);

describe("an answer without end", () => {
  const whole = { bytes: MiB, truncated: true };

  test.each<[string, Script]>([
    [
      "of ten billion bytes",
      (socket) => {
        socket.write("HTTP/1.1 200 OK\r\nContent-Length: 10000000000\r\n\r\n");
        forEver(socket, Buffer.alloc(64 * 1024, "a"));
      },
    ],
    [
      "in chunks",
      (socket) => {
        socket.write(`${chunkedHead}\r\n`);
        forEver(socket, chunk("a".repeat(10_000)));
      },
    ],
    [
      "in chunks of one byte",
      (socket) => {
        socket.write(`${chunkedHead}\r\n`);
        forEver(socket, Buffer.concat(Array.from({ length: 2000 }, () => chunk("a"))));
      },
    ],
    [
      "until the connection is closed",
      (socket) => {
        socket.write("HTTP/1.1 200 OK\r\n\r\n");
        forEver(socket, Buffer.alloc(64 * 1024, "a"));
      },
    ],
    ...(
      [
        ["gzip", gzipSync(zeros, { level: 1 })],
        ["deflate", deflateRawSync(zeros, { level: 1 })],
        ["br", brotliCompressSync(zeros)],
        ["zstd", zstdCompressSync(zeros)],
      ] as const
    ).map(([encoding, bomb]): [string, Script] => [
      `of a ${encoding} bomb`,
      (socket) => {
        socket.write(`HTTP/1.1 200 OK\r\nContent-Encoding: ${encoding}\r\n\r\n`);
        forEver(socket, bomb);
      },
    ]),
  ])(
    "%s is cut at the cap, in little memory, and the connection is gone (H16)",
    async (_name, script) => {
      const { answer, error, body, grown } = await measured(script);
      expect(error).toBeUndefined();
      expect({ bytes: answer?.bytes(), truncated: answer?.truncated() }).toEqual(whole);
      expect(body.length).toBe(MiB);
      expect(grown).toBeLessThan(128 * MiB);
    },
  );

  test("a bomb is not unpacked further than its reader has read (H16)", async () => {
    const bomb = gzipSync(zeros, { level: 1 });
    const { port } = await upstream((socket) => {
      socket.write("HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n");
      forEver(socket, bomb);
    });
    const abort = new AbortController();
    const charged: number[] = [];
    const reading = call(port, {
      ...{ signal: abort.signal, maxBytes: 2 ** 33 },
      charge(bytes) {
        charged.push(bytes);
        if (charged.length === 10) abort.abort(new Error("the reader stops"));
        return bytes;
      },
    });
    expect(await reading).toMatchObject({ error: new Error("the reader stops") });
    expect(charged.length).toBe(10);
    expect(Math.max(...charged)).toBeLessThanOrEqual(64 * 1024);
  });

  test("of compressed nothing is cut: it would never reach the cap (H16)", async () => {
    // A stored block without content, again and again.
    const nothing = Buffer.from("0000ffff00".repeat(10_000), "hex").subarray(0, -1);
    const { code, body } = await measured((socket) => {
      socket.write("HTTP/1.1 200 OK\r\nContent-Encoding: deflate\r\n\r\n");
      const block = Buffer.concat([Buffer.of(0), nothing]);
      forEver(socket, block);
    });
    expect(code).toBe("upstream_error");
    expect(body.length).toBe(0);
  });
});

describe("a head that is too large", () => {
  test.each<[string, string]>([
    ["one header of a megabyte", `X-Long: ${"a".repeat(MiB)}\r\n`],
    ["a hundred thousand headers", "X-A: 1\r\n".repeat(100_000)],
    ["more headers than anybody sends", "X-A: 1\r\n".repeat(limits.proxyAnswerHeaders + 1)],
    ["more headers than Node counts", "X: 1\r\n".repeat(3000)],
  ])("because of %s is refused, and the connection is gone (H16)", async (_name, lines) => {
    const script = say(`HTTP/1.1 200 OK\r\n${lines}Content-Length: 2\r\n\r\nok`);
    const { code, body } = await measured(script);
    expect(code).toBe("exceeded_cap");
    expect(body.length).toBe(0);
  });

  test("is one that never ends, too (H16)", async () => {
    const script: Script = (socket) => {
      socket.write("HTTP/1.1 200 OK\r\n");
      forEver(socket, Buffer.from("X-A: 1\r\n".repeat(100)));
    };
    expect(await measured(script)).toMatchObject({ code: "exceeded_cap" });
  });

  test("is not one that is just large enough", async () => {
    const script = say(
      `HTTP/1.1 200 OK\r\nX-Long: ${"a".repeat(60_000)}\r\nContent-Length: 2\r\n\r\nok`,
    );
    const { port } = await upstream(script);
    expect((await call(port)).headers?.["x-long"]?.length).toBe(60_000);
  });
});

describe("what is no answer", () => {
  test.each<[string, string]>([
    ["HTTP/0.9", "<html>hello</html>\r\n"],
    ["nothing at all", ""],
    ["half a head", "HTTP/1.1 200 OK\r\nContent-Type: text/pl"],
    ["another protocol", "SSH-2.0-OpenSSH_9.6\r\n"],
    [
      "a change of protocol",
      "HTTP/1.1 101 Switching Protocols\r\nUpgrade: h2c\r\nConnection: Upgrade\r\n\r\n",
    ],
    ["no known status", "HTTP/1.1 999 Odd\r\nContent-Length: 0\r\n\r\n"],
    ["a status of no class", "HTTP/1.1 042 Odd\r\nContent-Length: 0\r\n\r\n"],
    [
      "interim answers one after the other",
      `${"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n".repeat(20)}${framed("late")}`,
    ],
    [
      "requests to go on one after the other",
      `${"HTTP/1.1 100 Continue\r\n\r\n".repeat(20)}${framed("late")}`,
    ],
    ["two lengths", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nokk"],
    [
      "a length and chunks",
      "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    ],
    ["a length with a sign", "HTTP/1.1 200 OK\r\nContent-Length: +2\r\n\r\nok"],
    [
      "a bare CR in a header",
      "HTTP/1.1 200 OK\r\nX-A: 1\rSet-Cookie: a=b\r\nContent-Length: 2\r\n\r\nok",
    ],
    [
      "a bare LF in a header",
      "HTTP/1.1 200 OK\r\nX-A: 1\nSet-Cookie: a=b\r\nContent-Length: 2\r\n\r\nok",
    ],
    ["a folded header", "HTTP/1.1 200 OK\r\nX-A: 1\r\n X-B: 2\r\nContent-Length: 2\r\n\r\nok"],
    ["a NUL in a header", "HTTP/1.1 200 OK\r\nX-A: 1\0\r\nContent-Length: 2\r\n\r\nok"],
    [
      "a control character in a header",
      "HTTP/1.1 200 OK\r\nX-A: 1\x1b[2J\r\nContent-Length: 2\r\n\r\nok",
    ],
    ["a name with a space", "HTTP/1.1 200 OK\r\nX A: 1\r\nContent-Length: 2\r\n\r\nok"],
    ["a header without a name", "HTTP/1.1 200 OK\r\n: 1\r\nContent-Length: 2\r\n\r\nok"],
  ])(
    "%s is an error of the upstream, and nothing of it is passed on (H16, H17)",
    async (_name, text) => {
      const { code, body, headers, error } = await measured(sayAndEnd(text));
      expect({ code, headers, body: body.length }).toEqual({
        code: "upstream_error",
        headers: undefined,
        body: 0,
      });
      expect(String(error)).not.toMatch(/Cookie|hello|SSH/);
    },
  );

  test.each([
    ["X-A", "1\r\nSet-Cookie: a=b"],
    ["X-A", "1\n"],
    ["X-A", "1\0"],
    ["X-A", "1\x1b[2J"],
    ["X-A\r\nSet-Cookie", "a=b"],
    ["X A", "1"],
    ["", "1"],
  ])("%j: %j is no header, whatever a parser says (H17)", (name, value) => {
    const read = () => answerHeaders(["X-B", "2", name, value], redactor([]));
    expect(read).toThrow("invalid header");
    expect(answerHeaders(["X-B", "2"], redactor([]))).toEqual([["x-b", "2"]]);
  });

  test("interim answers before the one that counts are passed over, as HTTP demands", async () => {
    const early =
      "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nSet-Cookie: a=b\r\n\r\n";
    const { port } = await upstream((socket) =>
      socket.end(Buffer.concat([Buffer.from(early), framed("ok")])),
    );
    expect(await call(port)).toMatchObject({ status: 200, headers: {}, body: Buffer.from("ok") });
  });
});

describe("an answer that breaks off", () => {
  const secret = "Zq9-canary-Xw7";
  const begun = "begun, Zq9-canary-Xw";
  const packed = gzipSync(Buffer.from("begun, and a good deal more than that".repeat(1000)));

  test.each<[string, string | Buffer]>([
    ["before its length", `HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n${begun}`],
    ["before its last chunk", `${chunkedHead}\r\n14\r\n${begun}\r\n`],
    ["within a chunk", `${chunkedHead}\r\nff\r\n${begun}`],
    ["with an invalid chunk", `${chunkedHead}\r\n14\r\n${begun}\r\nxyz\r\nmore\r\n`],
    ["with a chunk of no end", `${chunkedHead}\r\n14\r\n${begun}\r\n${"f".repeat(40)}\r\n`],
    [
      "with endless words beside a chunk",
      `${chunkedHead}\r\n14;${"x".repeat(MiB)}\r\n${begun}\r\n0\r\n\r\n`,
    ],
    [
      "with trailers of a megabyte",
      `${chunkedHead}\r\n14\r\n${begun}\r\n0\r\nX-T: ${"a".repeat(MiB)}\r\n\r\n`,
    ],
    [
      "in the middle of gzip",
      Buffer.concat([
        Buffer.from(`HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n`),
        packed.subarray(0, packed.length - 20),
      ]),
    ],
    ["by what is no gzip", framed("this is no gzip at all", "Content-Encoding: gzip")],
  ])("%s is an error, and what may be half a secret is not shown (H16)", async (_name, bytes) => {
    const { code, body, answer } = await measured(sayAndEnd(bytes), {
      redactor: redactor([secret]),
    });
    expect(code).toBe("upstream_error");
    expect(body.toString()).not.toContain("Zq9");
    expect(answer?.truncated()).toBe(false);
  });

  test("by the cap or the budget does not show half a secret either (H15)", async () => {
    const { port } = await upstream((socket) => socket.write(framed(`begun, ${secret}, and more`)));
    for (let cap = 8; cap < 7 + secret.length; cap++) {
      const capped = await call(port, { redactor: redactor([secret]), maxBytes: cap });
      expect(capped.body.toString()).toBe("begun, ");
      expect(capped.answer?.truncated()).toBe(true);
      const charge = (bytes: number) => Math.min(bytes, cap);
      const poor = await call(port, { redactor: redactor([secret]), charge });
      expect(poor.body.toString()).toBe("begun, ");
      expect(poor.answer?.bytes()).toBe(cap);
    }
  });
});

describe("an upstream that takes its time", () => {
  test.each<[string, Script]>([
    ["says nothing", () => undefined],
    ["stops in its head", say("HTTP/1.1 200 OK\r\nX-A:")],
    ["stops in its body", say("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc")],
    ["stops in a chunk", say(`${chunkedHead}\r\n5\r\nab`)],
    [
      "stops in gzip",
      (socket) =>
        socket.write(framed(gzipSync("x".repeat(99)), "Content-Encoding: gzip").subarray(0, -4)),
    ],
    [
      "sends a byte now and then",
      (socket) => {
        socket.write("HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n");
        const timer = setInterval(() => socket.write("a"), 5);
        socket.on("close", () => clearInterval(timer));
      },
    ],
  ])("and %s is left when the caller's time is over (H16)", async (_name, script) => {
    const over = new Error("the time is over");
    const abort = new AbortController();
    const found = await measured(
      (socket) => {
        script(socket);
        setTimeout(() => abort.abort(over), 30);
      },
      { signal: abort.signal },
    );
    expect(found.error).toBe(over);
  });

  test("does not keep its connection when nobody reads what it said (H16)", async () => {
    const abort = new AbortController();
    const { port, allClosed } = await upstream((socket) => {
      socket.write("HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\nabc");
    });
    const { response, answer } = await unread(port, abort.signal);
    expect(answer.body).not.toBeNull();
    abort.abort(new Error("over"));
    await allClosed();
    expect(response.destroyed).toBe(true);
  });
});
