/** Submissions with bundles: what goes over the wire, in which part, and what is never sent. */
import { buffer } from "node:stream/consumers";
import { describe, expect, it } from "vitest";
import { fromBufferPromise } from "yauzl";
import { openBundleStore } from "../../test/support/bundle-store.ts";
import { RunSubmission } from "../contract/submission.ts";
import { AgentsMd, File, Skill, type SubmitOptions } from "./sdk.ts";

const plain = { model: "scripted/x", prompt: "hi" } as const;
const skillOf = (name: string, text = "# hi") =>
  Skill.fromFiles({ name, files: { "SKILL.md": text } });

async function filesIn(zip: unknown): Promise<Record<string, string>> {
  const opened = await fromBufferPromise(Buffer.from(zip as Uint8Array), { lazyEntries: true });
  const files: Record<string, string> = {};
  for await (const entry of opened.eachEntry()) {
    files[entry.fileName] = (await buffer(await opened.openReadStreamPromise(entry))).toString();
  }
  return files;
}

describe("a submission with bundles", () => {
  it("sends those that travel as parts, by their place among those of their kind", async () => {
    const { client, submissions } = await openBundleStore();
    const data = await File.fromBytes({ name: "data", bytes: "a,b", mountPath: "/opt/data" });
    await client.submitRun({
      ...plain,
      skills: [
        Skill.fromId("skl_abc123"),
        await skillOf("one", "# one"),
        Skill.provider({ vendor: "anthropic", skillId: "pdf" }),
        Skill.inline({ name: "three", markdown: "# three" }),
        await skillOf("two", "# two"),
      ],
      agentsMd: [await AgentsMd.fromContent("# Rules", { name: "rules" })],
      files: [
        { path: "small.txt", content: "x" },
        data,
        { path: "large.bin", bytes: new Uint8Array(100_000) },
        File.fromId("fil_abc123"),
      ],
    });
    const [sent] = submissions();
    const submission = JSON.parse(String(sent?.form.get("submission")));
    expect(RunSubmission.safeParse(submission).success).toBe(true);
    expect(submission.skills).toEqual([
      { kind: "workspace", id: "skl_abc123" },
      expect.objectContaining({ kind: "transient", slot: "transient-0", name: "one" }),
      { kind: "provider", vendor: "anthropic", skillId: "pdf" },
      { kind: "inline", name: "three", markdown: "# three" },
      expect.objectContaining({ kind: "transient", slot: "transient-1", name: "two" }),
    ]);
    expect(submission.files).toEqual([
      { path: "small.txt", content: "x" },
      { ...data.ref, slot: "transient-0" },
      { path: "large.bin", slot: "f2" },
      { kind: "workspace", id: "fil_abc123" },
    ]);
    expect([...(sent?.form.keys() ?? [])]).toEqual([
      ...["submission", "file:f2", "skill:transient-0", "skill:transient-1"],
      ...["agentsmd:transient-0", "file:transient-0"],
    ]);
    expect(await filesIn(sent?.form.get("skill:transient-1"))).toEqual({ "SKILL.md": "# two" });
    expect(await filesIn(sent?.form.get("agentsmd:transient-0"))).toEqual({
      "AGENTS.md": "# Rules",
    });
    expect(await filesIn(sent?.form.get("file:transient-0"))).toEqual({ data: "a,b" });
    // What a program holds is as it was.
    expect(data.ref).toMatchObject({ slot: "(unstaged)" });
  });

  it("is plain JSON when nothing travels, and takes what cannot be changed", async () => {
    const { client, submissions } = await openBundleStore();
    const options = {
      ...plain,
      prompt: ["one", "two"],
      outputDirs: ["/workspace/out"],
      environment: { packages: [{ name: "pip:requests" }] },
      metadata: { list: [1, 2] },
      skills: [Skill.fromId("skl_abc123")],
    } as const satisfies SubmitOptions;
    await client.submitRun(options);
    expect(submissions()[0]?.json).toMatchObject({
      prompt: ["one", "two"],
      skills: [{ kind: "workspace", id: "skl_abc123" }],
    });
  });

  it("sends the same zip of the same files, in whatever order they were given", async () => {
    const { client, submissions } = await openBundleStore();
    const files = { "SKILL.md": "# hi", "2": "two", "10": "ten", ａ: "full width", "🚀": "rocket" };
    const reversed = Object.fromEntries(Object.entries(files).reverse());
    for (const given of [files, reversed]) {
      await client.submitRun({
        ...plain,
        skills: [await Skill.fromFiles({ name: "rules", files: given })],
      });
    }
    const [one, other] = submissions().map(({ form }) => form.get("skill:transient-0"));
    expect(other).toEqual(one);
    expect(Object.keys(await filesIn(one)).filter((path) => !/^\d/.test(path))).toEqual([
      ...["SKILL.md", "ａ", "🚀"],
    ]);
  });

  it("sends the bytes that were given, whatever became of them since", async () => {
    const { client, submissions } = await openBundleStore();
    const bytes = new TextEncoder().encode("# hi");
    const skill = await Skill.fromFiles({ name: "rules", files: { "SKILL.md": bytes } });
    bytes.fill(0);
    await client.submitRun({ ...plain, skills: [skill] });
    const [sent] = submissions();
    expect(await filesIn(sent?.form.get("skill:transient-0"))).toEqual({ "SKILL.md": "# hi" });
  });

  it("sends the same bytes again when the connection broke", async () => {
    const { client, submissions } = await openBundleStore();
    const skill = await skillOf("rules");
    const submit = () => client.submitRun({ ...plain, idempotencyKey: "k", skills: [skill] });
    await Promise.all([submit(), submit(), submit()]);
    const parts = submissions().map(({ form }) => form.get("skill:transient-0"));
    expect(parts).toHaveLength(3);
    expect(parts[1]).toEqual(parts[0]);
    expect(parts[2]).toEqual(parts[0]);
  });
});

