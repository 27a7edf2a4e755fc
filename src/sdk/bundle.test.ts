/** Bundles as programs build them: what they are called, whatever the machine, and what no gateway would take. */
import { execFile } from "node:child_process";
import { resolve } from "node:path";
import { promisify } from "node:util";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { bundleManifest, bundlePathProblem } from "../contract/bundle.ts";
import { AgentsMd, type BundleFiles, File, Skill, SkillBundleValidationError } from "./sdk.ts";

/** Computed by another program, in another language. */
const vectors: { files: BundleFiles; contentHash: string }[] = [
  {
    files: { "SKILL.md": "# hi" },
    contentHash: "sha256:03b5d3b4c525eaca6536272afff278a51160cc13b7122695ee82bccd041bc1b4",
  },
  {
    files: { "SKILL.md": "# hi", "lib/util.js": "x" },
    contentHash: "sha256:412f4e517bb52ad20094755dbf4c6ee4eb6e91398ef87934932a3dbb49734848",
  },
  {
    files: {
      "unicode/café-🚀.txt": "üñî",
      "2": "two",
      "10": "ten",
      empty: "",
      one: new Uint8Array([42]),
      "SKILL.md": "# skill\n",
      "bin/run.sh": { content: "#!/bin/sh\necho hi\n", executable: true },
      "data/a.bin": Uint8Array.from({ length: 1024 }, (_, index) => (index * 7 + 7) & 0xff),
    },
    contentHash: "sha256:cfad05fd21fcc9deb6a7673fbb758f132bf5836cefc65fc9be1e0754448accc8",
  },
];

const hashOf = async (files: BundleFiles) =>
  (await Skill.fromFiles({ name: "rules", files })).contentHash;

async function refusal(files: BundleFiles): Promise<SkillBundleValidationError> {
  const error = await Skill.fromFiles({ name: "rules", files }).catch((reason: unknown) => reason);
  expect(error).toBeInstanceOf(SkillBundleValidationError);
  return error as SkillBundleValidationError;
}

const skill = { "SKILL.md": "# hi" };

describe("the name of a bundle", () => {
  it("is that which another program computes", async () => {
    for (const { files, contentHash } of vectors) expect(await hashOf(files)).toBe(contentHash);
  });

  it("is the same in every time zone", async () => {
    const program = `
      const { Skill } = await import(${JSON.stringify(resolve(import.meta.dirname, "sdk.ts"))});
      const skill = await Skill.fromFiles({ name: "rules", files: { "SKILL.md": "# hi", "lib/util.js": "x" } });
      process.stdout.write(skill.contentHash + new Date(0).getTimezoneOffset());`;
    const said = await Promise.all(
      ["UTC", "Asia/Tokyo", "America/New_York"].map(async (zone) => {
        const env = { PATH: process.env.PATH, TZ: zone };
        const args = ["--input-type=module", "-e", program];
        return (await promisify(execFile)(process.execPath, args, { env })).stdout;
      }),
    );
    const contentHash = vectors[1]?.contentHash;
    expect(said).toEqual([`${contentHash}0`, `${contentHash}-540`, `${contentHash}300`]);
  });

  it("does not depend on the order of the files, nor on whether they are text or bytes", async () => {
    const paths = fc.uniqueArray(
      fc.stringMatching(/^[a-z0-9]{1,4}(\/[a-z0-9]{1,4})?$/).map((path) => `d/${path}.x`),
      { minLength: 1, maxLength: 12 },
    );
    await fc.assert(
      fc.asyncProperty(paths, fc.infiniteStream(fc.nat()), async (list, order) => {
        const shuffled = list
          .map((path) => ({ path, at: order.next().value as number }))
          .sort((a, b) => a.at - b.at);
        const one = Object.fromEntries(list.map((path) => [path, path]));
        const other = Object.fromEntries(
          shuffled.map(({ path }) => [path, new TextEncoder().encode(path)]),
        );
        expect(await hashOf({ ...other, ...skill })).toBe(await hashOf({ ...skill, ...one }));
      }),
      { numRuns: 50 },
    );
  });

  it("says each of content, path and mode", async () => {
    const hashes = await Promise.all(
      [
        { ...skill, a: "x" },
        { ...skill, a: "y" },
        { ...skill, b: "x" },
        { ...skill, a: { content: "x", executable: true } },
        { ...skill, a: "x", b: "x" },
      ].map(hashOf),
    );
    expect(new Set(hashes).size).toBe(hashes.length);
    expect(await hashOf({ ...skill, a: { content: "x", executable: false } })).toBe(hashes[0]);
  });

  it("is that of the bytes as they were given, whatever becomes of them afterwards", async () => {
    const bytes = new TextEncoder().encode("# hi");
    const built = Skill.fromFiles({ name: "rules", files: { "SKILL.md": bytes } });
    bytes.fill(0);
    expect((await built).contentHash).toBe(vectors[0]?.contentHash);
  });

  it("sorts by bytes where UTF-16 would not", () => {
    const entry = (path: string) => ({ path, mode: 0o644, size: 0, sha256: "" }) as const;
    // As UTF-16 the rocket begins with a lower unit than the full-width letter; as bytes it is the larger one.
    const manifest = bundleManifest([entry("🚀"), entry("ａ"), entry("10"), entry("2")]);
    const { files } = JSON.parse(manifest) as { files: { path: string }[] };
    expect(files.map(({ path }) => path)).toEqual(["10", "2", "ａ", "🚀"]);
  });
});

