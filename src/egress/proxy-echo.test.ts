import {
  brotliCompressSync,
  deflateRawSync,
  deflateSync,
  gzipSync,
  zstdCompressSync,
} from "node:zlib";
import { afterEach, describe, expect, test } from "vitest";
import { telling, writings } from "./encodings.testing.ts";
import { call, chunk, chunkedHead, framed, openAnswerTests } from "./proxy-answer.testing.ts";
import { redactor } from "./redact.ts";

const secret = 'Zq9+canary/Xw7="%&<é>0aB3';
const redacting = { redactor: redactor([secret]) };
const { upstream, close } = openAnswerTests();
afterEach(close);

const head = (status: string, ...lines: (string | Buffer)[]) =>
  Buffer.concat(
    [`HTTP/1.1 ${status}`, ...lines].flatMap((line) => [Buffer.from(line), Buffer.from("\r\n")]),
  );
const after = (name: string, value: string | Buffer) =>
  Buffer.concat([Buffer.from(`${name}: <<<`), Buffer.from(value), Buffer.from(">>>")]);

/** Where an upstream puts what it was given. */
const places: Record<string, (echo: Buffer) => Buffer> = {
  "the body": (echo) => framed(Buffer.concat([Buffer.from("<<<"), echo, Buffer.from(">>>")])),
  "a header": (echo) => framed("ok", after("X-Echo", echo)),
  "a gzip body": (echo) =>
    framed(
      gzipSync(Buffer.concat([Buffer.from("<<<"), echo, Buffer.from(">>>")])),
      "Content-Encoding: gzip",
    ),
  "a body in chunks of one byte": (echo) =>
    Buffer.concat([
      Buffer.from(`${chunkedHead}\r\n${chunk("<<<")}`),
      ...Array.from(echo, (byte) => chunk(Uint8Array.of(byte))),
      Buffer.from(`${chunk(">>>")}0\r\n\r\n`),
    ]),
  Location: (echo) =>
    Buffer.concat([
      head("302 Found", after("Location", echo), "Content-Length: 0"),
      Buffer.from("\r\n"),
    ]),
  "an error page": (echo) => {
    const page = Buffer.concat([
      Buffer.from("<html>no such key: <<<"),
      echo,
      Buffer.from(">>></html>"),
    ]);
    return Buffer.concat([
      head("500 Oops", `Content-Length: ${page.length}`),
      Buffer.from("\r\n"),
      page,
    ]);
  },
};

const ways = Object.entries(writings).flatMap(([name, all]) =>
  all.map((write, way) => [`${name} (${way + 1})`, write] as const),
);

describe.each(Object.entries(places))(
  "a credential that an upstream echoes in %s",
  (place, answerWith) => {
    const isHeader = place === "a header" || place === "Location";

    test.each(ways)("as %s does not come through (H15)", async (name, write) => {
      const plain = Buffer.from(write(secret));
      // A header has no line breaks; base64 is not wrapped in one.
      const echo = isHeader
        ? Buffer.from(plain.toString("latin1").replace(/[\r\n]/g, ""), "latin1")
        : plain;
      const { port } = await upstream((socket) => socket.write(answerWith(echo)));
      const { headers, body, error, code } = await call(port, redacting);
      const seen = Buffer.concat([
        Buffer.from(JSON.stringify(headers ?? {})),
        body,
        Buffer.from(String(error)),
      ]);
      const parts = telling(isHeader ? () => echo : write, secret);
      expect(isHeader || parts.length > 0).toBe(true);
      for (const part of telling(write, secret)) expect(seen.includes(part)).toBe(false);
      if (isHeader && name.startsWith("utf-16")) expect(code).toBe("upstream_error");
      else expect(seen.toString()).toMatch(/<<<.*\[redacted\].*>>>/s);
    });
  },
);

test("an echo is really there to be seen when nothing is redacted (H15)", async () => {
  for (const answerWith of Object.values(places)) {
    const echo = Buffer.from("Zq9+canary/Xw7");
    const { port } = await upstream((socket) => socket.write(answerWith(echo)));
    const { headers, body } = await call(port);
    expect(JSON.stringify(headers) + body).toContain("<<<Zq9+canary/Xw7>>>");
  }
});

test("a credential split between two writes at any place does not come through (H15)", async () => {
  const text = `before ${secret} after`;
  const bytes = Buffer.from(text);
  let at = 0;
  const { port } = await upstream((socket) => {
    socket.write(Buffer.concat([Buffer.from(`${chunkedHead}\r\n`), chunk(bytes.subarray(0, at))]));
    setImmediate(() =>
      socket.end(Buffer.concat([chunk(bytes.subarray(at)), Buffer.from("0\r\n\r\n")])),
    );
  });
  for (at = 1; at < bytes.length; at++) {
    const { body, answer } = await call(port, redacting);
    expect(body.toString()).toBe("before [redacted] after");
    expect(answer?.redacted()).toBe(true);
  }
});

test.each([
  ["gzip", gzipSync],
  ["x-gzip", gzipSync],
  ["deflate", deflateSync],
  ["deflate", deflateRawSync],
  ["br", brotliCompressSync],
  ["zstd", zstdCompressSync],
  ["GZIP", gzipSync],
] as const)(
  "a body in %s is read, redacted and said to be plain (H15)",
  async (encoding, compress) => {
    const packed = compress(Buffer.from(`before ${secret} after`));
    const { port } = await upstream((socket) =>
      socket.write(framed(packed, `Content-Encoding: ${encoding}`, "Content-Type: text/plain")),
    );
    const { headers, body, answer } = await call(port, redacting);
    expect(body.toString()).toBe("before [redacted] after");
    expect(headers).toEqual({ "content-type": "text/plain" });
    expect(answer?.bytes()).toBe(Buffer.byteLength(`before ${secret} after`));
  },
);

