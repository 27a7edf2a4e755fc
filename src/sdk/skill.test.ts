/** What a skill, instructions and files may be used for, and when no more: one table for the three. */
import { describe, expect, it } from "vitest";
import { openBundleStore } from "../../test/support/bundle-store.ts";
import { AgentsMd, AirlockError, File, Skill } from "./sdk.ts";

type Store = Awaited<ReturnType<typeof openBundleStore>>;
type One = Skill | AgentsMd | File;

/** The same steps for each kind: only their names differ. */
const kinds = {
  Skill: {
    field: "skills" as const,
    part: "skill:transient-0",
    build: () => Skill.fromFiles({ name: "rules", files: { "SKILL.md": "# hi" } }),
    known: () => Skill.fromId("skl_abc123"),
    upload: (store: Store, one: One) => (one as Skill).upload(store.client),
    uploadIfChanged: (store: Store, one: One) => (one as Skill).uploadIfChanged(store.client),
    submitted: (one: One) => ({ skills: [one as Skill] }),
  },
  AgentsMd: {
    field: "agentsMd" as const,
    part: "agentsmd:transient-0",
    build: () => AgentsMd.fromContent("# Rules\n", { name: "rules" }),
    known: () => AgentsMd.fromId("amd_abc123"),
    upload: (store: Store, one: One) => (one as AgentsMd).upload(store.client),
    uploadIfChanged: (store: Store, one: One) => (one as AgentsMd).uploadIfChanged(store.client),
    submitted: (one: One) => ({ agentsMd: [one as AgentsMd] }),
  },
  File: {
    field: "files" as const,
    part: "file:transient-0",
    build: () => File.fromBytes({ name: "rules", bytes: "x", mountPath: "/workspace/rules" }),
    known: () => File.fromId("fil_abc123", { mountPath: "/workspace/rules" }),
    upload: (store: Store, one: One) => (one as File).upload(store.client),
    uploadIfChanged: (store: Store, one: One) => (one as File).uploadIfChanged(store.client),
    submitted: (one: One) => ({ files: [one as File] }),
  },
};
type Kind = (typeof kinds)[keyof typeof kinds];

interface Facts {
  isWorkspace: boolean;
  isTransient: boolean;
  isUnstaged: boolean;
  isConsumed: boolean;
}
const yes = (...facts: (keyof Facts)[]): Facts => ({
  isWorkspace: facts.includes("isWorkspace"),
  isTransient: facts.includes("isTransient"),
  isUnstaged: facts.includes("isUnstaged"),
  isConsumed: facts.includes("isConsumed"),
});

/** Every state: how one comes into it, what it says of itself, and what it lets be done. */
const states: {
  name: string;
  enter: (kind: Kind, store: Store) => Promise<One>;
  facts: Facts;
  submits: boolean;
  uploads: boolean;
  hasRecord: boolean;
  json: "ref" | RegExp;
}[] = [
  {
    name: "built",
    enter: async ({ build }) => build(),
    ...{ facts: yes("isTransient", "isUnstaged"), submits: true, uploads: true },
    ...{ hasRecord: false, json: /Cannot make JSON of a \w+ that is not uploaded/ },
  },
  {
    name: "built, after an upload that failed",
    async enter({ build, upload }, store) {
      const one = await build();
      store.failNext(1);
      await expect(upload(store, one)).rejects.toThrow("It did not work");
      return one;
    },
    ...{ facts: yes("isTransient", "isUnstaged"), submits: true, uploads: true },
    ...{ hasRecord: false, json: /Cannot make JSON/ },
  },
  {
    name: "consumed by upload",
    async enter({ build, upload }, store) {
      const one = await build();
      await upload(store, one);
      return one;
    },
    ...{ facts: yes("isTransient", "isConsumed"), submits: false, uploads: false },
    ...{ hasRecord: false, json: /was uploaded and cannot be used again.*fromId\(record\.id\)/ },
  },
  {
    name: "consumed by uploadIfChanged, which found it",
    async enter({ build, upload, uploadIfChanged }, store) {
      await upload(store, await build());
      const one = await build();
      await uploadIfChanged(store, one);
      return one;
    },
    ...{ facts: yes("isTransient", "isConsumed"), submits: false, uploads: false },
    ...{ hasRecord: false, json: /was uploaded and cannot be used again/ },
  },
  {
    name: "returned by upload",
    enter: async ({ build, upload }, store) => upload(store, await build()),
    ...{ facts: yes("isWorkspace"), submits: true, uploads: false, hasRecord: true, json: "ref" },
  },
  {
    name: "known by its id",
    enter: async ({ known }) => known(),
    ...{ facts: yes("isWorkspace"), submits: true, uploads: false, hasRecord: false, json: "ref" },
  },
];

