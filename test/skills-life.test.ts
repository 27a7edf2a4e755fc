/**
 * How long what a run was given lives: as long as the run at least, whatever becomes of the gateway, the workspace's record
 * or the disk; and no longer than it must.
 */
import {
  chmodSync,
  existsSync,
  readdirSync,
  readFileSync,
  statSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { isEvent } from "../src/sdk/sdk.ts";
import { clientOf, defectsOf, historyOf, type Reachable } from "./support/airlock-api.ts";
import { attackPart, expectUnharmed, stateOf } from "./support/bundle-attacks.ts";
import {
  type BundleFiles,
  contentHashOf,
  run,
  sha256Of,
  submitted,
  transient,
  uploaded,
} from "./support/given-bundles.ts";
import { openPlayingModel, type PlayingModel, saidIn } from "./support/playing-model.ts";
import { removeTree } from "./support/remove-tree.ts";
import { resultsOf } from "./support/results-of.ts";
import { sampled } from "./support/soak.ts";
import { newDataDir, type StartedGateway, startGateway } from "./support/start-gateway.ts";

const exec = (command: string) => ({ tool: "sandbox_exec", arguments: { command } });
const read = (name_or_handle: string) => ({ tool: "content_read", arguments: { name_or_handle } });
const says = (word: string): BundleFiles => ({
  "SKILL.md": `---\nname: says\ndescription: Says ${word}\n---\nRun say.sh\n`,
  "say.sh": ["#!/bin/sh\ncat /airlock/skills/says/words/it.txt\n", 0o755],
  "words/it.txt": `${word}\n`,
});
const say = exec("/airlock/skills/says/say.sh");
const rules = { "AGENTS.md": "Be polite. RULE-ONE" };

/** A turn that waits until the test lets it, and says when it was asked for. */
const held = () => {
  const asked = Promise.withResolvers<void>();
  const release = Promise.withResolvers<void>();
  return { asked, release, turn: (text: string) => ({ ...turnOf(text) }) };
  function turnOf(text: string) {
    return { text, when: release.promise, onAsked: asked.resolve };
  }
};
const late = held();

const parts = {
  says: [[say, read("skills/says/words/it.txt")], "Done."],
  held: [[say], late.turn("Held."), "Never."],
  nothing: ["Done."],
  attacks: attackPart,
};

let model: PlayingModel;
beforeAll(async () => {
  model = await openPlayingModel(parts);
});
afterAll(() => model.close());

const start = (more = {}) => startGateway({ env: model.env, ...more });
const submission = (part: string, more: object) => ({
  ...{ model: `compatible/${part}`, prompt: `play ${part}` },
  ...more,
});
const ofWorkspace = (id: string) => ({ skills: [{ kind: "workspace", id }] });

async function ended(gateway: Reachable, id: string) {
  return clientOf(gateway).wait(id, { signal: AbortSignal.timeout(30_000) });
}

const treeOf = (dataDir: string, bundle: BundleFiles) =>
  join(dataDir, "bundles", contentHashOf(bundle).slice("sha256:".length), "tree");
const blobOf = (dataDir: string, sha256: string) =>
  join(dataDir, "blobs", sha256.slice(7, 9), sha256.slice(9));

/** Every blob on disk, made older than what a sweep spares. */
function ageBlobs(dataDir: string): void {
  const root = join(dataDir, "blobs");
  for (const shard of readdirSync(root).filter((name) => name !== "tmp")) {
    for (const name of readdirSync(join(root, shard))) utimesSync(join(root, shard, name), 1, 1);
  }
}

async function deleted(gateway: Reachable, id: string): Promise<void> {
  const { status } = await fetch(`${gateway.url}/api/skills/${id}`, {
    method: "DELETE",
    headers: { authorization: `Bearer ${gateway.token}` },
  });
  expect(status).toBe(200);
}

describe("what came with a submission", () => {
  it("is there until its run has ended, and goes with the next sweep; what is the workspace's stays", async () => {
    const gateway = await start();
    try {
      const { dataDir } = gateway;
      const [mine, ours] = [says("mine"), says("ours")];
      const kept = await uploaded(gateway, "skills", "says", ours);
      const skills = [transient("s", "says", mine)];
      const id = await run(gateway, submission("held", { skills }), { "skill:s": mine });
      await late.asked.promise;
      expect(
        await ended(gateway, await run(gateway, submission("says", ofWorkspace(kept)))),
      ).toMatchObject({ status: "succeeded" });
      const word = sha256Of("mine\n");
      ageBlobs(dataDir);
      await clientOf(gateway).gc();
      expect(existsSync(blobOf(dataDir, word))).toBe(true);
      expect(existsSync(treeOf(dataDir, mine))).toBe(true);

      late.release.resolve();
      expect(await ended(gateway, id)).toMatchObject({ status: "succeeded" });
      expect(await resultsOf(gateway, id)).toMatchObject([{ ok: true, stdout: "mine\n" }]);
      await clientOf(gateway).gc();
      expect(existsSync(blobOf(dataDir, word))).toBe(false);
      expect(existsSync(blobOf(dataDir, contentHashOf(mine)))).toBe(false);
      expect(existsSync(treeOf(dataDir, mine))).toBe(false);
      expect(existsSync(blobOf(dataDir, sha256Of("ours\n")))).toBe(true);
      expect(existsSync(treeOf(dataDir, ours))).toBe(true);
      expect((await clientOf(gateway).verify()).defects).toEqual([]);

      const fork = clientOf(gateway).run(id).fork({ message: "play nothing" });
      await expect(fork).rejects.toMatchObject({
        message: expect.stringMatching(/"says" .*(went with it|is gone)/),
      });
    } finally {
      await gateway.stop();
    }
  });
});

describe("a fork", () => {
  it("has what its source was given, and its model is told the instructions once", async () => {
    const gateway = await start();
    try {
      const id = await uploaded(gateway, "skills", "says", says("forked"));
      const house = await uploaded(gateway, "agentsmd", "house", rules);
      const agentsMd = [{ kind: "workspace", id: house }];
      const source = await run(gateway, submission("says", { ...ofWorkspace(id), agentsMd }));
      await ended(gateway, source);
      const fork = await clientOf(gateway).run(source).fork({ message: "play says" });
      expect(await ended(gateway, fork.id)).toMatchObject({ status: "succeeded" });
      expect(await resultsOf(gateway, fork.id)).toMatchObject([
        { ok: true, stdout: "forked\n" },
        { ok: true, content: "forked\n" },
      ]);
      const told = model.asked("says").at(-1) ?? [];
      expect(told.filter((one) => saidIn(one).includes("RULE-ONE"))).toHaveLength(1);
      expect(
        saidIn(told.find(({ role }) => role === "system") ?? { role: "", content: "" }),
      ).toContain("- says (");
    } finally {
      await gateway.stop();
    }
  });
});

describe("a skill of the workspace that is deleted", () => {
  it("stays with the run that was given it, through a sweep and after kill -9", async () => {
    const waits = held();
    const own = await openPlayingModel({
      held: [waits.turn("First."), "x"],
      after: [[say], "Done."],
    });
    const dataDir = newDataDir();
    const env = own.env;
    const doomed = await startGateway({ dataDir, env });
    const word = says("pinned");
    try {
      const id = await uploaded(doomed, "skills", "says", word);
      const runId = await run(doomed, { ...submission("x", ofWorkspace(id)), prompt: "play held" });
      await waits.asked.promise;
      await deleted(doomed, id);
      ageBlobs(dataDir);
      await clientOf(doomed).gc();
      expect((await submitted(doomed, submission("x", ofWorkspace(id)))).body.error).toMatchObject({
        code: "skill_deleted",
      });
      await doomed.kill9();
      // It has to be made anew of what was pinned.
      removeTree(join(dataDir, "bundles"));
      const next = await startGateway({ dataDir, env });
      try {
        waits.release.resolve();
        expect(await ended(next, runId)).toMatchObject({ status: "succeeded" });
        const fork = await clientOf(next).run(runId).fork({ message: "play after" });
        expect(await ended(next, fork.id)).toMatchObject({ status: "succeeded" });
        expect(await resultsOf(next, fork.id)).toMatchObject([{ ok: true, stdout: "pinned\n" }]);
        expect((await clientOf(next).verify()).defects).toEqual([]);
      } finally {
        await next.stop();
      }
    } finally {
      await own.close();
      removeTree(dataDir);
    }
  });
});

describe("a disk that has lost something", () => {
  it("ends the run with a clear message in place of other bytes", async () => {
    const gateway = await start();
    try {
      const word = says("damaged");
      const id = await uploaded(gateway, "skills", "says", word);
      const path = blobOf(gateway.dataDir, sha256Of("damaged\n"));
      chmodSync(path, 0o600);
      writeFileSync(path, "evil!!!\n");
      const runId = await run(gateway, submission("says", ofWorkspace(id)));
      const end = await ended(gateway, runId);
      expect(end).toMatchObject({ status: "failed", stop_reason: "environment_failed" });
      expect(end.message).toContain("/airlock/skills/says is damaged");
      const started = (await historyOf(gateway, runId)).filter((one) =>
        isEvent(one, "call.started"),
      );
      expect(started).toEqual([]);
      expect(existsSync(treeOf(gateway.dataDir, word))).toBe(false);
      writeFileSync(path, "damaged\n");
      const again = await run(gateway, submission("says", ofWorkspace(id)));
      expect(await ended(gateway, again)).toMatchObject({ status: "succeeded" });
    } finally {
      await gateway.stop();
    }
  });

  it("is found when a tree is first used after a start, and the tree is made anew", async () => {
    const dataDir = newDataDir();
    const word = says("restored");
    const first = await start({ dataDir });
    const id = await uploaded(first, "skills", "says", word);
    await ended(first, await run(first, submission("says", ofWorkspace(id))));
    await first.stop();
    const tree = treeOf(dataDir, word);
    const file = join(tree, "words/it.txt");
    for (const path of [join(tree, "words"), file]) chmodSync(path, 0o700);
    writeFileSync(file, "tampered\n");
    chmodSync(file, 0o444);
    chmodSync(join(tree, "words"), 0o555);
    const next = await start({ dataDir });
    try {
      const runId = await run(next, submission("says", ofWorkspace(id)));
      expect(await ended(next, runId)).toMatchObject({ status: "succeeded" });
      expect((await resultsOf(next, runId))[0]).toMatchObject({ stdout: "restored\n" });
      // What is whole is used as it is.
      await ended(next, await run(next, submission("says", ofWorkspace(id))));
      expect(next.log().split("bundle.made_anew")).toHaveLength(2);
    } finally {
      await next.stop();
      removeTree(dataDir);
    }
  });
});

describe("kill -9 after every event of a run that was given something", async () => {
  const own = await openPlayingModel(parts);
  afterAll(() => own.close());
  const mine = says("survives");
  const asked = {
    ...submission("says", {
      skills: [transient("s", "says", mine)],
      agentsMd: [transient("a", "house", rules)],
      idempotencyKey: "the-run",
    }),
  };
  const bundles = { "skill:s": mine, "agentsmd:a": rules };
  const first = await startGateway({ env: own.env });
  const learnedRun = await run(first, asked, bundles);
  await ended(first, learnedRun);
  const learned = await historyOf(first, learnedRun);
  await first.stop();

  for (const { seq, type } of sampled(learned, Math.ceil(learned.length / 3))) {
    it(`brings it to the same end when the gateway dies after event ${seq}, ${type}`, async () => {
      const dataDir = newDataDir();
      const doomed = await startGateway({
        ...{ dataDir, preload: ["test/support/kill-after-event.ts"] },
        env: { ...own.env, AIRLOCK_TEST_KILL_SEQ: String(seq) },
      });
      await submitted(doomed, asked, bundles).catch(() => undefined);
      expect((await doomed.ended).signal).toBe("SIGKILL");
      const next = await startGateway({ dataDir, env: own.env });
      try {
        const id = await run(next, asked, bundles);
        expect(await ended(next, id)).toMatchObject({ status: "succeeded" });
        const events = await historyOf(next, id);
        expect(defectsOf(id, events)).toEqual([]);
        const [said, content] = await resultsOf(next, id);
        if (said?.interrupted !== true) expect(said).toMatchObject({ stdout: "survives\n" });
        expect(content).toMatchObject({ ok: true, content: "survives\n" });
        expect((await clientOf(next).listRuns()).runs).toHaveLength(1);
        expect((await clientOf(next).verify()).defects).toEqual([]);
        ageBlobs(dataDir);
        await clientOf(next).gc();
        expect(existsSync(treeOf(dataDir, mine))).toBe(false);
        expect(readdirSync(join(dataDir, "bundles/incoming"))).toEqual([]);
      } finally {
        await next.stop();
        removeTree(dataDir);
      }
    });
  }
});

describe("a gateway of an ordinary user", () => {
  const uid = process.getuid?.() === 0 ? 12_345 : undefined;
  it("gives its runs the same, and removes it again", async () => {
    const gateway: StartedGateway = await start(uid === undefined ? {} : { uid });
    try {
      const mine = says("ordinary");
      const skills = [transient("s", "says", mine)];
      const id = await run(gateway, submission("says", { skills }), { "skill:s": mine });
      expect(await ended(gateway, id)).toMatchObject({ status: "succeeded" });
      expect((await resultsOf(gateway, id))[0]).toMatchObject({ ok: true, stdout: "ordinary\n" });
      const tree = treeOf(gateway.dataDir, mine);
      expect(readFileSync(join(tree, "words/it.txt"), "utf8")).toBe("ordinary\n");
      expect(statSync(tree).uid).toBe(uid ?? process.getuid?.());

      // The files belong to the very user who runs the code here.
      const before = stateOf(tree);
      const tables = { "a.csv": "1\n", "sub/b.csv": "2\n" };
      const given = {
        skills: [
          transient("s", "hello", mine),
          { kind: "inline", name: "mine", markdown: "# x", mountPath: "/opt/mine" },
        ],
        files: [
          transient("t", "tables", tables),
          { ...transient("u", "more", tables), mountPath: "/workspace/data" },
        ],
      };
      const bundles = { "skill:s": mine, "file:t": tables, "file:u": tables };
      const attacked = await run(gateway, submission("attacks", given), bundles);
      expect(await ended(gateway, attacked)).toMatchObject({ status: "succeeded" });
      await expectUnharmed(gateway, attacked);
      expect(stateOf(tree)).toBe(before);
      ageBlobs(gateway.dataDir);
      await clientOf(gateway).gc();
      expect(existsSync(tree)).toBe(false);
    } finally {
      expect(await gateway.stop()).toBe(0);
    }
  });
});
