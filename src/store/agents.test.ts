import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { describe, expect, it } from "vitest";
import { claimedRun, digestOf, openSampleStore } from "../../test/support/sample-store.ts";
import { tempDir } from "../../test/support/temp-dir.ts";
import { agentIdentity } from "../base/agent-identity.ts";
import { limits } from "../base/limits.ts";
import { newId } from "../contract/ids.ts";
import type { NewAgentRevision } from "./agents-rows.ts";
import type { Store } from "./store.ts";

const workspace = newId("workspace");

function made(id: string, text = "Do it", paths: string[] = []): NewAgentRevision {
  return {
    manifest: { agent: { id }, capabilities: [], execution_mode: "script", script_entry: "a" },
    ...{ instructions: text, notes: [], createdBy: "tok" },
    skill: { sha256: digestOf(`${id} ${text}`), bytes: text.length },
    files: paths.map((path) => ({ path, sha256: digestOf(path), bytes: 1, executable: false })),
  };
}

const blobsOf = async (store: Store) => Array.fromAsync(store.files.referenced());

describe("an agent in the store", () => {
  it("has revisions that are named by what is in them, of which one is active", async () => {
    const store = await openSampleStore(await tempDir("agents"));
    const first = await store.agents.install(workspace, made("a.b", "one", ["x"]));
    const { skill, files } = first.revision;
    expect(first).toMatchObject({ created: true, revision: { number: 1, agentId: "a.b" } });
    expect(first.revision.revision).toBe(agentIdentity(skill.sha256, files));
    const second = await store.agents.install(workspace, made("a.b", "two"));
    expect(second.revision.number).toBe(2);
    expect(await store.agents.find(workspace, "a.b")).toEqual(second.revision);
    expect(await store.agents.find(workspace, "a.b", 1)).toEqual(first.revision);
    const again = await store.agents.install(workspace, made("a.b", "one", ["x"]));
    expect(again).toEqual({ created: false, revision: first.revision });
    expect(await store.agents.find(workspace, "a.b")).toEqual(first.revision);
    expect((await store.agents.revisions(workspace, "a.b")).map((one) => one.number)).toEqual([
      1, 2,
    ]);
    expect((await store.verify()).defects).toEqual([]);
    await store.close();
  });

  it.each([
    ["a path", [{ path: "y", sha256: digestOf("x"), bytes: 1, executable: false }]],
    ["bytes", [{ path: "x", sha256: digestOf("y"), bytes: 1, executable: false }]],
    ["a mode", [{ path: "x", sha256: digestOf("x"), bytes: 1, executable: true }]],
    ["a file", []],
  ])("is another revision when %s is another", (_, files) => {
    const own = [{ path: "x", sha256: digestOf("x"), executable: false }];
    const named = agentIdentity(digestOf("skill"), own);
    expect(agentIdentity(digestOf("skill"), files)).not.toBe(named);
    expect(agentIdentity(digestOf("other"), own)).not.toBe(named);
  });

  it("is of its workspace, and not there for any other (I14)", async () => {
    const store = await openSampleStore(await tempDir("agents"));
    const { revision } = (await store.agents.install(workspace, made("a.b"))).revision;
    const other = newId("workspace");
    expect(await store.agents.find(other, "a.b")).toBeUndefined();
    expect(await store.agents.find(other, "a.b", revision)).toBeUndefined();
    expect(await store.agents.list(other)).toEqual([]);
    expect(await store.agents.revisions(other, "a.b")).toEqual([]);
    expect(await store.agents.delete(other, "a.b")).toBe(false);
    expect((await store.agents.install(other, made("a.b"))).created).toBe(true);
    expect(await store.agents.list(workspace)).toHaveLength(1);
    await store.close();
  });

  it("keeps its blobs until it is deleted, and a run keeps those that it began with", async () => {
    const store = await openSampleStore(await tempDir("agents"));
    const agent = made("a.b", "one", ["x", "y"]);
    await store.agents.install(workspace, agent);
    await store.agents.install(workspace, made("a.b", "two", ["y"]));
    const all = [agent.skill.sha256, digestOf("x"), digestOf("y")];
    expect(await blobsOf(store)).toEqual(expect.arrayContaining(all));
    for (const sha256 of all) expect(await store.files.isReferenced(sha256)).toBe(true);
    const files = agent.files.filter(({ path }) => path === "y");
    await claimedRun(store, {
      snapshot: {
        ...{ model: "none", prompt: [""] },
        agent: { id: "a.b", instructions: "", capabilities: [], files },
      },
    });
    expect(await store.agents.delete(workspace, "a.b")).toBe(true);
    expect(await store.agents.delete(workspace, "a.b")).toBe(false);
    expect(await store.files.isReferenced(digestOf("x"))).toBe(false);
    expect(await store.files.isReferenced(agent.skill.sha256)).toBe(false);
    expect(await store.files.isReferenced(digestOf("y"))).toBe(true);
    expect((await store.agents.install(workspace, agent)).revision.number).toBe(1);
    await store.close();
  });

  it("is there with all of it or not at all when installs come side by side", async () => {
    const store = await openSampleStore(await tempDir("agents"));
    const texts = Array.from({ length: 30 }, (_, at) => `text ${at % 10}`);
    const done = await Promise.all(
      texts.map((text) => store.agents.install(workspace, made("a.b", text, ["x"]))),
    );
    expect(done.filter(({ created }) => created)).toHaveLength(10);
    const numbers = (await store.agents.revisions(workspace, "a.b")).map(({ number }) => number);
    expect(numbers).toEqual(Array.from({ length: 10 }, (_, at) => at + 1));
    expect((await store.verify()).defects).toEqual([]);
    await store.close();
  });

  it("is refused beyond what a workspace may keep, with a sentence that says so", async () => {
    const store = await openSampleStore(await tempDir("agents"));
    const large = "x".repeat(limits.workspaceAgentBytes / 2 - 2000);
    await store.agents.install(workspace, made("a.b", large));
    await store.agents.install(workspace, made("a.b", `${large} more`));
    await expect(store.agents.install(workspace, made("c.d", "y".repeat(5000)))).rejects.toThrow(
      /Cannot keep more than \d+ bytes of manifests and instructions/,
    );
    expect(await store.agents.find(workspace, "c.d")).toBeUndefined();
    await store.close();
  });
});

describe("verify", () => {
  it.each([
    ["files", `UPDATE agent_revisions SET files = '[]'`, /is not what its digest says/],
    ["a SKILL.md", `UPDATE agent_revisions SET skill_sha256 = 'sha256:0'`, /its digest says/],
    ["a manifest", `UPDATE agent_revisions SET manifest = '{}'`, /cannot be read/],
    ["an id", `UPDATE agents SET id = 'x'`, /has no revision|revisions of no agent/],
    ["an active revision", `UPDATE agents SET revision = 'x'`, /has no revision x/],
    ["kept blobs", `DELETE FROM agent_blobs WHERE rowid = 1`, /does not keep the blobs/],
  ])("finds an agent whose %s somebody changed", async (_, change, message) => {
    const dir = await tempDir("agents");
    const store = await openSampleStore(dir);
    await store.agents.install(workspace, made("a.b", "one", ["x"]));
    await store.close();
    const db = new DatabaseSync(join(dir, "airlock.db"));
    db.exec(change);
    db.close();
    const again = await openSampleStore(dir);
    const { defects } = await again.verify();
    expect(defects.map((one) => one.message).join("\n")).toMatch(message);
    await again.close();
  });
});
