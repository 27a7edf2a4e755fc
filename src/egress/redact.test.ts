import { createHash, randomBytes, randomUUID } from "node:crypto";
import { setImmediate as nextTurn } from "node:timers/promises";
import fc from "fast-check";
import { afterAll, describe, expect, test } from "vitest";
import { cpuMs } from "../../test/support/cpu-ms.ts";
import { openLog } from "../base/log.ts";
import { openThreads } from "../base/threads.ts";
import { newId } from "../contract/ids.ts";
import { SecretValue } from "../contract/secret.ts";
import { writings } from "./encodings.testing.ts";
import { encodings } from "./encodings.ts";
import { containsSecret, redactor } from "./redact.ts";

const secretText = fc.string({ unit: "grapheme", minLength: 6, maxLength: 80 }).filter((text) => {
  return text.isWellFormed() && text.replace(/[\r\n]/g, "").length >= 6;
});

test("every listed encoding has its writings, and there are twelve at least", () => {
  expect(Object.keys(writings)).toEqual(encodings.map(({ name }) => name));
  expect(encodings.length).toBeGreaterThanOrEqual(12);
});

const allWritings = Object.entries(writings).flatMap(([name, ways]) =>
  ways.map((write, way) => [`${name} (${way + 1})`, write] as const),
);

