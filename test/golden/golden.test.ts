/**
 * Data directories as earlier versions left them. They are never made again, only added to: one that no longer opens is
 * what operators would see after their upgrade, and the code is what has to change.
 */
import { copyFileSync, existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { Approval } from "../../src/contract/approval.ts";
import { newId } from "../../src/contract/ids.ts";
import { RunEvent } from "../../src/contract/event.ts";
import { SkillRecord } from "../../src/contract/bundle.ts";
import { ProxyCall } from "../../src/contract/proxy-call.ts";
import { Run } from "../../src/contract/run.ts";
import { SecretInfo } from "../../src/contract/secret.ts";
import { openSampleStore } from "../support/sample-store.ts";
import { tempDir } from "../support/temp-dir.ts";

interface Expected {
  secret: string;
  workspaceId: string;
  events: number;
  runs: {
    finished: string;
    cancelled: string;
    interrupted: string;
    gone: string;
    approved?: string;
    waiting?: string;
    /** The first eight had no trees: the root, a task that is done, one that asks, one that died; and no forks. */
    root?: string;
    done?: string;
    asks?: string;
    dies?: string;
    forked?: string;
    /** The first nine had no bundles: a run that has ended, and one that has not begun. */
    skilled?: string;
    packed?: string;
  };
  /** Of the finished run; the first version did not write it down. */
  costUsd?: number;
  /** The first two versions had no artifacts. */
  artifactId?: string;
  /** The first three had none. */
  proofs?: number;
  /** The first five had none. */
  approvals?: { approved: string; waiting: string };
  /** The first seven had no proxy endpoints, and no secrets of workspaces. */
  proxy?: { settled: string; reserved: string };
  /** The first eight had no agents. */
  tree?: { agent: string; revision: string; answered: string; pending: string };
  /** The first nine had none. */
  bundles?: { live: string; deleted: string; held: string[]; gone: string };
}

const here = import.meta.dirname;
const goldens = readdirSync(here).filter((name) => existsSync(join(here, name, "airlock.db")));

async function openGolden(name: string) {
  const dir = await tempDir("golden");
  copyFileSync(join(here, name, "airlock.db"), join(dir, "airlock.db"));
  const expected: Expected = JSON.parse(readFileSync(join(here, name, "expected.json"), "utf8"));
  return { store: await openSampleStore(dir), expected };
}

it("there is a golden data directory of every schema version", () => {
  const versions = readdirSync(join(here, "../../src/store/migrations"));
  // Some were written in parts.
  const numbers = new Set(versions.map((version) => Number(version.slice(0, 4))));
  expect(new Set(goldens)).toEqual(new Set([...numbers].map((number) => `v${number}`)));
});

for (const name of goldens) {
  describe(`the golden data directory ${name}`, () => {
    it("opens with today's code, and every chain and row is sound", async () => {
      const { store, expected } = await openGolden(name);
      const report = await store.verify();
      // One of them was deleted.
      const runs = Object.keys(expected.runs).length - 1;
      expect(report).toMatchObject({ ok: true, runs, events: expected.events, defects: [] });
      expect(store.epoch).toBe(2);
    });

    it("gives its runs, events, outputs and content back", async () => {
      const { store, expected } = await openGolden(name);
      const { workspaceId, runs } = expected;
      const finished = Run.parse(await store.runs.get(workspaceId, runs.finished));
      expect(finished).toMatchObject({
        status: "succeeded",
        stop_reason: "end_turn",
        cleanup_status: "succeeded",
        reply: "One row",
        turns: 2,
        calls: 1,
        costUsd: expected.costUsd ?? null,
        usage: { inputTokens: 320, outputTokens: 49, totalTokens: 369, cacheReadTokens: 64 },
        isolation: { grade: "A" },
        metadata: { team: "red", nested: { list: [1, 2.5, null, true] } },
        submission: { prompt: ["Write the report", "Keep it short"], limits: { turns: 5 } },
      });
      expect(await store.runs.get(workspaceId, runs.cancelled)).toMatchObject({
        status: "cancelled",
        message: "Cancelled before it started",
        reply: null,
        costUsd: 0,
      });
      const events = await store.journal.read(runs.finished, 0, 100);
      for (const event of events) RunEvent.parse(event);
      expect(events.at(-1)).toMatchObject({ type: "run.cleaned", hash: finished.head });
      expect(await store.files.outputs(workspaceId, runs.finished)).toMatchObject([
        { name: "report.txt", path: "/workspace/out/report.txt", bytes: 14 },
      ]);
      expect(await store.files.content(runs.finished)).toMatchObject([{ name: "notes", order: 1 }]);
      const referenced = await Array.fromAsync(store.files.referenced());
      const ofBundles = (expected.bundles?.held.length ?? 0) * 2;
      expect(new Set(referenced).size).toBe((expected.tree ? 8 : 5) + ofBundles);
    });

    it("knows the layers and artifacts that it had", async () => {
      const { store, expected } = await openGolden(name);
      const { workspaceId, runs, artifactId } = expected;
      const artifacts = (await store.artifacts.list(workspaceId, { limit: 100 })).rows;
      expect(artifacts.map(({ id }) => id)).toEqual(artifactId ? [artifactId] : []);
      const proved = artifactId ? await store.artifacts.proofs(workspaceId, artifactId) : [];
      expect(proved).toHaveLength(expected.proofs ?? 0);
      const layers = (await store.layers.list(workspaceId, { limit: 100 })).rows;
      expect(layers.map(({ runId }) => runId)).toEqual(artifactId ? [runs.finished] : []);
    });

    it("knows its tokens, its keys, its deleted run and its uids", async () => {
      const { store, expected } = await openGolden(name);
      const { workspaceId, runs } = expected;
      expect(await store.tokens.find(expected.secret)).toMatchObject({ workspaceId });
      expect(await store.tokens.count()).toBe(2);
      expect(await store.runs.wasDeleted(workspaceId, runs.gone)).toBe(true);
      const again = await store.journal.submit({
        runId: newId("run"),
        workspaceId,
        idempotencyKey: "gone",
        bodyHash: "",
        snapshot: { model: "openai/gpt-5", prompt: ["Delete me"] },
        secrets: [],
        submittedBy: "",
      });
      expect(again).toEqual({ type: "deleted", runId: runs.gone });
      expect(await store.secrets.get(runs.finished)).toEqual([]);
    });

    it("knows what people were asked, and asks on", async () => {
      const { store, expected } = await openGolden(name);
      const { workspaceId, approvals } = expected;
      const { approvals: listed } = await store.approvals.list(workspaceId, { limit: 10 });
      expect(listed.map(({ id }) => id).sort()).toEqual(Object.values(approvals ?? {}).sort());
      if (approvals === undefined) return;
      const approved = Approval.parse(await store.approvals.get(workspaceId, approvals.approved));
      expect(approved).toMatchObject({
        ...{ status: "approved", answer: { note: "Only this week", scope: "agent_revision" } },
        ...{ spentAt: expect.any(String), revokedAt: null },
      });
      const { keys } = approved.request;
      expect(await store.approvals.standing(workspaceId, "", keys)).toEqual({
        ...{ id: approved.id, scope: "agent_revision" },
      });
      const answered = await store.approvals.answer(workspaceId, approvals.waiting, {
        ...{ status: "denied", scope: null, scopeExpiresAt: null, answeredBy: "tok_person" },
        ...{ note: null, rememberedUntil: null },
      });
      expect(answered).toMatchObject({ type: "answered", approval: { status: "denied" } });
      expect(await store.verify()).toMatchObject({ ok: true });
    });

    it("knows what was called through proxy endpoints, and the secrets of its workspace", async () => {
      const { store, expected } = await openGolden(name);
      const { workspaceId, runs, proxy } = expected;
      const page = { after: null, most: 10 };
      const { rows } = await store.proxy.list(workspaceId, runs.finished, page);
      const secrets = await store.workspaceSecrets.list(workspaceId);
      expect(rows).toHaveLength(proxy ? 2 : 0);
      expect(secrets).toHaveLength(proxy ? 1 : 0);
      if (proxy === undefined) return;
      expect(ProxyCall.parse(rows[0])).toMatchObject({
        ...{ id: proxy.settled, endpointName: "rates", responseStatus: 200, redacted: true },
        ...{ finishedAt: "2026-11-20T12:00:06.500Z", modeClamped: true },
      });
      expect(await store.proxy.used(runs.finished, "rates")).toEqual({ calls: 1, bytes: 512 });
      expect(await store.proxy.unsettled(runs.interrupted)).toMatchObject([
        { id: proxy.reserved, endpoint: "rates", sent: true },
      ]);
      expect(SecretInfo.parse(secrets[0])).toMatchObject({ name: "RATES_KEY", version: 2 });
      const versions = await store.workspaceSecrets.versions(workspaceId);
      expect(versions.map(({ name, sealed }) => [name, sealed[0]])).toEqual([
        ...[["OLD_KEY", 3], ["RATES_KEY", 1], ["RATES_KEY", 2]],
      ]);
    });

    it("knows the tree of its root, what that has used up, and what it waits for", async () => {
      const { store, expected } = await openGolden(name);
      const { root, done, asks, dies } = expected.runs;
      expect(await store.waits.all()).toHaveLength(root ? 2 : 0);
      if (root === undefined) return;
      const tasks = await store.runs.tasks(expected.workspaceId, root);
      expect(tasks.map(({ runId, status }) => [runId, status])).toEqual([
        ...[[done, "succeeded"], [asks, "awaiting_input"], [dies, "running"]],
      ]);
      const tree = await store.runs.treeTasks(expected.workspaceId, root);
      expect(tree[0]).toMatchObject({ runId: root, status: "waiting_children" });
      expect(await store.budgets.shown(expected.workspaceId, root)).toEqual({
        // What was reserved for the model that was being asked counts: 400 and 1000 tokens.
        ...{ tokens: { limit: 100_000, used: 390 + 1500 + 1400, reserved: 0 } },
        ...{ usd: { limit: 5, used: 0.00225 + 0.0125 + 0.0162, reserved: 0 } },
        ...{ turns: { limit: 20, used: 3 }, calls: { limit: 40, used: 3 } },
        wallClockSeconds: 86_400,
      });
      const [asked] = (await store.interactions.list(expected.workspaceId, { limit: 1 }))
        .interactions;
      expect(asked).toMatchObject({ id: expected.tree?.pending, status: "pending", runId: asks });
      await store.interactions.answer(expected.workspaceId, expected.tree?.pending ?? "", {
        ...{ answer_text: "Two pages", answer_option_id: null, answered_by: "tok_person" },
      });
      expect(await store.waits.settle(asks ?? "")).toMatchObject({ runId: asks, rootRunId: root });
      expect(await store.verify()).toMatchObject({ ok: true });
    });

    it("knows its agents, what they keep, and the calls that can be searched", async () => {
      const { store, expected } = await openGolden(name);
      const { workspaceId, runs, tree } = expected;
      const calls = { workspaceId, limit: 10 };
      const { finished } = runs;
      expect(
        await store.executions.search({ ...calls, runId: finished, rootRunId: finished }),
      ).toMatchObject([{ tool: "sandbox_exec", success: true, exitCode: 0 }]);
      expect(await store.agents.list(workspaceId)).toHaveLength(tree ? 1 : 0);
      if (tree === undefined || runs.root === undefined) return;
      expect(await store.agents.find(workspaceId, tree.agent)).toMatchObject({
        ...{ revision: tree.revision, number: 1, instructions: "Have the report written.\n" },
        files: [{ path: "scripts/count.py", executable: true }],
      });
      const ofTree = { ...calls, runId: runs.root, rootRunId: runs.root };
      expect(await store.executions.search({ ...ofTree, tool: "agent_spawn" })).toHaveLength(3);
      expect(await store.knowledge.recall(workspaceId, "writer.part", "style")).toMatchObject({
        ...{ owner: "writer.lead", content: { tone: "plain" }, tags: ["tone"] },
      });
      expect(
        await store.knowledge.value(workspaceId, "writer.lead", "memory", "count"),
      ).toEqual({ value: 3 });
      expect(await store.files.content(runs.forked ?? "")).toMatchObject([{ name: "notes" }]);
    });

    it("knows its skills, and what runs were given of those that were deleted", async () => {
      const { store, expected } = await openGolden(name);
      const { workspaceId, bundles } = expected;
      const listed = await store.bundles.list(workspaceId, "skill");
      expect(listed.map(({ id }) => id)).toEqual(bundles ? [bundles.live] : []);
      if (bundles === undefined) return;
      const deleted = await store.bundles.get(workspaceId, "skill", bundles.deleted);
      expect(deleted).toMatchObject({ name: "spell", deletedAt: expect.any(String) });
      const held = await Array.fromAsync(store.bundles.held());
      expect(held.map(({ contentHash }) => contentHash).sort()).toEqual([...bundles.held].sort());
      expect(await store.bundles.isHeld(workspaceId, bundles.gone)).toBe(false);
      const [skill] = listed;
      expect(SkillRecord.parse(skill)).toMatchObject({ name: "count", description: "Counts" });
    });

    it("goes on with the run that was interrupted", async () => {
      const { store, expected } = await openGolden(name);
      const { interrupted, waiting, root, asks, dies, forked, packed } = expected.runs;
      const unfinished = await store.runs.unfinished();
      expect(new Set(unfinished.map(({ runId }) => runId))).toEqual(
        new Set(
          [interrupted, waiting, root, asks, dies, forked, packed].filter((id) => id !== undefined),
        ),
      );
      const lease = await store.journal.claim(interrupted, store.epoch);
      expect(lease).toMatchObject({ uid: 700_001, run: { status: "running", lastSeq: 3 } });
      expect(await store.secrets.get(interrupted)).toHaveLength(1);
      const fence = { epoch: store.epoch, seq: 3 };
      const appended = await store.journal.append(interrupted, fence, [
        { type: "run.resumed", data: { epoch: store.epoch } },
      ]);
      expect(appended).toMatchObject({ type: "appended", events: [{ seq: 4 }] });
      expect(await store.verify()).toMatchObject({ ok: true });
    });
  });
}