describe("a bundle that no gateway would take", () => {
  const wrong: [string, RegExp][] = [
    ["foo/../bar", /'\.\.' segment/],
    ["./foo", /'\.' segment/],
    ["/etc/passwd", /must be relative/],
    ["C:/Users/x", /drive letter/],
    ["foo\\bar", /backslash/],
    ["foo\0bar", /NUL/],
    ["foo\nbar", /control characters/],
    ["foo//bar", /empty segment/],
    ["foo/", /must name a file/],
    [" ", /must not be empty/],
    ["\ud800", /well-formed/],
    [Array.from({ length: 17 }, () => "d").join("/"), /more than 16 segments/],
    [`${"d/".repeat(2)}${"x".repeat(509)}`, /exceeds 512 bytes/],
    ["x".repeat(256), /longer than 255 bytes/],
  ];
  for (const [path, rule] of wrong) {
    it(`has a file ${JSON.stringify(path.slice(0, 20))}: ${rule.source}`, async () => {
      const error = await refusal({ ...skill, [path]: "x" });
      expect(error.message).toMatch(rule);
      expect(error.problems).toEqual([{ path, message: expect.stringMatching(rule) }]);
      expect(error).toMatchObject({
        code: "bundle_invalid",
        details: { problems: error.problems },
      });
    });
  }

  it("has a path that is as long or as deep as a path may be: that one is good", async () => {
    const deep = Array.from({ length: 16 }, () => "d").join("/");
    const long = `${"x".repeat(255)}/${"y".repeat(255)}`;
    const files = {
      ...skill,
      [deep]: "x",
      [`${long}z`.slice(0, 511)]: "x",
      "scripts/check.py": "",
    };
    expect(await hashOf(files)).toMatch(/^sha256:/);
    for (const path of Object.keys(files)) expect(bundlePathProblem(path)).toBeUndefined();
  });

  it("has two paths that are one file on many systems: by case, or by Unicode form", async () => {
    const nfc = "caf\u00e9.txt";
    const nfd = "cafe\u0301.txt";
    expect((await refusal({ ...skill, [nfc]: "x", [nfd]: "x" })).message).toContain("same file");
    expect((await refusal({ ...skill, "a.txt": "x", "A.txt": "x" })).message).toContain(
      "same file",
    );
    // Each alone is a path of its own.
    expect(await hashOf({ ...skill, [nfc]: "x" })).not.toBe(await hashOf({ ...skill, [nfd]: "x" }));
  });

  it("has a file below a file", async () => {
    expect((await refusal({ ...skill, a: "x", "a/b": "x" })).message).toContain("is below a");
  });

  it("is a skill without a SKILL.md, or with it in another place or spelling", async () => {
    for (const path of ["README.md", "skill.md", "sub/SKILL.md"]) {
      const { message } = await refusal({ [path]: "# hi" });
      expect(message).toMatch(/Skill "rules": it has no SKILL\.md at its root.*AgentsMd.*File/);
    }
    expect((await refusal({})).message).toContain("has no files");
  });

  it("has 1,001 files, or more bytes than a bundle may have", async () => {
    const many = Object.fromEntries(Array.from({ length: 1001 }, (_, index) => [`f${index}`, ""]));
    const { f0: _, ...enough } = many;
    expect((await refusal({ ...enough, ...skill })).message).toContain("1001 files");
    const { f1: _first, ...good } = enough;
    expect(await hashOf({ ...good, ...skill })).toMatch(/^sha256:/);
    const half = new Uint8Array(25 * 1024 * 1024);
    const { message } = await refusal({ a: half, b: half.subarray(4), ...skill, c: "x" });
    expect(message).toMatch(/has 52428801 bytes; expected at most 52428800/);
  });

  it("is too large when packed, and says both sizes; one that packs well is taken", async () => {
    const random = new Uint8Array(10 * 1024 * 1024 + 1);
    for (let at = 0; at < random.length; at += 65_536) {
      crypto.getRandomValues(random.subarray(at, at + 65_536));
    }
    const error = await refusal({ ...skill, random });
    expect(error.message).toMatch(
      /has \d{8} bytes when packed, of 10485765; expected at most 10485760/,
    );
    expect(await hashOf({ ...skill, zeros: new Uint8Array(40 * 1024 * 1024) })).toMatch(/^sha256:/);
  });

  it("is told of whole: every problem is in the details, three are in the message", async () => {
    const error = await refusal({ "/a": "", "/b": "", "/c": "", "/d": "" });
    expect(error.problems).toHaveLength(5);
    expect(error.message).toMatch(
      /^Skill "rules": "\/a" must.*"\/b" must.*"\/c" must.*; and 2 more$/,
    );
  });

  it("holds what is neither text nor bytes, or half of a character", async () => {
    const files = { ...skill, a: 1, b: null, c: { content: [] }, d: "\ud800" };
    const error = await refusal(files as unknown as BundleFiles);
    expect(error.problems.map(({ path }) => path)).toEqual(["a", "b", "c", "d"]);
    const odd = { ...skill, a: { content: "", executable: "yes" } } as unknown as BundleFiles;
    expect((await refusal(odd)).message).toContain("executable");
  });
});