describe.each(allWritings)("a secret written as %s", (_name, write) => {
  test("is found wherever it stands and however the bytes are cut", () => {
    fc.assert(
      fc.property(
        secretText,
        fc.string(),
        fc.string(),
        fc.infiniteStream(fc.integer({ min: 1, max: 40 })),
        (secret, before, after, cuts) => {
          const bytes = Buffer.concat(
            [before, " ", write(secret), " ", after].map((part) => Buffer.from(part)),
          );
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
        const dirty = Buffer.concat(["<<<", write(secret), ">>>"].map((part) => Buffer.from(part)));
        const bytes = Buffer.from(await cut.bytes(dirty));
        const text = bytes.toString("latin1");
        expect(text).toContain("[redacted]");
        expect(text.startsWith("<<<") && text.endsWith(">>>")).toBe(true);
        expect(containsSecret([secret]).start().push(bytes)).toBe(false);
        const asText = dirty.toString();
        if (Buffer.from(asText).equals(dirty))
          expect(Buffer.from(cut.text(asText)).equals(bytes)).toBe(true);
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

  test("reaches a secret that is a list of numbers", () => {
    const cut = redactor(["secret-one"]);
    const bytes = [...Buffer.from("<secret-one>")];
    expect(cut.json({ a: [bytes, [1, 2, 3, 4, 5, 6, 7]] })).toEqual({
      a: [["[redacted]"], [1, 2, 3, 4, 5, 6, 7]],
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

  test("cuts out what is written again, and what another secret is a part of (J03)", () => {
    const cut = redactor(["Zq9-canary-Xw7", "Zq9-canary-Xw7-and-more", "canary-Xw7-and"]);
    expect(cut.text("<Zq9-canary-Xw7-and-more>")).toBe("<[redacted]>");
    expect(cut.text("<Zq9-canary-Xw7-and>")).toBe("<[redacted]>");
    expect(cut.text("<Zq9-canary-Xw7-an>")).toBe("<[redacted]-an>");
    expect(cut.text("<Zq9-canary-Xw7\nZq9-canary-Xw7>")).toBe("<[redacted]>");
    expect(cut.text("<Zq9-\ncana\r\nry-Xw7>\n")).toBe("<[redacted]>\n");
  });

  test("looks through 16 line breaks in a row and no more, in a secret and between two", () => {
    const cut = redactor(["Zq9-canary-Xw7"]);
    const breaks = (count: number) => "\n".repeat(count);
    expect(cut.text(`<Zq9-${breaks(16)}canary-Xw7>`)).toBe("<[redacted]>");
    const apart = `<Zq9-${breaks(17)}canary-Xw7>`;
    expect(cut.text(apart)).toBe(apart);
    const two = (count: number) => `Zq9-canary-Xw7${breaks(count)}Zq9-canary-Xw7`;
    expect(cut.text(two(16))).toBe("[redacted]");
    expect(cut.text(two(17))).toBe(`[redacted]${breaks(17)}[redacted]`);
    const holey = `begin${breaks(20)}end-of-it`;
    expect(redactor([holey]).text(`<${holey}>`)).toBe("<[redacted]>");
  });

  test("finds a secret that lies across the pieces in which long bytes are searched", async () => {
    const secret = "Zq9-canary-Xw7";
    const cut = redactor([secret]);
    for (let before = 16_360; before < 16_400; before++) {
      const text = `${"x".repeat(before)}${secret}${"y\n".repeat(10_000)}${secret}`;
      expect(cut.text(text)).toBe(text.replaceAll(secret, "[redacted]"));
      expect(
        containsSecret([secret])
          .start()
          .push(Buffer.from(text.slice(0, -secret.length))),
      ).toBe(true);
    }
  });

  test("leaves ids, digests, dates, names of models and paths alone", async () => {
    const secrets = Array.from({ length: 20 }, (_, i) => {
      return i % 2
        ? `sk-${randomBytes(24).toString("base64url")}`
        : randomBytes(9).toString("base64");
    });
    const lines = Array.from({ length: 4000 }, (_, i) => [
      ...[newId("run"), newId("call"), newId("output"), newId("proxyCall"), randomUUID()],
      `sha256:${createHash("sha256").update(String(i)).digest("hex")}`,
      `layer_${randomBytes(16).toString("hex")} art_${randomBytes(16).toString("hex")}`,
      new Date(i * 7_654_321_987).toISOString(),
      ["claude-sonnet-4-5-20250929", "gpt-5.2-codex", "gemini-3-pro-preview"][i % 3],
      `/workspace/src/part-${i}/node_modules/@scope/name-${i}/dist/index.min.js:${i}:17`,
      `${"deadbeef".repeat(8)} ${i} ${"=".repeat(70)} 127.0.0.1:${i} v1.${i}.0-rc.1+build.${i}`,
    ]).flat();
    const cut = redactor(secrets);
    const text = lines.join("\n");
    expect(cut.text(text)).toBe(text);
    expect(cut.json(lines)).toEqual(lines);
    expect(Buffer.from(await cut.bytes(Buffer.from(text))).toString()).toBe(text);
    expect(containsSecret(secrets).start().push(Buffer.from(text))).toBe(false);
    expect(cut.text(`${text}${secrets[7]}`)).toBe(`${text}[redacted]`);
  });

  test("is ready soon, however many and long the secrets are, and finds those as keys are written", async () => {
    const secrets = Array.from({ length: 64 }, () => randomBytes(48 * 1024).toString("base64"));
    const [first = ""] = secrets;
    const names = ["raw", "json", "json in json", "percent", "form", "hex", "base64", "base64url"];
    const open = () => {
      const cut = redactor(secrets);
      for (const write of names.flatMap((name) => writings[name] ?? [])) {
        expect(cut.text(write(first).toString()).length).toBeLessThan(100);
      }
    };
    expect(await cpuMs(open)).toBeLessThan(30_000);
  });

  test.each([
    ["1234567", "8 to 65536 bytes"],
    ["", "8 to 65536 bytes"],
    ["password", "too plain"],
    ["Password123", "too plain"],
    ["aaaaaaaaaaaa", "too plain"],
    ["abcdefghijkl", "too plain"],
    ["with\0a-nul-byte", "NUL"],
  ])("%j is no secret: what cannot be told from text is refused (J02)", (value, why) => {
    expect(SecretValue.safeParse(value).error?.issues[0]?.message).toContain(why);
    expect(SecretValue.safeParse("Zq9-canary-Xw7").success).toBe(true);
  });

  // In seconds it is a row of the benchmark: here it is held against a pass over the same bytes at the same time.
  test("takes little more than hashing, with 20 secrets in every encoding (J10)", async () => {
    const secrets = Array.from({ length: 20 }, () => `sk-${randomBytes(24).toString("base64url")}`);
    const cut = redactor(secrets);
    const part = Array.from({ length: 10_000 }, (_, i) => {
      const digest = randomBytes(16).toString("hex");
      const hidden = i % 1000 === 999 ? secrets[i % 20] : "";
      return `[${i}] compiled /workspace/src/part-${i}.ts to ${digest} ${hidden}\n`;
    }).join("");
    const bytes = Buffer.from(part.repeat(Math.ceil(100e6 / part.length)));
    const ratios: number[] = [];
    for (let round = 0; round < 5; round++) {
      const hashing = await cpuMs(() => createHash("sha256").update(bytes).digest());
      const cutting = await cpuMs(async () =>
        expect((await cut.bytes(bytes)).length).toBeLessThan(bytes.length),
      );
      ratios.push(cutting / hashing);
    }
    expect(Math.min(...ratios)).toBeLessThan(10);
  });

  test("works through 32 MB with 20 secrets in seconds, not minutes", async () => {
    const secrets = Array.from({ length: 20 }, (_, i) => `sk-ant-${i}-${"x7Yz".repeat(10)}${i}`);
    const line = "the quick brown fox jumps over the lazy dog, sk-ant and 0123456789 times\n";
    const bytes = Buffer.from(line.repeat(Math.ceil((32 * 1024 * 1024) / line.length)));
    const cut = redactor(secrets);
    const read = async () => expect((await cut.bytes(bytes)).length).toBe(bytes.length);
    expect(await cpuMs(read)).toBeLessThan(10_000);
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
    const there = await redactor([canary], { threads }).bytes(dirty);
    const here = await redactor([canary]).bytes(dirty);
    expect(Buffer.compare(there, here)).toBe(0);
    expect(Buffer.from(there).includes("[redacted]")).toBe(true);
    expect(containsSecret([canary]).start().push(there)).toBe(false);
  });

  test("come back as they are when there is nothing to cut out", async () => {
    expect(await redactor([canary], { threads }).bytes(long)).toBe(long);
    expect(await redactor([], { threads }).bytes(long)).toBe(long);
  });

  test("hold nobody up while they are searched", async () => {
    let turns = 0;
    let searching = true;
    const search = redactor([canary], { threads })
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

describe("the canary", () => {
  const canary = "Zq9-canary-Xw7";
  const threads = openThreads({ log: openLog("silent") });
  afterAll(() => threads.close());
  const long = "a line of a build that goes on and on\n".repeat(50_000);

  function watching(secrets: readonly string[] = ["another-secret"]) {
    let met = 0;
    const onCanary = () => {
      met += 1;
    };
    return { cut: redactor(secrets, { canary, onCanary, threads }), met: () => met, onCanary };
  }

  test.each(allWritings)("is cut out and told when it is written as %s", async (_name, write) => {
    const written = Buffer.from(write(canary));
    const { cut, met } = watching();
    const bytes = await cut.bytes(written);
    expect(Buffer.from(bytes).includes("[redacted]")).toBe(true);
    expect(met()).toBe(1);
    const stream = cut.stream();
    const parts = [
      stream.push(written.subarray(0, 9)),
      stream.push(written.subarray(9)),
      stream.end(),
    ];
    expect(Buffer.concat(parts).equals(bytes)).toBe(true);
    expect(met()).toBe(2);
  });

  test("is told by text, by JSON at any depth, and by another thread", async () => {
    const { cut, met } = watching();
    expect(cut.text(`<${canary}>`)).toBe("<[redacted]>");
    expect(met()).toBe(1);
    expect(cut.json({ a: [{ b: `<${canary}>` }] })).toEqual({ a: [{ b: "<[redacted]>" }] });
    expect(met()).toBe(2);
    await cut.bytes(Buffer.from(`${long}${canary}${long}`));
    expect(met()).toBe(3);
  });

  test("is told before what it was cut out of is given back", () => {
    const order: string[] = [];
    const cut = redactor([], { canary, onCanary: () => order.push("told") });
    order.push(cut.text(`<${canary}>`));
    expect(order).toEqual(["told", "<[redacted]>"]);
  });

  test("is told when it is among the secrets as well, and when it lies within one", () => {
    const { cut, met } = watching([canary, `${canary}-and-more`]);
    expect(cut.text(canary)).toBe("[redacted]");
    expect(cut.text(`${canary}-and-more`)).toBe("[redacted]");
    expect(met()).toBe(2);
  });

  test("is not told for any other secret, nor for a part of it", async () => {
    const { cut, met } = watching();
    expect(cut.text("another-secret Zq9-canary-Xw")).toBe("[redacted] Zq9-canary-Xw");
    await cut.bytes(Buffer.from(`${long}another-secret${long}`));
    cut.stream().push(Buffer.from("another-secret"));
    expect(met()).toBe(0);
  });

  test("is told apart by a search in what a run leaves behind", () => {
    const { onCanary, met } = watching();
    const search = containsSecret(["another-secret"], { canary, onCanary });
    const other = search.start();
    expect(other.push(Buffer.from("another-secret"))).toBe(true);
    expect(other.isCanary()).toBe(false);
    const found = search.start();
    expect(found.push(Buffer.from("Zq9-can"))).toBe(false);
    expect(found.push(Buffer.from("ary-Xw7"))).toBe(true);
    expect(found.isCanary()).toBe(true);
    expect(met()).toBe(1);
    expect(search.recipe.canary).toBe(canary);
  });
});
