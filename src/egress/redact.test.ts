import { setImmediate as nextTurn } from "node:timers/promises";
import fc from "fast-check";
import { afterAll, describe, expect, test } from "vitest";
import { openLog } from "../base/log.ts";
import { openThreads } from "../base/threads.ts";
import { containsSecret, redactor } from "./redact.ts";

const secretText = fc.string({ unit: "grapheme", minLength: 6, maxLength: 80 }).filter((text) => {
  return text.isWellFormed() && text.replace(/[\r\n]/g, "").length >= 6;
});

/** How the world writes a secret down, each made by other means than the ones under test. */
const writings: Record<string, (secret: string) => string> = {
  raw: (secret) => secret,
  json: (secret) => JSON.stringify({ key: secret }),
  "json in json": (secret) => JSON.stringify(JSON.stringify([secret])),
  url: (secret) => `https://h/?q=${encodeURIComponent(secret)}&x=1`,
  "url in lower case": (secret) =>
    [...Buffer.from(secret)]
      .map((byte) => {
        const char = String.fromCharCode(byte);
        return /[A-Za-z0-9_.~-]/.test(char) ? char : `%${byte.toString(16).padStart(2, "0")}`;
      })
      .join(""),
  form: (secret) => new URLSearchParams({ q: secret }).toString(),
  hex: (secret) => Buffer.from(secret).toString("hex"),
  "upper-case hex": (secret) => Buffer.from(secret).toString("hex").toUpperCase(),
  base64: (secret) => Buffer.from(secret).toString("base64"),
  "base64 after one byte": (secret) => Buffer.from(`:${secret}:`).toString("base64"),
  "base64 after two bytes": (secret) => Buffer.from(`u:${secret}`).toString("base64"),
  "base64 in lines": (secret) =>
    Buffer.from(`{"token":"${secret}"}`).toString("base64").replace(/.{10}/g, "$&\r\n"),
  base64url: (secret) => Buffer.from(`ab${secret}c`).toString("base64url"),
};

describe.each(Object.keys(writings))("a secret written as %s", (kind) => {
  const write = writings[kind] ?? String;

  test("is found wherever it stands and however the bytes are cut", () => {
    fc.assert(
      fc.property(
        secretText,
        fc.string(),
        fc.string(),
        fc.infiniteStream(fc.integer({ min: 1, max: 40 })),
        (secret, before, after, cuts) => {
          const bytes = Buffer.from(`${before} ${write(secret)} ${after}`);
          const scan = containsSecret([secret]).start();
          let found = false;
          for (let at = 0; at < bytes.length; ) {
            const length = cuts.next().value;
            found = scan.push(bytes.subarray(at, at + length));
            at += length;
          }
          expect(found).toBe(true);
        },
      ),
    );
  });

  test("is cut out, and what stands around it is not", async () => {
    await fc.assert(
      fc.asyncProperty(secretText, async (secret) => {
        const cut = redactor([secret]);
        const text = cut.text(`<<<${write(secret)}>>>`);
        expect(text).toContain("[redacted]");
        expect(text.startsWith("<<<") && text.endsWith(">>>")).toBe(true);
        const bytes = await cut.bytes(Buffer.from(`<<<${write(secret)}>>>`));
        expect(Buffer.from(bytes).toString()).toBe(text);
        expect(containsSecret([secret]).start().push(Buffer.from(text))).toBe(false);
      }),
    );
  });
});

