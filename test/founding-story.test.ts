/**
 * The story that Airlock was founded on: a planner that may run nothing makes a coder write and test a program, a packager
 * put its package into a layer from the registry of this machine, and an executor run it without a network. A model server
 * plays the parts over HTTP; everything else is real.
 *
 * Method for the kills: it is played once to count the events of the whole tree. Then gateways on one directory, which has
 * the built layer by now, are killed at the instant the n-th event is durable, and the next gateway brings the tree to the
 * same end.
 */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type ModelServer, openModelServer } from "../examples/weather-report/model-server.ts";
import { isEvent, type RunTreeNode } from "../src/sdk/sdk.ts";
import { clientOf, defectsOf, historyOf, type Reachable } from "./support/airlock-api.ts";
import { sampled } from "./support/soak.ts";
import { newDataDir, type StartedGateway, startGateway } from "./support/start-gateway.ts";

const message = "Make a weather report tool that needs requests";
const registries = ["pypi.org", "files.pythonhosted.org"];
/** Kills of one round; the soak has one for each event. */
const kills = 2;

let models: ModelServer;
let dataDir: string;
beforeAll(async () => {
  models = await openModelServer();
  dataDir = newDataDir();
});
afterAll(() => models.close());

async function start(env: Record<string, string> = {}): Promise<StartedGateway> {
  const map = join(dataDir, "models.json");
  writeFileSync(map, JSON.stringify({ "*": "compatible/parts" }));
  const privates = [process.env.AIRLOCK_PRIVATE_HOSTS ?? "", ...registries];
  return startGateway({
    dataDir,
    preload: ["test/support/kill-after-event.ts"],
    env: {
      ...{ OPENAI_COMPATIBLE_BASE_URL: models.url, AIRLOCK_MODEL_MAP: map },
      AIRLOCK_PRIVATE_HOSTS: privates.filter((one) => one !== "").join(","),
      ...env,
    },
  });
}

const nodesOf = (node: RunTreeNode): RunTreeNode[] => [node, ...node.children.flatMap(nodesOf)];

/** What must be the same however often the gateway died: who did what, and what came of it. */
async function endingOf(gateway: Reachable, runId: string) {
  const { root } = await clientOf(gateway).tree(runId);
  const refs = new Map<string, string>();
  const runs = [];
  for (const { run } of nodesOf(root)) {
    const events = await historyOf(gateway, run.id);
    expect(defectsOf(run.id, events)).toEqual([]);
    const started = events.flatMap((one) => (isEvent(one, "call.started") ? one.data.call_id : []));
    expect(new Set(started).size).toBe(started.length);
    for (const event of events) {
      if (!isEvent(event, "call.finished") || !event.data.artifact) continue;
      refs.set(event.data.artifact.artifact_ref, event.data.artifact.artifact_id);
    }
    runs.push({ agent: run.agent, status: run.status, why: run.stop_reason, reply: run.reply });
  }
  // A ref is made anew each time; what it stands for is not.
  const named = (text: string | null) =>
    text?.replaceAll(/ar\.[\w-]+/g, (ref) => refs.get(ref) ?? "unknown ref");
  return runs.map((run) => ({ ...run, reply: named(run.reply) }));
}

async function play(gateway: StartedGateway, idempotencyKey: string) {
  const gone = new AbortController();
  void gateway.ended.then(() => gone.abort(new Error("The gateway is gone")));
  const { signal } = gone;
  const run = await clientOf(gateway).submitRun({ message, idempotencyKey, signal });
  await run.wait({ signal });
  return run.id;
}

async function eventsIn(gateway: Reachable, runId: string): Promise<number> {
  const { root } = await clientOf(gateway).tree(runId);
  return nodesOf(root).reduce((sum, { run }) => sum + run.lastSeq, 0);
}

describe("the founding story", () => {
  let ending: Awaited<ReturnType<typeof endingOf>>;
  let events: number;

  it("ends with a report by a program whose package is in a layer, made by agents that may do no more than they need", async () => {
    const gateway = await start();
    const runId = await play(gateway, "told once");
    ending = await endingOf(gateway, runId);
    events = await eventsIn(gateway, runId);
    expect(ending).toMatchObject([
      { agent: "planner.default", status: "succeeded" },
      { agent: "coder.default", status: "succeeded" },
      { agent: "packager.default", status: "succeeded" },
      { agent: "executor.default", status: "succeeded" },
    ]);
    expect(ending[0]?.reply).toContain("Bergen: 2 to 9 degrees");
    expect(ending[0]?.reply).toMatch(/art_[0-9a-f]{32}/);
    const { root } = await clientOf(gateway).tree(runId);
    const [coder, packager, executor] = root.children;
    expect(coder?.run.handoff).toMatchObject({
      ...{ status: "needs_packager", dependency_files: ["requirements.txt"] },
    });
    // The coder saw its test fail before it saw it pass.
    const codes = (await historyOf(gateway, coder?.run.id ?? "")).flatMap((one) =>
      isEvent(one, "call.finished") && one.data.tool === "sandbox_exec"
        ? (one.data.result as { exit_code: unknown }).exit_code
        : [],
    );
    expect(codes).toEqual([1, 0]);
    const wentOut = async (run: string | undefined) =>
      (await historyOf(gateway, run ?? "")).filter(({ type }) => type === "egress.allowed").length;
    expect(await wentOut(packager?.run.id)).toBeGreaterThan(0);
    for (const run of [root, coder, executor]) expect(await wentOut(run?.run.id)).toBe(0);
    await gateway.stop();
  }, 180_000);

  it("comes to the same end when the gateway dies at any event of any of its runs", async () => {
    // With the layer built already, the tree has the same events but those of the network.
    const gateway = await start();
    const runId = await play(gateway, "told twice");
    expect(await endingOf(gateway, runId)).toEqual(ending);
    events = await eventsIn(gateway, runId);
    await gateway.stop();
    const all = Array.from({ length: events }, (_, index) => index + 1);
    for (const at of sampled(all, kills)) {
      const key = `killed at ${at}`;
      const doomed = await start({ AIRLOCK_TEST_KILL_COUNT: String(at) });
      await play(doomed, key).catch(() => undefined);
      expect((await doomed.ended).signal, `event ${at} of ${events}`).toBe("SIGKILL");
      const next = await start();
      expect(await endingOf(next, await play(next, key)), key).toEqual(ending);
      await next.stop();
    }
  }, 3_600_000);
});
