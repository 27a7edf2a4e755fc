import { inspect } from "node:util";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { cpuMs } from "../../test/support/cpu-ms.ts";
import { newId } from "../contract/ids.ts";
import {
  AirlockError,
  containsSecretLikeValue,
  createRedactingStream,
  redactSecrets,
  redactString,
  SecretString,
} from "./sdk.ts";

const letters = "aB3dE5gH7jK9mN1pQ4rS6tU8vW0xY2zA5cD7eF9h";
/** Put together here, so that nobody who looks for keys in this file finds one. */
const shapes: Record<string, string> = {
  "a key of Anthropic": `sk-ant-${letters}`,
  "a key of OpenAI": `sk-${letters}`,
  "a token of the founding service": `ant_${letters}`,
  "an older one": `apt_${letters}`,
  "a token of this gateway": `airlock_${letters}xyz`,
  "a token of Slack": `xoxb-${letters}`,
  "a key id of AWS": `AKIA${letters.slice(0, 16).toUpperCase()}`,
  "a JSON Web Token": `eyJhbGciOiJ.eyJzdWIiOiI.${letters}`,
  "a token of GitHub": `ghp_${letters}`,
};

const benign = [
  "sha256:cbfea36be78c75211766329979ce9e567c21d2eee2e0cd10866f3a8640257b5c",
  "cbfea36be78c75211766329979ce9e567c21d2eee2e0cd10866f3a8640257b5c",
  "0d5f6f2e-9c1b-4f6a-8f0e-2b7c6d5e4f3a",
  "claude-sonnet-4-5-20250929",
  "/workspace/outputs/report-2026/final-v2",
  "run-1234-terminal",
  "2026-11-20T10:11:12.345Z",
  "https://example.org/a/path/with-some-words/index.html?page=2&token_type=x",
  "    at Object.<anonymous> (/home/user/app/node_modules/thing/dist/index.js:10:5)",
  "MAX_NUMBER_OF_CONCURRENT_REQUESTS_PER_TOKEN",
  "sk-learn-based-classification-models-for-everyone",
  "ant_colony_optimization_of_everything",
  newId("run"),
  `The token ${newId("token")} does not have the scope admin`,
  `token: ${newId("token")}`,
  "Authorization is required",
  "token: authentication failed for the user",
  "The bearer authentication-scheme is the only one",
];

describe("a text", () => {
  for (const [name, secret] of Object.entries(shapes)) {
    it(`is without ${name}, and keeps the rest`, () => {
      const bare = redactString(`before ${secret} after`);
      expect(bare).toBe("before [REDACTED] after");
      expect(containsSecretLikeValue({ deep: [secret] })).toBe(true);
    });
  }

  it("keeps what only looks like one: ids, digests, dates, paths, names, sentences", () => {
    for (const text of benign) {
      expect(redactString(text)).toBe(text);
      expect(redactString(text, [], { entropy: true })).toBe(text);
      expect(containsSecretLikeValue(text)).toBe(false);
    }
  });

  it("loses what stands behind a word that says what it is, and keeps the word", () => {
    const secret = "Tr0ub4dor-and-3";
    expect(redactString(`Authorization: Bearer ${secret}`)).toBe("Authorization: [REDACTED]");
    expect(redactString(`{"authorization":"Basic ${secret}"}`)).toBe(
      '{"authorization":"[REDACTED]"}',
    );
    expect(redactString(`curl -H 'bearer ${secret}'`)).toBe("curl -H 'bearer [REDACTED]'");
    for (const word of ["api_key", "access_token", "refresh-token", "clientSecret", "password"]) {
      expect(redactString(`${word}=${secret} more`)).toBe(`${word}=[REDACTED] more`);
      expect(redactString(`{"${word}": "${secret}"}`)).toBe(`{"${word}": "[REDACTED]"}`);
    }
    const aws = `aws_secret_access_key = ${letters}`;
    expect(redactString(aws)).toBe("aws_secret_access_key = [REDACTED]");
  });

  it("loses the address of a database whole, and of others the password", () => {
    expect(redactString("at postgres://app:pw@db.example:5432/x?ssl=1, twice")).toBe(
      "at [REDACTED] twice",
    );
    expect(redactString("https://me:hunter2@example.org/x")).toBe(
      "https://[REDACTED]@example.org/x",
    );
  });

  it("loses a private key with all of its lines", () => {
    const key = `-----BEGIN RSA PRIVATE KEY-----\n${letters}\n-----END RSA PRIVATE KEY-----`;
    expect(redactString(`a\n${key}\nb`)).toBe("a\n[REDACTED]\nb");
  });

  it("loses known values of four characters and more, the longest first", () => {
    expect(redactString("abc abcd abcdef", ["abc", "abcd", "abcdef"])).toBe(
      "abc [REDACTED] [REDACTED]",
    );
    expect(redactString("a.*b", [".*b", "a.*b"])).toBe("[REDACTED]");
  });

  it("loses what looks random only when that is asked for", () => {
    const random = "Zx9Kq2Lp7Vn4Rt6Wy8Ub3Mc5Ad1Ef0Gh2Ij4Kl6";
    expect(redactString(`it is ${random}`)).toBe(`it is ${random}`);
    expect(redactString(`it is ${random}`, [], { entropy: true })).toBe("it is [REDACTED]");
  });

  it("never holds what was found in it, and is left alone a second time", () => {
    const piece = fc.oneof(
      fc.constantFrom(
        ...Object.values(shapes),
        "Bearer ",
        "token=",
        "password: ",
        '"',
        "\n",
        "://",
        "@",
      ),
      fc.string({ maxLength: 30 }),
    );
    const property = fc.property(
      fc.array(piece, { maxLength: 8 }),
      fc.boolean(),
      (parts, entropy) => {
        const bare = redactString(parts.join(""), [], { entropy });
        expect(redactString(bare, [], { entropy })).toBe(bare);
        expect(containsSecretLikeValue(bare, { entropy })).toBe(false);
      },
    );
    fc.assert(property, { numRuns: 1_000 });
  });

  it("is read in a time that grows with its length and no faster", async () => {
    for (const part of ["sk-", "eyJa.", "token: ", "a://b:", "-----BEGIN PRIVATE KEY-----", "x@"]) {
      const read = () => redactString(part.repeat(200_000 / part.length));
      expect(await cpuMs(read), part).toBeLessThan(2_000);
    }
  });
});

