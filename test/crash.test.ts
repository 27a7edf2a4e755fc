/**
 * P1: a submitted run is never lost and no call is done twice.
 *
 * Method: a scripted run is played once to learn its N events. Then, for every i (in a soak; else for every third), a new gateway plays it and is killed
 * with SIGKILL at the instant event i is durable; a second gateway on the same directory must bring it to the same end.
 * Each command leaves one line in a file of the run, which is captured as an output: the line is the evidence of how
 * often it really ran.
 */

import { rmSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { isEvent, type RunEvent } from "../src/sdk/sdk.ts";
import { clientOf, defectsOf, historyOf } from "./support/airlock-api.ts";
import { processesWith, within } from "./support/processes.ts";
import { sampled } from "./support/soak.ts";
import { newDataDir, type StartedGateway, startGateway } from "./support/start-gateway.ts";

const leaveLine = (line: string) => `echo ${line} >> /workspace/outputs/effects.txt`;

const script = {
  turns: [
    {
      text: "First.",
      calls: [
        { tool: "content_write", arguments: { name: "a.sh", content: leaveLine("a") } },
        { tool: "sandbox_exec", arguments: { command: "sh a.sh" } },
      ],
    },
    { text: "It fails.", calls: [{ tool: "sandbox_exec", arguments: { command: "exit 7" } }] },
    {
      calls: [
        { tool: "content_read", arguments: { name_or_handle: "a.sh" } },
        { tool: "sandbox_exec", arguments: { command: leaveLine("b") } },
      ],
    },
    { calls: [{ tool: "sandbox_exec", arguments: { command: leaveLine("c") } }] },
    { text: "All done." },
  ],
};

const submission = {
  model: "scripted/crash",
  prompt: "go",
  outputDirs: ["/workspace/outputs"],
  idempotencyKey: "the-run",
};

async function play(gateway: StartedGateway): Promise<string> {
  const gone = new AbortController();
  void gateway.ended.then(() => gone.abort(new Error("The gateway is gone")));
  const run = await clientOf(gateway).submitRun({ ...submission, signal: gone.signal });
  await run.wait({ signal: gone.signal });
  return run.id;
}

async function effectsOf(gateway: StartedGateway, runId: string): Promise<string> {
  const bytes = await clientOf(gateway)
    .run(runId)
    .downloadOutput({ path: "effects.txt", match: "suffix" });
  return Buffer.from(bytes).toString();
}

/** What must be the same however often the gateway died: everything but times, ids and the resumptions themselves. */
function endingOf(events: readonly RunEvent[]): unknown {
  const end = events.at(-1);
  const turns = events.filter((event) => isEvent(event, "turn.replied"));
  return {
    end: end && isEvent(end, "run.finished") ? end.data : end?.type,
    texts: turns.map(({ data }) => data.parts.map(({ text }) => text)),
    asked: turns.map(({ data }) => data.calls.map((call) => [call.tool, call.arguments])),
  };
}

describe("kill -9 after every event", async () => {
  const first = await startGateway({ script });
  const runId = await play(first);
  const learned = await historyOf(first, runId);
  const effects = await effectsOf(first, runId);
  await first.stop();
  expect(effects).toBe("a\nb\nc\n");

  // Each second one, from a place that is another each time; a soak has every one.
  for (const { seq, type } of sampled(learned, Math.ceil(learned.length / 3))) {
    it(`brings the run to the same end when the gateway dies after event ${seq}, ${type}`, async () => {
      const dataDir = newDataDir();
      const doomed = await startGateway({
        script,
        dataDir,
        preload: ["test/support/kill-after-event.ts"],
        env: { AIRLOCK_TEST_KILL_SEQ: String(seq) },
      });
      // The answer to the submission itself is lost when the first event is the one that kills.
      await play(doomed).catch(() => undefined);
      expect((await doomed.ended).signal).toBe("SIGKILL");

      const next = await startGateway({ script, dataDir });
      try {
        const again = await clientOf(next).submitRun(submission);
        const run = await again.wait();
        const events = await historyOf(next, again.id);
        expect(defectsOf(again.id, events)).toEqual([]);
        expect(endingOf(events)).toEqual(endingOf(learned));
        expect(run.cleanup_status).toBe("succeeded");
        expect((await clientOf(next).listRuns()).runs).toHaveLength(1);

        const lines = (await effectsOf(next, again.id)).trim().split("\n");
        expect(new Set(lines).size).toBe(lines.length);
        const finished = events.filter((event) => isEvent(event, "call.finished"));
        const told = finished.filter(({ data }) => data.outcome === "interrupted");
        // Only a command whose start was the last thing that was written down may be in doubt. A decision and the start
        // that follows it are one append, so they are durable together.
        const last = type === "call.decided" ? learned[seq]?.type : type;
        const inDoubt = last === "call.started";
        if (!inDoubt) expect(lines).toEqual(["a", "b", "c"]);
        expect(told.length).toBeLessThanOrEqual(inDoubt ? 1 : 0);
        expect((await clientOf(next).verify()).defects).toEqual([]);
      } finally {
        await next.stop();
        rmSync(dataDir, { recursive: true, force: true });
      }
    });
  }
});

describe("kill -9 in the middle of a command", () => {
  it("leaves no process of the run within a second, and tells the model that it was interrupted", async () => {
    const marker = `airlock-orphan-${process.pid}-${Date.now()}`;
    // Named in the arguments of the shells: the command itself is in nobody's.
    const named = `bash -c 'trap "" TERM HUP; sleep 600; : ${marker}'`;
    const command = `setsid nohup ${named} >/dev/null 2>&1 & (${named}) & echo up; ${named}`;
    const long = {
      turns: [{ calls: [{ tool: "sandbox_exec", arguments: { command } }] }, { text: "ok" }],
    };
    const dataDir = newDataDir();
    const doomed = await startGateway({ script: long, dataDir });
    const run = await clientOf(doomed).submitRun({ ...submission, outputDirs: [] });
    for await (const event of run.stream({ live: true })) if (event.type === "call.output") break;
    // Control: the processes can be seen from here while they live.
    expect(await within(5000, () => processesWith(marker).length >= 3)).toBe(true);
    await doomed.kill9();
    expect(await within(1000, () => processesWith(marker).length === 0)).toBe(true);

    const next = await startGateway({ script: long, dataDir });
    try {
      const ended = await clientOf(next).wait(run.id);
      expect(ended.status).toBe("succeeded");
      const events = await historyOf(next, run.id);
      const finished = events.find((event) => isEvent(event, "call.finished"));
      expect(finished?.data).toMatchObject({
        outcome: "interrupted",
        result: { ok: false, interrupted: true },
      });
      expect(events.some(({ type }) => type === "run.resumed")).toBe(true);
    } finally {
      await next.stop();
      rmSync(dataDir, { recursive: true, force: true });
    }
  });
});