describe("nothing is sent of a submission", () => {
  const known = Skill.fromId("skl_abc123");
  const wrong: [string, () => Promise<object> | object, RegExp][] = [
    [
      "with a skill that is a raw ref",
      () => ({ skills: [known.ref] }),
      /^skills\[0\] must be a Skill instance/,
    ],
    [
      "with skills that are no list",
      () => ({ skills: known }),
      /^skills must be an array of Skill/,
    ],
    [
      "with the same id twice",
      () => ({ skills: [known, Skill.fromId("skl_abc123")] }),
      /^skills\[1\]: skl_abc123 is there twice: it is skills\[0\] already/,
    ],
    [
      "with the same instance twice",
      async () => {
        const skill = await skillOf("rules");
        return { skills: [skill, skill] };
      },
      /^skills\[1\]: has the name "rules", which skills\[0\] has already/,
    ],
    [
      "with two skills of one name, which would be in one place",
      async () => ({
        skills: [await skillOf("rules"), known, Skill.inline({ name: "rules", markdown: "x" })],
      }),
      /^skills\[2\]: has the name "rules", which skills\[0\] has/,
    ],
    [
      "with a provider's skill twice",
      () => ({ skills: [0, 1].map(() => Skill.provider({ vendor: "custom", skillId: "x" })) }),
      /^skills\[1\]: custom:x is there twice/,
    ],
    [
      "with an id that is none",
      () => ({ skills: [Skill.fromId("abc_123456")] }),
      /^skills\[0\]\.id: expected an id like skl_/,
    ],
    [
      "with a vendor that nobody knows",
      () => ({ skills: [Skill.provider({ vendor: "acme", skillId: "x" })] }),
      /^skills\[0\]\.vendor: /,
    ],
    [
      "with a mount path where nothing is mounted",
      () => ({
        files: [{ path: "a", content: "x" }, File.fromId("fil_abc123", { mountPath: "/etc" })],
      }),
      /^files\[1\]\.mountPath: must be below \/opt/,
    ],
    [
      "with a platform's File",
      () => ({ files: [new globalThis.File(["x"], "x.txt")] }),
      /^files\[0\] must be a File instance of this package/,
    ],
    [
      "with an input that has no bytes beside a bundle",
      () => ({ files: [File.fromId("fil_abc123"), { path: "a" }] }),
      /^files\[1\] must have exactly one of/,
    ],
  ];
  for (const [what, options, message] of wrong) {
    it(what, async () => {
      const { client, arrived } = await openBundleStore();
      const submitted = client.submitRun({ ...plain, ...(await options()) });
      await expect(submitted).rejects.toThrow(message);
      await expect(submitted).rejects.toMatchObject({
        code: "invalid_request",
        details: { fields: [expect.objectContaining({ path: expect.stringMatching(/^\w+/) })] },
      });
      expect(arrived).toEqual([]);
    });
  }

  it("twice with the same files in one place; in two places they are two", async () => {
    const { client, arrived, submissions } = await openBundleStore();
    const at = (mountPath?: string) => File.fromId("fil_abc123", mountPath ? { mountPath } : {});
    const submit = (...files: File[]) => client.submitRun({ ...plain, files });
    await expect(submit(at("/opt/a"), at("/opt/a"))).rejects.toThrow(
      /^files\[1\]: \/opt\/a is where files\[0\] is mounted/,
    );
    expect(arrived).toEqual([]);
    await submit(at("/opt/a"), at("/opt/b"), at());
    expect(submissions()).toHaveLength(1);
  });
});