describe("a value", () => {
  it("loses what its members are called after, and keeps what is only about it", () => {
    const value = {
      apiKey: "x",
      "X-Api-Key": "x",
      nested: [{ client_secret: { a: 1 }, password: 1234 }],
      tokenId: "tok_1",
      secretName: "STRIPE",
      outputTokens: 17,
      max_token: 5,
      hasPassword: true,
      token: null,
      note: `sk-ant-${letters}`,
      when: new Date(0),
    };
    expect(redactSecrets(value)).toEqual({
      apiKey: "[REDACTED]",
      "X-Api-Key": "[REDACTED]",
      nested: [{ client_secret: "[REDACTED]", password: "[REDACTED]" }],
      tokenId: "tok_1",
      secretName: "STRIPE",
      outputTokens: 17,
      max_token: 5,
      hasPassword: true,
      token: null,
      note: "[REDACTED]",
      when: "1970-01-01T00:00:00.000Z",
    });
  });

  it("ends though it holds itself", () => {
    const ring: Record<string, unknown> = {};
    ring.again = ring;
    expect(JSON.stringify(redactSecrets(ring))).toContain("[REDACTED]");
  });

  it("in an error keeps ids and digests, and no credential", () => {
    const details = {
      existingRunId: newId("run"),
      contentHash: benign[0],
      said: shapes["an older one"],
    };
    const error = new AirlockError({
      code: "x",
      message: `Bad ${letters} sk-ant-${letters}`,
      details,
    });
    expect(error.message).toBe(`Bad ${letters} [REDACTED]`);
    expect(error.details).toEqual({ ...details, said: "[REDACTED]" });
  });
});

describe("a SecretString", () => {
  it("shows itself to nobody but who unwraps it", () => {
    const secret = new SecretString("hunter2-hunter2");
    const shown = [
      String(secret),
      `${secret}`,
      JSON.stringify({ secret }),
      inspect({ secret }, { showHidden: true }),
    ];
    for (const text of shown) {
      expect(text).toContain("[REDACTED]");
      expect(text).not.toContain("hunter2");
    }
    expect(secret.unwrap()).toBe("hunter2-hunter2");
    expect(() => new SecretString("", "The token")).toThrow("The token is required");
  });
});

describe("a stream", () => {
  async function through(pieces: (string | Uint8Array)[], known: string[] = []): Promise<string> {
    const source = new ReadableStream<string | Uint8Array>({
      start(controller) {
        for (const piece of pieces) controller.enqueue(piece);
        controller.close();
      },
    });
    let text = "";
    for await (const piece of source.pipeThrough(createRedactingStream(known))) text += piece;
    return text;
  }

  it("gives what the whole text would, however it is cut, with secrets of several lines", async () => {
    const known = ["first\nsecond\nthird", "tail-value"];
    const key = `-----BEGIN PRIVATE KEY-----\n${letters}\n${letters}\n-----END PRIVATE KEY-----`;
    const text = `héllo sk-ant-${letters}\nfirst\nsecond\nthird\nfirst\nsecond\n${key}\n😀 token=${letters}\nthe tail-value`;
    const expected = redactString(text, known);
    expect(expected.match(/\[REDACTED\]/g)).toHaveLength(5);
    const bytes = new TextEncoder().encode(text);
    const cuts = fc.uniqueArray(fc.nat(bytes.length), { maxLength: 20 });
    const property = fc.asyncProperty(cuts, async (at) => {
      const places = [0, ...at.sort((a, b) => a - b), bytes.length];
      const pieces = places.slice(1).map((end, n) => bytes.slice(places[n], end));
      expect(await through(pieces, known)).toBe(expected);
    });
    await fc.assert(property, { numRuns: 300 });
  });

  it("gives what it has as soon as a line ends, and the rest at the end", async () => {
    const stream = createRedactingStream();
    const writer = stream.writable.getWriter();
    const reader = stream.readable.getReader();
    void writer.write("one\ntw");
    expect((await reader.read()).value).toBe("one\n");
    void writer.write("o");
    void writer.close();
    expect((await reader.read()).value).toBe("two");
  });

  it("holds back no more than a part of a line that has no end, and cuts no secret in two", async () => {
    const stream = createRedactingStream(["known-value"]);
    const writer = stream.writable.getWriter();
    const text: string[] = [];
    const reading = (async () => {
      for await (const piece of stream.readable) text.push(piece);
    })();
    const part = `{"a":"x","token":"${letters}","b":"known-value","c":"sk-ant-${letters}"},`;
    for (let n = 0; n < 15_000; n++) await writer.write(part);
    await writer.close();
    await reading;
    expect(text.length).toBeGreaterThan(1);
    expect(text.join("")).toBe(
      '{"a":"x","token":"[REDACTED]","b":"[REDACTED]","c":"[REDACTED]"},'.repeat(15_000),
    );
  });
});
