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
import { Run } from "../../src/contract/run.ts";
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
  };
  /** Of the finished run; the first version did not write it down. */
  costUsd?: number;
  /** The first two versions had no artifacts. */
  artifactId?: string;
  /** The first three had none. */
  proofs?: number;
  /** The first five had none. */
  approvals?: { approved: string; waiting: string };
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
  expect(goldens).toEqual(versions.map((_, index) => `v${index + 1}`));
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
      expect(new Set(referenced).size).toBe(5);
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

    it("goes on with the run that was interrupted", async () => {
      const { store, expected } = await openGolden(name);
      const { interrupted, waiting } = expected.runs;
      const unfinished = await store.runs.unfinished();
      expect(new Set(unfinished.map(({ runId }) => runId))).toEqual(
        new Set([interrupted, ...(waiting ? [waiting] : [])]),
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