describe("a redactor", () => {
  test("returns text without a secret unchanged, lone surrogates and all", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary" }), (text) => {
        expect(redactor(["Zq9-canary-Xw7"]).text(text)).toBe(text);
      }),
    );
  });

  test("keeps everything around a secret exactly, between characters of any width", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary" }), fc.string({ unit: "binary" }), (before, after) => {
        const text = redactor(["Zq9-canary-Xw7"]).text(`${before}|Zq9-canary-Xw7|${after}`);
        expect(text).toBe(`${before}|[redacted]|${after}`);
      }),
    );
  });

  test("cuts overlapping, doubled and nested secrets out as one", () => {
    const cut = redactor(["abcdefgh", "efghijkl", "cdefgh"]);
    expect(cut.text("-abcdefghijkl-")).toBe("-[redacted]-");
    expect(cut.text("-cdefgh-abcdefghabcdefgh-")).toBe("-[redacted]-[redacted]-");
  });

  test("reaches names, strings and numbers at any depth, and loses no member", () => {
    const cut = redactor(["secret-one", "secret-two", "1234567"]);
    const value = { a: [{ "secret-one": 1, "secret-two": "xsecret-onex" }], n: 12345678, ok: true };
    expect(cut.json(value)).toEqual({
      a: [{ "[redacted]": 1, "[redacted] 2": "x[redacted]x" }],
      n: "[redacted]",
      ok: true,
    });
  });

  test("leaves a JSON value without secrets deeply equal, `__proto__` included", () => {
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        expect(redactor(["Zq9-canary-Xw7"]).json(value)).toStrictEqual(value);
      }),
    );
    const odd = JSON.parse('{"__proto__":{"x":"Zq9-canary-Xw7"}}');
    expect(JSON.stringify(redactor(["Zq9-canary-Xw7"]).json(odd))).toBe(
      '{"__proto__":{"x":"[redacted]"}}',
    );
  });

  test("does not look for secrets that are too short, nor for none", () => {
    expect(redactor(["abcde"]).text("abcde abcde")).toBe("abcde abcde");
    expect(redactor([]).text("anything")).toBe("anything");
    expect(containsSecret([]).start().push(Buffer.from("anything"))).toBe(false);
  });

  test("finds a secret of many lines in any line ending", () => {
    const pem = "-----BEGIN KEY-----\nMIIEvQIBADANBg\nkqhkiG9w0BAQEF\n-----END KEY-----\n";
    const cut = redactor([pem]);
    expect(cut.text(`a ${pem.replaceAll("\n", "\r\n")}b`)).not.toContain("MIIE");
    expect(cut.text(JSON.stringify({ pem }))).not.toContain("kqhk");
  });

  test("works through 32 MB with 20 secrets in seconds, not minutes", async () => {
    const secrets = Array.from({ length: 20 }, (_, i) => `sk-ant-${i}-${"x7Yz".repeat(10)}${i}`);
    const line = "the quick brown fox jumps over the lazy dog, sk-ant and 0123456789 times\n";
    const bytes = Buffer.from(line.repeat(Math.ceil((32 * 1024 * 1024) / line.length)));
    const cut = redactor(secrets);
    const startedAt = performance.now();
    expect((await cut.bytes(bytes)).length).toBe(bytes.length);
    expect(performance.now() - startedAt).toBeLessThan(5_000);
  });
});

describe("long outputs", () => {
  const canary = "Zq9-canary-Xw7";
  const threads = openThreads({ log: openLog("silent") });
  afterAll(() => threads.close());
  const line = Buffer.from("a line of a build that goes on and on\n");
  const long = Buffer.concat(Array.from({ length: 50_000 }, () => line));

  test("are cleaned on another thread as they are on this one", async () => {
    const dirty = Buffer.concat([long, Buffer.from(canary), long, Buffer.from(btoa(canary))]);
    const there = await redactor([canary], threads).bytes(dirty);
    const here = await redactor([canary]).bytes(dirty);
    expect(Buffer.compare(there, here)).toBe(0);
    expect(Buffer.from(there).includes("[redacted]")).toBe(true);
    expect(containsSecret([canary]).start().push(there)).toBe(false);
  });

  test("come back as they are when there is nothing to cut out", async () => {
    expect(await redactor([canary], threads).bytes(long)).toBe(long);
    expect(await redactor([], threads).bytes(long)).toBe(long);
  });

  test("hold nobody up while they are searched", async () => {
    let turns = 0;
    let searching = true;
    const search = redactor([canary], threads)
      .bytes(long)
      .finally(() => {
        searching = false;
      });
    while (searching) {
      await nextTurn();
      turns += 1;
    }
    await search;
    expect(turns).toBeGreaterThan(1);
  });
});
