/**
 * No tool of an MCP server is called twice, and its tools are listed once, whenever the gateway dies (P1, I2, I3).
 *
 * Method: as in approval-crash.test.ts. A run is played once to learn its events; then it is killed at the instant one of
 * them is durable (in a soak, each of them), and a second gateway must bring it to the same end. The server counts what it
 * was really asked.
 */
import { rmSync } from "node:fs";
import { afterAll, describe, expect, it } from "vitest";
import { AirlockError, isEvent, type RunEvent } from "../src/sdk/sdk.ts";
import { clientOf, defectsOf, historyOf } from "./support/airlock-api.ts";
import { openDirector } from "./support/directed-run.ts";
import { openMcpServer } from "./support/mcp-server.ts";
import { untilEvent } from "./support/results-of.ts";
import { sampled } from "./support/soak.ts";
import { newDataDir, type StartedGateway, startGateway } from "./support/start-gateway.ts";

const reached = Promise.withResolvers<void>();
const server = await openMcpServer({
  tools: [
    { name: "asked" },
    { name: "free" },
    {
      name: "slow",
      answer() {
        reached.resolve();
        return new Promise(() => undefined);
      },
    },
  ],
});
afterAll(() => server.close());

const env = { AIRLOCK_PRIVATE_HOSTS: server.host };
const script = {
  turns: [
    {
      calls: [
        { tool: "mcp_one_free", arguments: { n: 1 } },
        { tool: "mcp_one_asked", arguments: { n: 2 } },
      ],
    },
    { calls: [{ tool: "mcp_one_free", arguments: { n: 3 } }] },
    { text: "Done." },
  ],
};
const mcpServers = [{ name: "one", url: server.url, preapproved: ["free"] }];
const submission = { model: "scripted/asks", prompt: "go", idempotencyKey: "the-run", mcpServers };

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
      if (!(error instanceof AirlockError) || error.code !== "approval_answered") throw error;
    });
  }
  return run.id;
}

function endingOf(events: readonly RunEvent[]): unknown {
  return {
    end: events.at(-1)?.type,
    calls: events.filter((event) => isEvent(event, "call.finished")).map(({ data }) => data.tool),
    listed: events.filter(({ type }) => type === "mcp.listed").length,
    asked: events.filter(({ type }) => type === "approval.requested").length,
  };
}

describe("kill -9 after events of a run with an MCP server", async () => {
  const first = await startGateway({ script, env });
  const learned = await historyOf(first, await play(first));
  await first.stop();
  const listedAt = learned.findIndex(({ type }) => type === "mcp.listed") + 1;

  it("which goes well when nothing dies", () => {
    expect(endingOf(learned)).toEqual({
      ...{ end: "run.finished", listed: 1, asked: 1 },
      calls: ["mcp_one_free", "mcp_one_asked", "mcp_one_free"],
    });
    expect(server.calls.map(({ arguments: { n } }) => n)).toEqual([1, 2, 3]);
  });

  for (const { seq, type } of sampled(learned, 2)) {
    it(`calls and lists at most once when the gateway dies after event ${seq}, ${type}`, async () => {
      server.calls.length = 0;
      server.methods.length = 0;
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
        ).length;
        const numbers = server.calls.map(({ arguments: { n } }) => n);
        expect(new Set(numbers).size).toBe(numbers.length);
        expect(numbers.length).toBeGreaterThanOrEqual(3 - interrupted);
        const lists = server.methods.filter((method) => method === "tools/list").length;
        // What was asked for before the event was durable is asked for again, and nothing after it.
        if (seq >= listedAt) expect(lists).toBe(1);
      } finally {
        await next.stop();
        rmSync(dataDir, { recursive: true, force: true });
      }
    });
  }
});

describe("kill -9 while a server is at work", () => {
  it("is told to the model as an interruption, and the server is not asked again", async () => {
    server.calls.length = 0;
    const director = await openDirector();
    const dataDir = newDataDir();
    const all = { ...env, ...director.env };
    const doomed = await startGateway({ dataDir, env: all });
    const run = await director.open(doomed, {
      mcpServers: [{ ...mcpServers[0], preapproved: ["*"] }] as typeof mcpServers,
    });
    const told = run.call("mcp_one_slow", {});
    await untilEvent(run.run, "call.started");
    await reached.promise;
    await doomed.kill9();
    const next = await startGateway({ dataDir, env: all });
    try {
      expect(await told).toMatchObject({ ok: false, interrupted: true });
      expect(server.calls).toHaveLength(1);
      expect(await run.end(clientOf(next).run(run.id))).toMatchObject({ status: "succeeded" });
    } finally {
      await next.stop();
      await director.close();
      rmSync(dataDir, { recursive: true, force: true });
    }
  });
});
