/**
 * P1 for a tree: a planner, a task that it waits for and one that it does not.
 *
 * Method: the tree is played once to learn how many events its runs have together. Then a gateway plays it and
 * is killed with SIGKILL at the instant the n-th event of all is durable (in a soak, each); a second gateway on the same
 * directory must bring every run of the tree to the same end. Each task leaves a line in a file of its own: what it reads of it at its end is the
 * evidence of how often the command really ran.
 */
import { rmSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { isEvent, type RunTreeNode } from "../src/sdk/sdk.ts";
import { clientOf, defectsOf, historyOf } from "./support/airlock-api.ts";
import { sampled } from "./support/soak.ts";
import { newDataDir, type StartedGateway, startGateway } from "./support/start-gateway.ts";
import { coderPower, installAgents, plannerPower } from "./support/workflow-agents.ts";

const exec = (command: string) => ({ tool: "sandbox_exec", arguments: { command } });
const spawn = (agent_id: string, more = {}) => ({
  tool: "agent_spawn",
  arguments: { agent_id, message: "Do it", ...more },
});

const worker = (name: string) => ({
  turns: [
    { calls: [exec(`echo ${name} >> /workspace/lines`), exec("cat /workspace/lines")] },
    { text: `${name} is done.` },
  ],
});

const script = {
  scripts: {
    planner: {
      turns: [
        { calls: [spawn("later.default", { async: true }), spawn("now.default")] },
        { text: "Both were given." },
        { text: "Both are done." },
      ],
    },
    now: worker("now"),
    later: worker("later"),
  },
};

const submission = { agent: "planner.default", message: "go", idempotencyKey: "the-tree" };

async function start(dataDir: string, env: Record<string, string> = {}): Promise<StartedGateway> {
  const preload = ["test/support/kill-after-event.ts"];
  return startGateway({ script, dataDir, preload, env });
}

async function play(gateway: StartedGateway): Promise<string> {
  const gone = new AbortController();
  void gateway.ended.then(() => gone.abort(new Error("The gateway is gone")));
  const run = await clientOf(gateway).submitRun({ ...submission, signal: gone.signal });
  await run.wait({ signal: gone.signal });
  return run.id;
}

const nodesOf = (node: RunTreeNode): RunTreeNode[] => [node, ...node.children.flatMap(nodesOf)];

/** What must be the same however often the gateway died: who did what, once, and how it ended. */
async function endingOf(gateway: StartedGateway, runId: string) {
  const { root } = await clientOf(gateway).tree(runId);
  return Promise.all(
    nodesOf(root).map(async ({ run }) => {
      const events = await historyOf(gateway, run.id);
      expect(defectsOf(run.id, events)).toEqual([]);
      const calls = events.filter((event) => isEvent(event, "call.started"));
      const results = events.flatMap((event) =>
        isEvent(event, "call.finished") ? [event.data.result as Record<string, unknown>] : [],
      );
      return {
        ...{ agent: run.agent, status: run.status, why: run.stop_reason, reply: run.reply },
        calls: calls.map(({ data }) => data.tool),
        lines: results.flatMap(({ stdout }) => (stdout ? [String(stdout)] : [])),
        interrupted: results.filter((result) => result.interrupted === true).length,
      };
    }),
  );
}

describe("kill -9 after events of a tree", async () => {
  const learning = newDataDir();
  const first = await start(learning);
  await installAgents(first, [
    { id: "planner.default", capabilities: plannerPower },
    { id: "now.default", capabilities: coderPower },
    { id: "later.default", capabilities: coderPower },
  ]);
  const learned = await endingOf(first, await play(first));
  const { root } = await clientOf(first).tree((await clientOf(first).submitRun(submission)).id);
  const count = nodesOf(root).reduce((sum, { run }) => sum + run.lastSeq, 0);
  await first.stop();
  rmSync(learning, { recursive: true, force: true });

  it("is known how the tree ends", () => {
    expect(learned).toMatchObject([
      { agent: "planner.default", status: "succeeded", reply: "Both are done.", interrupted: 0 },
      { agent: "later.default", status: "succeeded", lines: ["later\n"], interrupted: 0 },
      { agent: "now.default", status: "succeeded", lines: ["now\n"], interrupted: 0 },
    ]);
  });

  const all = Array.from({ length: count }, (_, index) => index + 1);
  for (const nth of sampled(all, 3)) {
    it(`brings the tree to the same end when the gateway dies after event ${nth} of ${count}`, async () => {
      const dataDir = newDataDir();
      const doomed = await start(dataDir, { AIRLOCK_TEST_KILL_COUNT: String(nth) });
      await installAgents(doomed, [
        { id: "planner.default", capabilities: plannerPower },
        { id: "now.default", capabilities: coderPower },
        { id: "later.default", capabilities: coderPower },
      ]);
      await play(doomed).catch(() => undefined);
      expect((await doomed.ended).signal).toBe("SIGKILL");

      const next = await start(dataDir);
      try {
        const ending = await endingOf(next, await play(next));
        const told = ending.reduce((sum, { interrupted }) => sum + interrupted, 0);
        // A command whose start was written down and whose end was not may be in doubt; each run has one at most.
        expect(told).toBeLessThanOrEqual(2);
        expect(ending).toHaveLength(learned.length);
        for (const [index, { lines, interrupted, ...run }] of ending.entries()) {
          const wanted = learned[index];
          expect(wanted).toMatchObject(run);
          if (interrupted === 0) expect(lines).toEqual(wanted?.lines);
          for (const line of lines) expect(wanted?.lines).toContain(line);
        }
        expect((await clientOf(next).verify()).defects).toEqual([]);
      } finally {
        await next.stop();
        rmSync(dataDir, { recursive: true, force: true });
      }
    });
  }
}, 300_000);
