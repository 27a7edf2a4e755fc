import { once } from "node:events";
import { createServer, request } from "node:http";
import type { AddressInfo } from "node:net";
import { PassThrough } from "node:stream";
import { expect, test } from "vitest";
import { openLog } from "../base/log.ts";
import { openKnownSecrets } from "./known-secrets.ts";

const first = "Zq9-first-secret-Xw7";
const second = "Kp3/second+secret=Vb8";

function logged() {
  const destination = new PassThrough();
  const known = openKnownSecrets();
  const log = openLog("trace", { destination, redact: known.text });
  const text = () => String(destination.read() ?? "");
  return { known, log, text };
}

test("an error that holds the whole request is logged without its credential (J06)", async () => {
  const { known, log, text } = logged();
  known.add([second]);
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  server.on("connection", (socket) => socket.destroy());
  const headers = { authorization: `Bearer ${second}` };
  const call = request({ host: "127.0.0.1", port, path: `/?key=${second}`, headers });
  const [error] = await once(call.end(), "error");
  server.close();
  Object.assign(error, { headers: call.getHeaders(), path: call.path, config: { url: call.path } });
  error.message += ` for ${encodeURIComponent(second)}`;
  log.error({ err: error }, "call.failed");
  const line = text();
  expect(JSON.parse(line)).toMatchObject({
    err: { headers: { authorization: "Bearer [redacted]" } },
  });
  expect(line).toContain("/?key=[redacted]");
  expect(line).not.toMatch(/second/);
});

test("no line holds a secret, at any level and in any spelling, and the rest of it is there (J08)", () => {
  const { known, log, text } = logged();
  known.add([first]);
  const child = log.child({ run: "run_1", key: first });
  for (const level of ["trace", "debug", "info", "warn", "error"] as const) {
    child[level]({ a: [btoa(`u:${first}`), { [first]: 1 }] }, `event.${first}`);
    const line = text();
    const { time, ...fields } = JSON.parse(line);
    expect(Date.parse(time)).toBeGreaterThan(0);
    expect(fields).toMatchObject({
      level,
      run: "run_1",
      key: "[redacted]",
      msg: "event.[redacted]",
    });
    expect(line).not.toContain("first-secret");
    expect(line).not.toContain(btoa(`u:${first}`).slice(4, -4));
  }
});

test("a line is JSON, also when the secret stood in it as numbers", () => {
  const { known, log, text } = logged();
  known.add([first, "4711081500"]);
  log.info({ sent: Buffer.from(first), n: 4711081500 }, "socket.wrote");
  const line = text();
  expect(JSON.parse(line)).toMatchObject({ msg: "log.line_redacted" });
  expect(line).toContain("socket.wrote");
  expect(line).not.toContain([...Buffer.from("first-secret")].join());
  expect(line).not.toContain("4711081500");
});

test("a secret is known as long as anybody needs it, and a while longer", () => {
  const known = openKnownSecrets(10, 1);
  const one = known.add([first, first]);
  const other = known.add([first]);
  one();
  one();
  expect(known.text(first)).toBe("[redacted]");
  other();
  expect(known.text(`late: ${first}`)).toBe("late: [redacted]");
  known.add([second])();
  expect(known.text(`${first} ${second}`)).toBe(`${first} [redacted]`);
  expect(known.size()).toBe(1);
});

test("what comes again before it is forgotten is known again", () => {
  const known = openKnownSecrets(10, 0);
  const one = known.add([first]);
  const again = known.add([first]);
  one();
  expect(known.text(first)).toBe("[redacted]");
  again();
  expect(known.text(first)).toBe(first);
  expect(known.size()).toBe(0);
});

test("more than there may be are refused, and none of them is half known", () => {
  const known = openKnownSecrets(2, 0);
  known.add([first]);
  expect(() => known.add([second, "another-secret"])).toThrow("more than 2 secrets");
  expect(known.text(second)).toBe(second);
  known.add([second]);
  expect(known.size()).toBe(2);
});

test("thousands that come and go are cut out as long as they are known, and not kept for ever", () => {
  const known = openKnownSecrets(5_000, 0);
  const secretOf = (i: number) => `Zq9-${i}-secret-of-${i * 7919}`;
  const done: (() => void)[] = [];
  for (let i = 0; i < 1500; i++) {
    done.push(known.add([secretOf(i), secretOf(0)]));
    if (i % 50 === 0)
      expect(known.text(`<${secretOf(i)} ${secretOf(i + 1)}>`)).toBe(
        `<[redacted] ${secretOf(i + 1)}>`,
      );
  }
  const all = Array.from({ length: 1500 }, (_, i) => secretOf(i)).join(" ");
  expect(known.text(all)).not.toContain("secret");
  for (const [i, release] of done.entries()) {
    release();
    if (i % 50 === 0 && i + 1 < done.length)
      expect(known.text(`${secretOf(i + 1)}.`)).toBe("[redacted].");
  }
  expect(known.size()).toBe(0);
  expect(known.text(all)).toBe(all);
});
