/** What a gateway signs of a run is what happened in it: each part of the statement is held against its own source. */
import { rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { verifyArchive } from "../src/attest/attest.ts";
import { AgentsMd, isEvent, type Run, type RunEvent, Skill } from "../src/sdk/sdk.ts";
import { clientOf, historyOf } from "./support/airlock-api.ts";
import { buildArtifact, captureFiles, write } from "./support/artifacts-in-runs.ts";
import { type Director, openDirector } from "./support/directed-run.ts";
import { type Members, statementIn } from "./support/forge-archive.ts";
import { readZip } from "./support/read-zip.ts";
import { untilEvent } from "./support/results-of.ts";
import { newDataDir, type StartedGateway, startGateway } from "./support/start-gateway.ts";

const capabilities = [
  { type: "ReadAccess" as const, scopes: ["self.*"] },
  { type: "WriteAccess" as const, scopes: ["self.*"] },
  { type: "CodeExecution" as const, patterns: ["*"] },
];
const agent = { id: "attested", instructions: "Do as you are told", capabilities };
const skill = "---\nname: greeting\ndescription: Says hello\n---\nSay hello.\n";
const dir = newDataDir();

let director: Director;
let gateway: StartedGateway;
let run: Run;
let history: RunEvent[];
let members: Members;
let seen: { layer: string; artifact: string; approvals: string[]; token: string };

beforeAll(async () => {
  director = await openDirector();
  gateway = await startGateway({ env: director.env });
  const client = clientOf(gateway);
  const opened = await director.open(gateway, {
    ...{ agent, outputDirs: ["/workspace/out"], grant: capabilities },
    skills: [await Skill.fromFiles({ name: "greeting", files: { "SKILL.md": skill } })],
    agentsMd: [await AgentsMd.fromContent("Never shout.", { name: "house-rules" })],
  });
  await write(opened, { "main.sh": "echo main" });
  const layer = await captureFiles(opened, { path: "/tmp/tools" }, { "bin/x": "x" });
  const built = await buildArtifact(opened, { inputs: ["main.sh"], entrypoints: ["main.sh"] });
  const approvals: string[] = [];
  for (const [at, answer] of (["deny", "approve"] as const).entries()) {
    const told = opened.call("sandbox_exec", {
      command: `curl -sS https://never.example.org/${at}`,
    });
    told.catch(() => undefined);
    await untilEvent(opened.run, "approval.requested", at + 1);
    const { approvals: pending } = await client.approvals.list({ status: "pending" });
    const id = pending[0]?.id ?? "";
    approvals.push(id);
    await client.approvals[answer](id);
    await told;
  }
  await opened.call("sandbox_exec", {
    command: "echo out > /workspace/out/a.txt",
    network: "none",
  });
  run = await opened.end();
  history = await historyOf(gateway, run.id);
  const bytes = await client.run(run.id).download();
  writeFileSync(join(dir, "run.zip"), bytes);
  members = [...(await readZip(bytes))];
  const token = (await client.whoami()).tokenId;
  seen = { layer: layer.digest, artifact: built.artifact_id, approvals, token };
}, 180_000);
afterAll(async () => {
  await gateway.stop();
  await director.close();
  rmSync(dir, { recursive: true, force: true });
});

const of = <T extends RunEvent["type"]>(type: T) => history.filter((event) => isEvent(event, type));

describe("the statement of an archive", () => {
  it("says who ran, by what, and how it ended", () => {
    const { predicate } = statementIn(members);
    expect(predicate.run).toMatchObject({ id: run.id, workspace_id: run.workspaceId });
    expect(predicate.run).toMatchObject({ status: "succeeded", stop_reason: "end_turn" });
    expect(predicate.agent).toEqual({ id: "attested", revision: null });
    expect(predicate.model).toEqual({ name: run.model, asked: null, rule: null });
    expect(predicate.isolation).toEqual(run.isolation);
    expect(predicate.journal).toEqual({ last_seq: run.lastSeq, head: history.at(-1)?.hash });
    expect(predicate.times.finished_at).toBe(run.finishedAt);
    expect(predicate.policy.grant).toEqual(run.submission.grant);
  });

  it("names what the run was given and what it made, by digest", () => {
    const { predicate } = statementIn(members);
    const { skills = [], agentsMd = [] } = run.submission;
    expect(skills.length + agentsMd.length).toBe(2);
    const named = (list: readonly object[]) =>
      list.map((one) => {
        const { name, contentHash } = one as { name: string; contentHash: string };
        return { name, content_hash: contentHash };
      });
    expect(predicate.skills).toEqual(named(skills));
    expect(predicate.agents_md).toEqual(named(agentsMd));
    expect(predicate.layers.map(({ digest }) => digest)).toEqual([seen.layer]);
    expect(predicate.artifacts.map(({ artifact_id }) => artifact_id)).toEqual([seen.artifact]);
    expect(predicate.outputs).toMatchObject([{ member: "outputs/a.txt", bytes: 4 }]);
  });

  it("says what people were asked, what their answers were bound to, and who gave them", () => {
    const { predicate } = statementIn(members);
    const digests = of("approval.requested").map(({ data }) => data.binding.digest);
    const [denied, approved] = seen.approvals;
    expect(predicate.approvals).toMatchObject([
      { request_id: denied, decision: "denied", scope: null, digest: digests[0] },
      { request_id: approved, decision: "approved", scope: "once", digest: digests[1] },
    ]);
    for (const { answered_by } of predicate.approvals) expect(answered_by).toBe(seen.token);
    const count = (decision: string) =>
      of("call.decided").filter(({ data }) => data.decision === decision).length;
    const decisions = { allow: count("allow"), ask: count("ask"), deny: count("deny") };
    expect(predicate.policy.decisions).toEqual(decisions);
    expect(decisions.ask).toBe(2);
  });

  it("is found to agree with all of the archive", async () => {
    expect((await verifyArchive(join(dir, "run.zip"))).faults).toEqual([]);
  });
});
