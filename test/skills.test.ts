/**
 * What a run is given: skills, instructions and files, read in its sandbox, told to its model, and changed by nobody.
 */
import { readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { clientOf } from "./support/airlock-api.ts";
import { attackPart, expectUnharmed, stateOf } from "./support/bundle-attacks.ts";
import {
  type BundleFiles,
  contentHashOf,
  run,
  submitted,
  transient,
  uploaded,
} from "./support/given-bundles.ts";
import { openPlayingModel, type PlayingModel, saidIn } from "./support/playing-model.ts";
import { resultsOf } from "./support/results-of.ts";
import { type StartedGateway, startGateway } from "./support/start-gateway.ts";

const description = "Says hello in a loud voice; use it when somebody must be greeted";
const hello: BundleFiles = {
  "SKILL.md": `---\nname: hello\ndescription: ${description}\n---\n\nRun bin/hello.sh. BODY-OF-HELLO\n`,
  "bin/hello.sh": ["#!/bin/sh\necho HELLO $1\n", 0o755],
  "data/deep/words.txt": "loud\n",
};
const tables: BundleFiles = { "a.csv": "1,2\n", "sub/b.csv": "3,4\n" };
const rules: BundleFiles = { "AGENTS.md": "Always be polite. RULE-ONE\n" };

const exec = (command: string) => ({ tool: "sandbox_exec", arguments: { command } });
const read = (name_or_handle: string) => ({ tool: "content_read", arguments: { name_or_handle } });

const modes = "find /airlock/skills/hello/ -printf '%m %y %P\\n' | sort -k 3";
const parts = {
  reads: [
    [
      exec("/airlock/skills/hello/bin/hello.sh you; cat /airlock/skills/hello/data/deep/words.txt"),
      exec(modes),
      exec("cat /antpath/skills/hello/data/deep/words.txt /antpath/files/tables/sub/b.csv"),
      exec("cat /opt/mine/SKILL.md /workspace/data/sub/b.csv; ls /airlock/skills /airlock/files"),
    ],
    "Done.",
  ],
  attacks: attackPart,
  content: [
    [
      read("skills/hello/SKILL.md"),
      read("skills/hello/data/deep/words.txt"),
      read("skills/hello/nothing.md"),
      read("skills/other/words.txt"),
    ],
    "Done.",
  ],
  shadow: [
    [
      {
        tool: "content_write",
        arguments: { name: "skills/hello/SKILL.md", content: "My own words" },
      },
      read("skills/hello/SKILL.md"),
    ],
    "Done.",
  ],
  nothing: ["Done."],
};

let model: PlayingModel;
let gateway: StartedGateway;
let skill: string;
let files: string;
beforeAll(async () => {
  model = await openPlayingModel(parts);
  gateway = await startGateway({ env: model.env });
  skill = await uploaded(gateway, "skills", "hello", hello);
  files = await uploaded(gateway, "files", "tables", tables);
}, 180_000);
afterAll(async () => {
  expect(await gateway.stop()).toBe(0);
  await model.close();
});

const given = () => ({
  skills: [
    { kind: "workspace", id: skill },
    { kind: "inline", name: "mine", markdown: "# Mine\n", mountPath: "/opt/mine" },
  ],
  files: [{ kind: "workspace", id: files }],
});

async function play(part: string, submission: object, bundles = {}): Promise<string> {
  const id = await run(
    gateway,
    { model: `compatible/${part}`, prompt: `play ${part}`, ...submission },
    bundles,
  );
  // One that a person has to be asked about would wait for ever.
  const signal = AbortSignal.timeout(20_000);
  expect(await clientOf(gateway).wait(id, { signal })).toMatchObject({ status: "succeeded" });
  return id;
}

const treeOf = (bundle: BundleFiles) =>
  join(gateway.dataDir, "bundles", contentHashOf(bundle).slice("sha256:".length), "tree");

describe("in its sandbox a run", () => {
  it("reads and starts what it was given, at its place, by the alias, and where it asked for it", async () => {
    const bundles = { "file:t": tables };
    const more = given();
    const at = { ...transient("t", "tables", tables), mountPath: "/workspace/data" };
    const id = await play("reads", { ...more, files: [...more.files, at] }, bundles);
    const [ran, listed, alias, placed] = await resultsOf(gateway, id);
    expect(ran).toMatchObject({ ok: true, stdout: "HELLO you\nloud\n" });
    expect(listed?.stdout).toBe(
      [
        "555 d ",
        "444 f SKILL.md",
        "555 d bin",
        "555 f bin/hello.sh",
        "555 d data",
        "555 d data/deep",
        "444 f data/deep/words.txt",
        "",
      ].join("\n"),
    );
    expect(alias).toMatchObject({ ok: true, stdout: "loud\n3,4\n" });
    expect(placed).toMatchObject({
      ok: true,
      stdout: "# Mine\n3,4\n/airlock/files:\ntables\n\n/airlock/skills:\nhello\n",
    });
  });

  it("can change none of it, and nothing of it is changed on the host", async () => {
    await play("nothing", given());
    const before = stateOf(treeOf(hello)) + stateOf(treeOf(tables));
    const at = { ...transient("t", "more", tables), mountPath: "/workspace/data" };
    const submission = { ...given(), files: [...given().files, at] };
    const id = await play("attacks", submission, { "file:t": tables });
    await expectUnharmed(gateway, id);
    expect(stateOf(treeOf(hello)) + stateOf(treeOf(tables))).toBe(before);
  });

  it("shares one tree with every other run that was given the same", async () => {
    await play("nothing", given());
    const { ino, ctimeMs } = statSync(treeOf(hello));
    const bundles = { "skill:other": hello };
    const skills = [transient("other", "another-name", hello)];
    await Promise.all([
      play("nothing", { skills }, bundles),
      play("nothing", given()),
      play("reads", { ...given(), skills: [{ kind: "workspace", id: skill }] }),
    ]);
    expect(statSync(treeOf(hello))).toMatchObject({ ino, ctimeMs });
    const blobs = join(gateway.dataDir, "blobs");
    const inodes = new Set(
      readdirSync(blobs, { recursive: true }).map(
        (path) => statSync(join(blobs, String(path))).ino,
      ),
    );
    expect(inodes.has(statSync(join(treeOf(hello), "SKILL.md")).ino)).toBe(false);
  });
});

describe("its model", () => {
  const asked = async (part: string, submission: object, bundles = {}) => {
    const name = `m-${Math.round(performance.now() * 1000)}`;
    const id = await run(
      gateway,
      { model: `compatible/${name}`, prompt: `play ${part}`, ...submission },
      bundles,
    );
    await clientOf(gateway).wait(id);
    const [first] = model.asked(name);
    const of = (role: string) => (first ?? []).filter((one) => one.role === role).map(saidIn);
    return { id, name, system: of("system").join("\n"), user: of("user") };
  };

  it("is told of skills by name, description and place, and of nothing that is in them", async () => {
    const { system, user } = await asked("nothing", given());
    expect(system).toContain(`- hello (/airlock/skills/hello/SKILL.md): ${description}`);
    expect(system).toContain("- mine (/opt/mine/SKILL.md)");
    expect(system).toContain('content_read "skills/NAME/SKILL.md"');
    expect(system).toContain("/airlock/files/tables (2 files)");
    expect(JSON.stringify([system, user])).not.toContain("BODY-OF-HELLO");
  });

  it("is told of skills briefly, however much they say of themselves", async () => {
    const long = `---\nname: x\ndescription: "${"very ".repeat(180)}"\n---\n`;
    const skills = Array.from({ length: 50 }, (_, at) => ({
      ...{ kind: "inline", name: `skill-${at}`, markdown: long },
    }));
    const { system } = await asked("nothing", { skills });
    expect(system).toContain("- skill-39 ");
    expect(system).not.toContain("- skill-40 ");
    expect(system).toContain("- and 10 more");
    expect(system.length).toBeLessThan(20_000);
  });

  it("is told the instructions before the prompt, each under its name, and nothing without them", async () => {
    const id = await uploaded(gateway, "agentsmd", "house", rules);
    const agentsMd = [
      { kind: "workspace", id },
      { kind: "inline", name: "second", content: "Never shout. RULE-TWO" },
      transient("r", "third", { "AGENTS.md": "Be brief. RULE-THREE" }),
    ];
    const bundles = { "agentsmd:r": { "AGENTS.md": "Be brief. RULE-THREE" } };
    const { user } = await asked("nothing", { agentsMd }, bundles);
    expect(user).toEqual([
      [
        "[AGENTS.md: house]\nAlways be polite. RULE-ONE",
        "[AGENTS.md: second]\nNever shout. RULE-TWO",
        "[AGENTS.md: third]\nBe brief. RULE-THREE",
        "play nothing",
      ].join("\n\n"),
    ]);
    expect((await asked("nothing", {})).user).toEqual(["play nothing"]);
  });

  it("reads every text of a skill with content_read, and is helped when there is none", async () => {
    const id = await play("content", given());
    const [whole, deep, missing, elsewhere] = await resultsOf(gateway, id);
    expect(whole).toMatchObject({
      ok: true,
      content: hello["SKILL.md"],
      name: "skills/hello/SKILL.md",
    });
    expect(deep).toMatchObject({ ok: true, content: "loud\n" });
    expect(missing).toMatchObject({ ok: false, error: "content_not_found" });
    expect(missing?.repair_hint).toContain("skills/hello/SKILL.md");
    expect(elsewhere?.repair_hint).toContain("skills/hello/data/deep/words.txt");
  });

  it("reads what it wrote under the name of a skill's file, as it wrote it", async () => {
    const [, own] = await resultsOf(gateway, await play("shadow", given()));
    expect(own).toMatchObject({ ok: true, content: "My own words" });
  });

  it("reads a skill even when its agent may read nothing else", async () => {
    const agent = { instructions: "Work.", capabilities: [] };
    const { name, id, system } = await asked("content", { ...given(), agent });
    expect(model.shown(name)).toContain("content_read");
    expect(system).toContain(`- hello: ${description}`);
    const [whole, , missing] = await resultsOf(gateway, id);
    expect(whole).toMatchObject({ ok: true, content: hello["SKILL.md"] });
    expect(missing).toMatchObject({ ok: false, error_type: "permission" });
    // Without skills it has no such tool.
    const bare = await asked("content", { agent });
    expect(model.shown(bare.name)).not.toContain("content_read");
    expect((await resultsOf(gateway, bare.id))[0]).toMatchObject({ ok: false });
  });
});

describe("a submission", () => {
  const refused = async (submission: object, bundles = {}) => {
    const base = { model: "compatible/x", prompt: "play nothing" };
    const { status, body } = await submitted(gateway, { ...base, ...submission }, bundles);
    return { status, ...body.error };
  };
  const inline = (name: string, more = {}) => ({ kind: "inline", name, markdown: "# x", ...more });
  const provider = (version?: string) => ({
    ...{ kind: "provider", vendor: "anthropic", skillId: "pptx" },
    ...(version === undefined ? {} : { version }),
  });

  it.each([
    [
      "a skill that is not there",
      () => ({ skills: [{ kind: "workspace", id: "skl_00000000000000000000000000" }] }),
      "not_found",
      "skills[0].id",
    ],
    [
      "files that are not there",
      () => ({
        files: [
          { path: "in.txt", content: "x" },
          { kind: "workspace", id: "fil_00000000000000000000000000" },
        ],
      }),
      "not_found",
      "files[1].id",
    ],
    [
      "one skill twice",
      () => ({ skills: [given().skills[0], given().skills[0]] }),
      "invalid_request",
      "skills[1]",
    ],
    [
      "one provider skill twice",
      () => ({
        model: "anthropic/claude-sonnet-4-5",
        secrets: { anthropic: { apiKey: "sk-ant-0123456789" } },
        skills: [provider("1"), provider("1")],
      }),
      "invalid_request",
      "skills[1]",
    ],
    [
      "two skills of one name",
      () => ({ skills: [given().skills[0], inline("hello")] }),
      "invalid_request",
      "skills[1]",
    ],
    [
      "two instructions of one name",
      () => ({
        agentsMd: [
          { kind: "inline", name: "a", content: "x" },
          { kind: "inline", name: "a", content: "y" },
        ],
      }),
      "invalid_request",
      "agentsMd[1]",
    ],
    [
      "files twice in one place",
      () => ({ files: [...given().files, ...given().files] }),
      "invalid_request",
      "files[1]",
    ],
    [
      "one place below another",
      () => ({
        skills: [inline("a", { mountPath: "/opt/x" }), inline("b", { mountPath: "/opt/x/y" })],
      }),
      "invalid_request",
      "skills[1].mountPath",
    ],
    [
      "the place of an input file",
      () => ({
        files: [{ path: "data/x", content: "x" }],
        skills: [inline("a", { mountPath: "/workspace/data" })],
      }),
      "invalid_request",
      "skills[0].mountPath",
    ],
    [
      "the place of outputs",
      () => ({
        outputDirs: ["/workspace/out"],
        skills: [inline("a", { mountPath: "/workspace/out" })],
      }),
      "invalid_request",
      "skills[0].mountPath",
    ],
    [
      "a provider skill for another provider's model",
      () => ({ skills: [inline("a"), provider()] }),
      "invalid_request",
      "skills[1]",
    ],
  ])("is refused for %s, naming the field", async (_, submission, code, field) => {
    const before = (await clientOf(gateway).listRuns()).runs.length;
    const error = await refused(submission());
    expect(error).toMatchObject({ code, details: { fields: [{ path: field }] } });
    expect(error.message).toContain(field);
    expect((await clientOf(gateway).listRuns()).runs.length).toBe(before);
  });

  it("is refused for a skill that was deleted, before there is a run", async () => {
    const id = await uploaded(gateway, "skills", "short-lived", hello);
    await fetch(`${gateway.url}/api/skills/${id}`, {
      method: "DELETE",
      headers: { authorization: `Bearer ${gateway.token}` },
    });
    const error = await refused({ skills: [{ kind: "workspace", id }] });
    expect(error).toMatchObject({ status: 410, code: "skill_deleted" });
    expect(error.message).toContain("skills[0].id");
  });

  it("is refused for a part that is not what it says, and for one that is no skill", async () => {
    const wrong = { ...transient("s", "x", hello), contentHash: contentHashOf(tables) };
    const error = await refused({ skills: [wrong] }, { "skill:s": hello });
    expect(error).toMatchObject({ status: 400, code: "hash_mismatch" });
    expect(error.message).toContain("skills[0].contentHash");
    const none = await refused({ skills: [transient("s", "x", tables)] }, { "skill:s": tables });
    expect(none).toMatchObject({ status: 400, code: "bundle_invalid" });
    expect(none.message).toContain("skills[0]");
  });

  it("is refused when a file that comes with it holds one of its secrets, however it is written", async () => {
    const secret = "tok-9f8e7d6c5b4a39281706";
    const secrets = { env: { MY_TOKEN: secret } };
    for (const text of [secret, Buffer.from(secret).toString("base64")]) {
      const leaky = { ...hello, "data/config.json": `{"t": "${text}"}` };
      const error = await refused(
        { secrets, skills: [transient("s", "leaky", leaky)] },
        { "skill:s": leaky },
      );
      expect(error).toMatchObject({ code: "invalid_request" });
      expect(error.message).toContain("data/config.json");
      expect(error.message).not.toContain(secret);
    }
    const told = await refused({ secrets, skills: [inline("a", { markdown: `x ${secret}` })] });
    expect(told).toMatchObject({ code: "invalid_request" });
  });

  it("is the same for other slots, and another for other content", async () => {
    const ask = (slot: string, files: BundleFiles) =>
      submitted(
        gateway,
        {
          ...{ model: "compatible/x", prompt: "play nothing", idempotencyKey: "bundles" },
          skills: [transient(slot, "hello", files)],
        },
        { [`skill:${slot}`]: files },
      );
    const first = await ask("a", hello);
    expect(first.status).toBe(201);
    const again = await ask("b", hello);
    expect(again.status).toBe(200);
    expect(again.body).toMatchObject({ run: { id: (first.body.run as { id: string }).id } });
    const other = await ask("a", { ...hello, "more.md": "x" });
    expect(other).toMatchObject({ status: 409, body: { error: { code: "idempotency_conflict" } } });
  });
});