test.each(["compress", "gzip, br", "gzip, gzip", "toString", "aes128gcm", "identity, gzip"])(
  "a body in %j cannot be read, and is not passed on (H15)",
  async (encoding) => {
    const { port, allClosed } = await upstream((socket) =>
      socket.write(framed(gzipSync(secret), `Content-Encoding: ${encoding}`)),
    );
    expect(await call(port, redacting)).toMatchObject({
      code: "upstream_error",
      body: Buffer.alloc(0),
    });
    await allClosed();
  },
);

test.each(["gzip, chunked", "gzip", "chunked, gzip", "deflate, chunked", "identity"])(
  "a body that is sent as %j cannot be read, and is not passed on (H15)",
  async (framing) => {
    const packed = gzipSync(`before ${secret} after`);
    const { port, allClosed } = await upstream((socket) =>
      socket.end(
        Buffer.concat([
          head("200 OK", `Transfer-Encoding: ${framing}`),
          Buffer.from("\r\n"),
          chunk(packed),
          Buffer.from("0\r\n\r\n"),
        ]),
      ),
    );
    const found = await call(port, redacting);
    expect(found).toMatchObject({ code: "upstream_error", body: Buffer.alloc(0) });
    await allClosed();
  },
);

test("cookies, challenges and trailers stay with the gateway (H15)", async () => {
  const dropped = [
    ...["Set-Cookie: a=b", "Set-Cookie2: a=b", "WWW-Authenticate: Bearer", "Proxy-Authenticate: x"],
    ...["Authorization: Bearer x", "Proxy-Authorization: x", "X-Auth-Token: x", "X-Api-Key: x"],
    ...["X-Amz-Security-Token: x", "X-Csrf-Token: x", "Alt-Svc: h3", "NEL: {}", "Report-To: {}"],
    ...["X-Accel-Redirect: /etc/passwd", "X-Sendfile: /etc/passwd", "X-Airlock-Run: x"],
    ...["X-Antpath-Method: GET", "Upgrade: h2c", "Keep-Alive: timeout=5", "Refresh: 0; url=//evil"],
    ...["Strict-Transport-Security: max-age=1", "Content-MD5: x", "Via: x", "Server: x"],
    ...["Clear-Site-Data: *", "Access-Control-Allow-Origin: *", "Trailer: X-Late"],
  ];
  const kept = [
    ...["Content-Type: a/b", 'ETag: "x"', "Retry-After: 3", "X-RateLimit-Remaining: 4"],
    ...["RateLimit-Policy: 10;w=1", "X-Request-Id: r", "Request-Id: r", "Stripe-Version: 1"],
    ...["anthropic-ratelimit-tokens-remaining: 5", "Link: </?page=2>; rel=next", "X-Total: 9"],
  ];
  const { port } = await upstream((socket) =>
    socket.write(
      Buffer.concat([
        Buffer.from(`${chunkedHead}${[...dropped, ...kept].join("\r\n")}\r\n\r\n`),
        chunk("body"),
        Buffer.from(`0\r\nX-Late: ${secret}\r\nSet-Cookie: late\r\n\r\n`),
      ]),
    ),
  );
  const { headers, body } = await call(port, redacting);
  expect(headers).toEqual(
    Object.fromEntries(
      kept.map((line) => [line.split(": ")[0]?.toLowerCase(), line.split(": ")[1]]),
    ),
  );
  expect(body.toString()).toBe("body");
});

test("a header whose name is the secret is left out (H15)", async () => {
  const name = "X-Zq9-canary-Xw7";
  const { port } = await upstream((socket) =>
    socket.write(framed("ok", `${name}: 1`, "X-Other: 2", "X-Lower-zq9-canary-xw8: 3")),
  );
  const found = await call(port, { redactor: redactor(["Zq9-canary-Xw7", "zq9-canary-xw8"]) });
  expect(found.headers).toEqual({ "x-other": "2" });
});

test("no redirect is followed, wherever it points (H08)", async () => {
  const other = await upstream((socket) => socket.write(framed("elsewhere")));
  const targets = [
    `http://127.0.0.1:${other.port}/`,
    `//127.0.0.1:${other.port}/`,
    `https://127.0.0.1:${other.port}/?key=${encodeURIComponent(secret)}`,
    ...["file:///etc/passwd", "data:text/html,x", "javascript:x", "/again", "../up", "\\\\evil\\x"],
  ];
  for (const status of [300, 301, 302, 303, 307, 308]) {
    for (const target of targets) {
      const { port, connections } = await upstream((socket) =>
        socket.end(
          Buffer.concat([
            head(
              `${status} Moved`,
              `Location: ${target}`,
              `Refresh: 0; url=${target}`,
              "Content-Length: 2",
            ),
            Buffer.from("\r\nok"),
          ]),
        ),
      );
      const found = await call(port, redacting);
      expect(found).toMatchObject({ status, body: Buffer.from("ok") });
      const location = target.replace(encodeURIComponent(secret), "[redacted]");
      expect(found.headers).toEqual({ location });
      expect(connections()).toBe(1);
    }
  }
  expect(other.connections()).toBe(0);
  expect((await call(other.port)).body.toString()).toBe("elsewhere");
});