describe.each(Object.entries(kinds))("a %s", (noun, kind) => {
  describe.each(states)("that is $name", (state) => {
    it("says what it is", async () => {
      const one = await state.enter(kind, await openBundleStore());
      const { isWorkspace, isTransient, isUnstaged, isConsumed } = one;
      expect({ isWorkspace, isTransient, isUnstaged, isConsumed }).toEqual(state.facts);
      expect(one.record !== undefined).toBe(state.hasRecord);
      expect(one.ref.kind).toBe(state.facts.isTransient ? "transient" : "workspace");
      if (state.facts.isTransient) {
        expect(one.ref).toMatchObject({ slot: "(unstaged)", name: "rules" });
        expect(one.ref).toMatchObject({ contentHash: one.contentHash });
        expect(one.contentHash).toMatch(/^sha256:[0-9a-f]{64}$/);
      }
    });

    it("becomes JSON without loss, or not at all", async () => {
      const one = await state.enter(kind, await openBundleStore());
      if (state.json === "ref")
        expect(JSON.parse(JSON.stringify({ one }))).toEqual({ one: one.ref });
      else expect(() => JSON.stringify({ one })).toThrow(state.json);
    });

    it(`is ${state.submits ? "taken by" : "refused for"} a submission`, async () => {
      const store = await openBundleStore();
      const one = await state.enter(kind, store);
      const submit = () =>
        store.client.submitRun({ model: "scripted/x", prompt: "hi", ...kind.submitted(one) });
      if (!state.submits) {
        await expect(submit()).rejects.toThrow(
          new RegExp(`^${kind.field}\\[0\\]: This ${noun} "rules" was uploaded`),
        );
        expect(store.submissions()).toEqual([]);
        return;
      }
      await submit();
      // Again, and again the same bytes: nothing is used up by a submission.
      await submit();
      const [first, second] = store.submissions();
      if (!state.facts.isTransient)
        return expect(first?.json).toMatchObject({ [kind.field]: [one.ref] });
      expect([...(first?.form.keys() ?? [])]).toEqual(["submission", kind.part]);
      expect(second?.form.get(kind.part)).toEqual(first?.form.get(kind.part));
    });

    for (const method of ["upload", "uploadIfChanged"] as const) {
      it(`is ${state.uploads ? "taken" : "refused"} by ${method}`, async () => {
        const store = await openBundleStore();
        const one = await state.enter(kind, store);
        const before = store.arrived.length;
        if (!state.uploads) {
          await expect(kind[method](store, one)).rejects.toThrow(
            state.facts.isConsumed
              ? /was uploaded and cannot/
              : new RegExp(`^${noun}.${method}: only`),
          );
          expect(store.arrived.length).toBe(before);
          return;
        }
        const kept = await kind[method](store, one);
        expect(kept).not.toBe(one);
        expect(kept.ref).toMatchObject({ kind: "workspace", id: kept.record?.id });
        expect([one.isConsumed, one.isUnstaged]).toEqual([true, false]);
        expect([kept.name, kept.contentHash]).toEqual([one.name, one.contentHash]);
      });
    }
  });

  it("is uploaded once, however often it is asked at the same time", async () => {
    const store = await openBundleStore();
    const one = await kind.build();
    const kept = await Promise.all([
      ...[kind.upload(store, one), kind.upload(store, one)],
      kind.uploadIfChanged(store, one),
    ]);
    expect(new Set(kept.map(({ record }) => record?.id)).size).toBe(1);
    expect(store.uploads()).toHaveLength(1);
  });

  it("is refused where a raw ref, or another kind, is given in its place", async () => {
    const store = await openBundleStore();
    const others = Object.values(kinds).filter((other) => other !== kind);
    const wrong = [{ ...(await kind.build()).ref }, ...others.map(({ known }) => known()), null];
    for (const one of wrong) {
      const options = { model: "scripted/x", prompt: "hi", [kind.field]: [kind.known(), one] };
      await expect(store.client.submitRun(options)).rejects.toThrow(
        new RegExp(`^${kind.field}\\[1\\] must be a ${noun} instance`),
      );
    }
    expect(store.arrived).toEqual([]);
  });
});

