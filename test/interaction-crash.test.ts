/**
 * A question is asked once and answered once, whenever the gateway dies (P1).
 *
 * Method: a run that asks is played once to learn its events. Then, for some i (in a soak, for every one), a new gateway
 * plays it and is killed with SIGKILL at the instant event i is durable; a second gateway on the same directory must bring
 * it to the same end.
 */
import { beforeAll, describe, expect, it } from "vitest";
import { AirlockError, isEvent, type RunEvent } from "../src/sdk/sdk.ts";
import { clientOf, defectsOf, historyOf } from "./support/airlock-api.ts";
import { removeTree } from "./support/remove-tree.ts";
import { sampled } from "./support/soak.ts";
import { newDataDir, type StartedGateway, startGateway } from "./support/start-gateway.ts";

const writes = (name: string) => ({
  tool: "content_write",
  arguments: { name, content: `${name} is here` },
});
const script = {
  turns: [
    {
      calls: [
        writes("before"),
        {
          tool: "user_ask",
          arguments: { question: "Go on?", options: [{ id: "y", label: "Yes" }] },
        },
        writes("after"),
      ],
    },
    { text: "Done." },
  ],
};
const submission = {
  ...{ model: "scripted/asks", prompt: "go", idempotencyKey: "the-run" },
  agent: {
    ...{ id: "asker", instructions: "Ask." },
    capabilities: [{ type: "WriteAccess" as const, scopes: ["*"] }],
  },
};

/** Submits, answers what is asked, and resolves with the run's id at its end. */
async function play(gateway: StartedGateway): Promise<string> {
  const client = clientOf(gateway);
  const gone = new AbortController();
  void gateway.ended.then(() => gone.abort(new Error("The gateway is gone")));
  const { signal } = gone;
  const run = await client.submitRun({ ...submission, signal });
  for await (const event of run.stream({ signal })) {
    if (!isEvent(event, "wait.started") || event.data.interaction_id === null) continue;
    await client.interactions.answer(event.data.interaction_id, { option: "y", signal });
  }
  if ((await run.get()).finishedAt === null)
    throw new AirlockError({ code: "cut", message: "Cut" });
  return run.id;
}

function endingOf(events: readonly RunEvent[]): unknown {
  const finished = events.filter((event) => isEvent(event, "call.finished"));
  const count = (type: string) => events.filter((event) => event.type === type).length;
  return {
    end: events.at(-1)?.type,
    calls: finished.map(({ data }) => [data.tool, (data.result as { ok?: boolean }).ok]),
    asked: count("input.requested"),
    answered: count("input.answered"),
    waits: [count("wait.started"), count("wait.resolved")],
  };
}

describe("kill -9 after events of a run that asks a person", async () => {
  const first = await startGateway({ script });
  const learned = await historyOf(first, await play(first));
  await first.stop();

  beforeAll(() => {
    expect(endingOf(learned)).toEqual({
      end: "run.finished",
      calls: [
        ["content_write", true],
        ["user_ask", true],
        ["content_write", true],
      ],
      ...{ asked: 1, answered: 1, waits: [1, 1] },
    });
  });

  for (const { seq, type } of sampled(learned, 2)) {
    it(`asks once and goes on with the answer when the gateway dies after event ${seq}, ${type}`, async () => {
      const dataDir = newDataDir();
      const doomed = await startGateway({
        ...{ script, dataDir, preload: ["test/support/kill-after-event.ts"] },
        env: { AIRLOCK_TEST_KILL_SEQ: String(seq) },
      });
      await play(doomed).catch(() => undefined);
      expect((await doomed.ended).signal).toBe("SIGKILL");
      const next = await startGateway({ script, dataDir });
      try {
        const id = await play(next);
        const history = await historyOf(next, id);
        expect(endingOf(history)).toEqual(endingOf(learned));
        expect(defectsOf(id, history)).toEqual([]);
        expect(await clientOf(next).verify()).toMatchObject({ ok: true, defects: [] });
      } finally {
        await next.stop();
        removeTree(dataDir);
      }
    }, 180_000);
  }
});