describe("a factory", () => {
  it("says which argument is wrong", async () => {
    const wrong: [() => unknown, RegExp][] = [
      [() => Skill.fromFiles(undefined as never), /Skill\.fromFiles takes an object/],
      [() => Skill.fromFiles({ name: "rules", files: null as never }), /files must be an object/],
      [() => Skill.fromFiles({ name: "RulesPack", files: skill }), /name "RulesPack" cannot/],
      [() => Skill.fromFiles({ name: "-a", files: skill }), /name "-a" cannot/],
      [() => Skill.fromFiles({ name: "x".repeat(129), files: skill }), /at most 128/],
      [() => Skill.fromFiles({ name: 7 as never, files: skill }), /name number cannot/],
      [() => Skill.fromId(""), /Skill\.fromId: id is required/],
      [() => Skill.provider(null as never), /Skill\.provider takes an object/],
      [() => Skill.provider({ vendor: "", skillId: "x" }), /vendor is required/],
      [() => Skill.provider({ vendor: "anthropic", skillId: "" }), /skillId is required/],
      [() => Skill.inline({ name: "rules", markdown: " " }), /markdown must be text/],
      [() => AgentsMd.fromId(""), /AgentsMd\.fromId: id is required/],
      [() => AgentsMd.fromContent(" \n", { name: "rules" }), /not blank/],
      [() => AgentsMd.fromContent("# hi", undefined as never), /AgentsMd\.fromContent takes/],
      [() => File.fromId(""), /File\.fromId: id is required/],
      [() => File.fromBytes({ name: "data", bytes: new Uint8Array() }), /the file is empty/],
      [() => File.fromBytes({ name: "data", bytes: 7 as never }), /must be text, a Uint8Array/],
      [() => Skill.fromPath("", { name: "a" }), /a path is required/],
    ];
    for (const [make, message] of wrong) {
      await expect((async () => make())()).rejects.toThrow(message);
    }
  });

  it("is the only way to make one", () => {
    for (const kind of [Skill, AgentsMd, File]) {
      const construct = kind as unknown as new (...args: unknown[]) => unknown;
      expect(() => new construct(Symbol("inside"), {})).toThrow(/has no constructor: use /);
    }
  });
});
