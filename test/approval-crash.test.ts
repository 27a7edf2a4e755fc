/**
 * An approved call runs at most once, and no answer is lost, whenever the gateway dies (P1, P3, G09).
 *
 * Method: a run that asks is played once to learn its events. Then, for some i (in a soak, for every one), a new gateway
 * plays it and is killed with SIGKILL at the instant event i is durable; a second gateway on the same directory must bring
 * it to the same end. A host outside counts how often the approved call really ran.
 */
import { rmSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { AirlockError, isEvent, type RunEvent } from "../src/sdk/sdk.ts";
import { clientOf, defectsOf, historyOf } from "./support/airlock-api.ts";
import { type NetworkSink, openSink } from "./support/network-sink.ts";
import { sampled } from "./support/soak.ts";
import { newDataDir, type StartedGateway, startGateway } from "./support/start-gateway.ts";

const sink: NetworkSink = await openSink("127.0.0.5");
afterAll(() => sink.close());

const env = { AIRLOCK_PRIVATE_HOSTS: "127.0.0.5" };
const exec = (command: string) => ({ tool: "sandbox_exec", arguments: { command } });
const script = {
  turns: [
    {
      calls: [
        {
          tool: "content_write",
          arguments: { name: "go.sh", content: `curl -sS ${sink.url}/$1\n` },
        },
        exec("sh go.sh effect"),
        exec("echo after >> /workspace/after"),
      ],
    },
    { calls: [exec("cat /workspace/after")] },
    { text: "Done." },
  ],
};
const submission = { model: "scripted/asks", prompt: "go", idempotencyKey: "the-run" };

/** Submits, answers what is asked, and resolves with the run's id at its end. */
async function play(gateway: StartedGateway): Promise<string> {
  const client = clientOf(gateway);
  const gone = new AbortController();
  void gateway.ended.then(() => gone.abort(new Error("The gateway is gone")));
  const { signal } = gone;
  const run = await client.submitRun({ ...submission, signal });
  for await (const event of run.stream({ signal })) {
    if (!isEvent(event, "approval.requested")) continue;
    await client.approvals.approve(event.data.request_id, {}).catch((error: unknown) => {
      // Answered before the gateway died.
      if (!(error instanceof AirlockError) || error.code !== "approval_answered") throw error;
    });
  }
  return run.id;
}

function endingOf(events: readonly RunEvent[]): unknown {
  const finished = events.filter((event) => isEvent(event, "call.finished"));
  return {
    end: events.at(-1)?.type,
    calls: finished.map(({ data }) => data.tool),
    asked: events.filter(({ type }) => type === "approval.requested").length,
    resolved: events
      .filter((event) => isEvent(event, "approval.resolved"))
      .map((e) => e.data.status),
  };
}

describe("kill -9 after events of a run that asks", async () => {
  const first = await startGateway({ script, env });
  const runId = await play(first);
  const learned = await historyOf(first, runId);
  await first.stop();

  beforeAll(() => {
    expect(sink.hits()).toEqual(["/effect"]);
    expect(endingOf(learned)).toMatchObject({ asked: 1, resolved: ["approved"] });
  });

  for (const { seq, type } of sampled(learned, 4)) {
    it(`the approved call runs at most once when the gateway dies after event ${seq}, ${type}`, async () => {
      const before = sink.hits().length;
      const dataDir = newDataDir();
      const doomed = await startGateway({
        ...{ script, dataDir, preload: ["test/support/kill-after-event.ts"] },
        env: { ...env, AIRLOCK_TEST_KILL_SEQ: String(seq) },
      });
      await play(doomed).catch(() => undefined);
      expect((await doomed.ended).signal).toBe("SIGKILL");
      const next = await startGateway({ script, dataDir, env });
      try {
        const id = await play(next);
        const events = await historyOf(next, id);
        expect(defectsOf(id, events)).toEqual([]);
        expect(endingOf(events)).toEqual(endingOf(learned));
        const interrupted = events.filter(
          (event) => isEvent(event, "call.finished") && event.data.outcome === "interrupted",
        );
        const hits = sink.hits().length - before;
        const approvedStart = learned.findIndex(
          (event) => isEvent(event, "call.started") && event.data.approval !== undefined,
        );
        const inDoubt = seq === (learned[approvedStart]?.seq ?? 0) || type === "egress.allowed";
        if (inDoubt) expect(hits).toBeLessThanOrEqual(1);
        else expect([hits, interrupted.length <= 1]).toEqual([1, true]);
        expect((await clientOf(next).verify()).defects).toEqual([]);
      } finally {
        await next.stop();
        rmSync(dataDir, { recursive: true, force: true });
      }
    });
  }
});
