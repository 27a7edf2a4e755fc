/** What a program of the client gives to runs, as the runs find it, and what it may not give. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { AgentsMd, AirlockError, File, Skill, type SubmitOptions } from "../src/sdk/sdk.ts";
import { call, clientOf } from "./support/airlock-api.ts";
import { type Director, openDirector } from "./support/directed-run.ts";
import { type StartedGateway, startGateway } from "./support/start-gateway.ts";

let director: Director;
let gateway: StartedGateway;
beforeAll(async () => {
  director = await openDirector();
  gateway = await startGateway({ env: director.env });
});
afterAll(async () => {
  await gateway.stop();
  await director.close();
});

const markdown = "---\nname: rules\ndescription: How to greet\n---\nSay hello loudly.\n";
const rules = () =>
  Skill.fromFiles({
    name: "rules",
    files: {
      "SKILL.md": markdown,
      "bin/greet.sh": { content: "#!/bin/sh\necho HELLO\n", executable: true },
      "ünï/2": "two\n",
    },
  });

/** What a command of a new run says, which is given these. */
async function said(command: string, submission: Parameters<Director["open"]>[1]) {
  const run = await director.open(gateway, submission);
  const answer = await run.call("sandbox_exec", { command });
  expect(await run.end()).toMatchObject({ status: "succeeded" });
  return answer.stdout;
}

describe("a run finds", () => {
  const look = "/airlock/skills/rules/bin/greet.sh; cat /airlock/skills/rules/ünï/2";

  it("a skill that travelled with it, and another run finds the same one", async () => {
    const skill = await rules();
    expect(await said(look, { skills: [skill] })).toBe("HELLO\ntwo\n");
    expect(await said(look, { skills: [skill] })).toBe("HELLO\ntwo\n");
    expect(skill.isUnstaged).toBe(true);
    // Nothing of it is the workspace's.
    expect(await clientOf(gateway).skills.findByName("rules")).toBeNull();
  });

  it("one of the workspace, and keeps it when it is deleted meanwhile", async () => {
    const client = clientOf(gateway);
    const kept = await (await rules()).upload(client);
    const run = await director.open(gateway, { skills: [kept] });
    await client.skills.delete(String(kept.record?.id));
    const answer = await run.call("sandbox_exec", { command: look });
    expect(answer.stdout).toBe("HELLO\ntwo\n");
    await run.end();
    const again = client.submitRun({ model: "compatible/x", prompt: "go", skills: [kept] });
    await expect(again).rejects.toMatchObject({ code: "skill_deleted", status: 410 });
  });

  it("files where they were wanted, beside inputs, and instructions before its prompt", async () => {
    const data = await File.fromBytes({ name: "data", bytes: "a,b\n", filename: "data.csv" });
    const more = await File.fromBytes({ name: "more", bytes: "c\n", mountPath: "/opt/more" });
    const agentsMd = await AgentsMd.fromContent("Always be polite. RULE-ONE", { name: "manners" });
    const before = director.requests.length;
    const found = await said(
      "cat /airlock/files/data/data.csv /opt/more/more /workspace/small.txt; wc -c < /workspace/large.bin",
      {
        files: [
          { path: "small.txt", content: "small\n" },
          data,
          { path: "large.bin", bytes: new Uint8Array(100_000) },
          more,
        ],
        agentsMd: [agentsMd, AgentsMd.inline({ name: "second", content: "RULE-TWO" })],
        skills: [Skill.inline({ name: "short", markdown: "# Short\n" })],
      },
    );
    expect(found).toBe("a,b\nc\nsmall\n100000\n");
    const told = JSON.stringify(director.requests[before]?.messages);
    expect(told.indexOf("RULE-ONE")).toBeGreaterThan(0);
    expect(told.indexOf("RULE-TWO")).toBeGreaterThan(told.indexOf("RULE-ONE"));
  });
});

describe("what is refused before it is sent is refused by the gateway as well", () => {
  const id = "skl_abc123";
  const inline = { kind: "inline", name: "rules", markdown: "# Rules" } as const;
  const pairs: [string, () => SubmitOptions["skills"], object[]][] = [
    [
      "an id that is there twice",
      () => [Skill.fromId(id), Skill.fromId(id)],
      [
        { kind: "workspace", id },
        { kind: "workspace", id },
      ],
    ],
    [
      "a name that is there twice",
      () => [Skill.inline(inline), Skill.inline(inline)],
      [inline, inline],
    ],
  ];
  it.each(pairs)("%s", async (_what, skills, refs) => {
    const options = { model: "compatible/x", prompt: "go" };
    const local = await clientOf(gateway)
      .submitRun({ ...options, skills: skills() ?? [] })
      .catch((error: unknown) => error);
    expect(local).toBeInstanceOf(AirlockError);
    expect(local).not.toHaveProperty("status", 400);
    const remote = await call(gateway, "POST", "/api/runs", { ...options, skills: refs });
    expect(remote).toMatchObject({ status: 400, body: { error: { code: "invalid_request" } } });
    const { message } = remote.body.error as { message: string };
    expect((local as AirlockError).message).toBe(message);
  });
});
