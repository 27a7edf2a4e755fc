import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { cpuMs } from "../../test/support/cpu-ms.ts";
import { encodings, encodingsOf, needleBytesMax } from "./encodings.ts";
import { redactor } from "./redact.ts";

/** The bytes as pieces, cut where these lengths say, again and again. */
function pieces(bytes: Buffer, lengths: readonly number[]): Buffer[] {
  const all: Buffer[] = [];
  for (let at = 0, turn = 0; at < bytes.length; turn++) {
    const length = lengths[turn % lengths.length] ?? 1;
    all.push(bytes.subarray(at, at + length));
    at += length;
  }
  return all;
}

function streamed(secrets: readonly string[], chunks: readonly Buffer[], canary?: string): Buffer {
  const stream = redactor(secrets, { canary }).stream();
  return Buffer.concat([...chunks.map((chunk) => stream.push(chunk)), stream.end()]);
}

async function whole(secrets: readonly string[], bytes: Buffer, canary?: string): Promise<Buffer> {
  return Buffer.from(await redactor(secrets, { canary }).bytes(bytes));
}

/** From few letters, so that secrets overlap, contain and repeat each other, and text comes near to them. */
const crowded = fc.string({
  unit: fc.constantFrom("a", "b", "\n", "\r", "\\", "%"),
  maxLength: 12,
});
const someSecrets = fc.array(
  fc.string({ unit: fc.constantFrom("a", "b", "\n"), minLength: 6, maxLength: 10 }),
  { minLength: 1, maxLength: 4 },
);
const lengths = fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 1, maxLength: 8 });

describe("a stream without secrets", () => {
  test("is what the whole bytes become, for every text, secret and cut (J03)", async () => {
    const piece = (secrets: readonly string[]) =>
      fc.oneof(
        crowded,
        fc.constantFrom(...secrets),
        fc
          .constantFrom(...secrets)
          .chain((secret) =>
            fc
              .tuple(fc.nat(secret.length), fc.nat(secret.length))
              .map(([a, b]) => secret.slice(a, b)),
          ),
        fc.constantFrom(
          ...secrets.flatMap((secret) => encodings.flatMap(({ spell }) => spell(secret))),
        ),
        fc.integer({ min: 10, max: 20 }).map((count) => "\n".repeat(count)),
      );
    const sample = someSecrets.chain((secrets) =>
      fc.tuple(fc.constant(secrets), fc.array(piece(secrets), { maxLength: 12 }), lengths),
    );
    await fc.assert(
      fc.asyncProperty(sample, async ([secrets, parts, cuts]) => {
        const bytes = Buffer.concat(parts.map((part) => Buffer.from(part)));
        const expected = await whole(secrets, bytes);
        expect(streamed(secrets, pieces(bytes, cuts)).toString("latin1")).toBe(
          expected.toString("latin1"),
        );
      }),
      { numRuns: 2_000 },
    );
  });

  test.each(encodings.map(({ name, spell }) => [name, spell] as const))(
    "has none left that was written as %s and split at any place (J03)",
    async (_name, spell) => {
      const secret = `Zq9/"&=é+<canary>'~${"x7".repeat(5)}`;
      for (const spelling of spell(secret)) {
        const bytes = Buffer.concat([
          Buffer.from("before "),
          Buffer.from(spelling),
          Buffer.from(" after"),
        ]);
        const expected = await whole([secret], bytes);
        expect(expected.includes("[redacted]")).toBe(true);
        for (let at = 0; at <= bytes.length; at++) {
          const got = streamed([secret], [bytes.subarray(0, at), bytes.subarray(at)]);
          expect(got.equals(expected)).toBe(true);
        }
      }
    },
  );

  test("gives out at once what can be no secret, and holds back no more than the longest needle", () => {
    const secret = "Zq9-canary-Xw7";
    const stream = redactor([secret]).stream();
    expect(Buffer.from(stream.push(Buffer.from("nothing here "))).toString()).toBe("nothing here ");
    expect(Buffer.from(stream.push(Buffer.from("and Zq9-can"))).toString()).toBe("and ");
    expect(Buffer.from(stream.push(Buffer.from("t be"))).toString()).toBe("Zq9-cant be");
    const longest = Math.max(...encodingsOf(secret).map(({ length }) => length));
    let held = 0;
    for (const byte of Buffer.from(`\\u005a\\u0071\\u0039`.repeat(400))) {
      held += 1 - stream.push(Buffer.of(byte)).length;
      expect(held).toBeLessThan(longest);
    }
  });

  test("holds back little, however many line breaks follow the beginning of a secret", () => {
    const stream = redactor(["Zq9-canary-Xw7"]).stream();
    const given = [stream.push(Buffer.from("Zq9-canary-Xw"))];
    for (let i = 0; i < 1000; i++) given.push(stream.push(Buffer.from("\n".repeat(100))));
    given.push(stream.push(Buffer.from("7")), stream.end());
    const text = Buffer.concat(given).toString();
    expect(text).toBe(`Zq9-canary-Xw${"\n".repeat(100_000)}7`);
  });

  test("shows nothing of a secret that is never completed, unless it is asked for the end", () => {
    const stream = redactor(["Zq9-canary-Xw7"]).stream();
    expect(Buffer.from(stream.push(Buffer.from("it is Zq9-canary-Xw"))).toString()).toBe("it is ");
    expect(Buffer.from(stream.end()).toString()).toBe("Zq9-canary-Xw");
  });

  test("cuts a long secret out as one, and a large part of it as well", async () => {
    const secret = Array.from({ length: 300 }, (_, i) => `line ${i} of a key`).join("\n");
    const text = Buffer.from(`<${secret}${secret}>`);
    expect((await whole([secret], text)).toString()).toBe("<[redacted]>");
    expect(streamed([secret], pieces(text, [100, 1, 7])).toString()).toBe("<[redacted]>");
    const plain = secret.replaceAll("\n", "");
    const half = plain.slice(0, 2 * needleBytesMax);
    expect((await whole([secret], Buffer.from(`<${half}>`))).toString()).toBe("<[redacted]>");
  });

  test("is made in time also of a text and secrets that were chosen to take long", async () => {
    const secrets = Array.from({ length: 20 }, (_, i) => `${i}-${"abc".repeat(170)}`);
    const stream = redactor(secrets).stream();
    const piece = Buffer.from("abc".repeat(5_000));
    const read = () => {
      for (let i = 0; i < 100; i++) stream.push(piece);
    };
    expect(await cpuMs(read)).toBeLessThan(10_000);
  });

  test("leaves a secret alone that has escape codes of a terminal in it: that is no listed encoding (J03)", () => {
    const text = Buffer.from("Zq9-\x1b[31mcanary\x1b[0m-Xw7");
    expect(streamed(["Zq9-canary-Xw7"], [text]).equals(text)).toBe(true);
  });

  test("says whether anything was cut out of it", () => {
    const stream = redactor(["Zq9-canary-Xw7"]).stream();
    stream.push(Buffer.from("Zq9-canary-Xw"));
    expect(stream.hasCut()).toBe(false);
    stream.push(Buffer.from("7"));
    stream.end();
    expect(stream.hasCut()).toBe(true);
  });
});