describe("a skill", () => {
  it("of a provider, and one that is inline, are known by their refs", () => {
    const plain = Skill.provider({ vendor: "anthropic", skillId: "pdf", version: "" });
    expect(plain.ref).toEqual({ kind: "provider", vendor: "anthropic", skillId: "pdf" });
    const pinned = Skill.provider({ vendor: "custom", skillId: "x", version: "3" });
    expect(JSON.parse(JSON.stringify(pinned))).toMatchObject({ version: "3" });
    expect([plain.isProvider, plain.isInline, plain.isTransient]).toEqual([true, false, false]);
    const inline = Skill.inline({ name: "rules", markdown: "# hi", mountPath: "/opt/rules" });
    expect(JSON.parse(JSON.stringify(inline))).toEqual({
      ...{ kind: "inline", name: "rules", markdown: "# hi", mountPath: "/opt/rules" },
    });
    expect([inline.isInline, inline.isUnstaged, inline.name]).toEqual([true, false, "rules"]);
  });

  it("of a provider, or inline, is not uploaded", async () => {
    const { client, arrived } = await openBundleStore();
    for (const one of [
      Skill.provider({ vendor: "anthropic", skillId: "pdf" }),
      Skill.inline({ name: "rules", markdown: "# hi" }),
    ]) {
      await expect(one.upload(client)).rejects.toThrow(/only what Skill\.fromFiles or/);
      await expect(one.uploadIfChanged(client)).rejects.toThrow(/Skill\.fromId/);
    }
    expect(arrived).toEqual([]);
  });

  it("cannot be changed through its ref", async () => {
    const { ref } = Skill.fromId("skl_abc123");
    expect(() => Object.assign(ref, { id: "skl_other1" })).toThrow(TypeError);
  });

  it("is uploaded through the client, or through its skills, and through nothing else", async () => {
    const { client, uploads } = await openBundleStore();
    const build = () => Skill.fromFiles({ name: "rules", files: { "SKILL.md": "# hi" } });
    await (await build()).upload(client);
    await (await build()).upload(client.skills);
    expect(uploads()).toHaveLength(2);
    for (const wrong of [undefined, {}, { skills: {} }]) {
      const uploaded = (await build()).upload(wrong as never);
      await expect(uploaded).rejects.toThrow(
        /Skill\.upload takes the client, or its client\.skills/,
      );
    }
  });

  it("is uploaded by a client that has no look-up", async () => {
    const { client, uploads, arrived } = await openBundleStore();
    const one = await Skill.fromFiles({ name: "rules", files: { "SKILL.md": "# hi" } });
    const { upload } = client.skills;
    expect((await one.uploadIfChanged({ upload })).isWorkspace).toBe(true);
    expect([uploads().length, arrived.length]).toEqual([1, 1]);
  });

  it("sends bytes once per content: changed ones again, unchanged ones never", async () => {
    const { client, uploads, arrived } = await openBundleStore();
    const publish = async (text: string) => {
      const draft = await Skill.fromFiles({ name: "rules", files: { "SKILL.md": text } });
      return (await draft.uploadIfChanged(client)).record?.id;
    };
    const first = await publish("# one");
    expect(await publish("# one")).toBe(first);
    const second = await publish("# two");
    expect(second).not.toBe(first);
    expect(await publish("# one")).toBe(first);
    expect(uploads()).toHaveLength(2);
    expect(arrived.filter(({ method }) => method === "GET").map(({ bytes }) => bytes)).toEqual([
      ...[0, 0, 0, 0],
    ]);
  });

  it("is refused by an error of the client's own", async () => {
    const error = await Skill.fromFiles({ name: "Rules", files: {} }).catch((reason) => reason);
    expect(error).toBeInstanceOf(AirlockError);
    expect(error).toMatchObject({ code: "invalid_request" });
  });
});
