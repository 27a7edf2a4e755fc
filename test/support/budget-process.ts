/**
 * A process that spends the budget of a run tree, for tests that kill it: `<dir> <root> <workspace>`. Every run of the tree
 * reserves a turn, says what it is billed for it, and settles it, again and again until nothing is left. What it has said
 * is billed must be on the account, whenever it dies.
 */
import { writeSync } from "node:fs";
import { systemClock } from "../../src/base/clock.ts";
import { openLog } from "../../src/base/log.ts";
import type { NewEvent } from "../../src/contract/event.ts";
import { openStore, type Store } from "../../src/store/store.ts";

const [dir = "", rootRunId = "", workspaceId = ""] = process.argv.slice(2);

const store = await openStore({
  ...{ dir, clock: systemClock, log: openLog("silent") },
  onBroken: (error) => say({ error: String(error) }),
});
const tasks = await store.runs.tasks(workspaceId, rootRunId);
const runs = [rootRunId, ...tasks.map(({ runId }) => runId)];
await Promise.all(runs.map((runId, at) => spend(store, runId, at)));
await store.close();
say({ done: true });

async function spend(open: Store, runId: string, at: number): Promise<void> {
  await open.journal.claim(runId, open.epoch);
  for (let turn = 1; ; turn++) {
    const reserved = await open.budgets.reserve({
      ...{ runId, rootRunId, workspaceId, turn, last: true, more: false },
      ...{ input: { tokens: 40 + at, nanoUsd: 0 }, nanoUsdPerOutputToken: 0 },
      output: { min: 1, wanted: 60 },
    });
    if (reserved.type !== "reserved") return;
    say({ held: runId });
    const billed = Math.ceil(reserved.tokens * (turn % 4) * 0.3);
    const tokens = Math.min(billed, reserved.tokens);
    say({ billed: tokens });
    const seq = (await open.runs.get(workspaceId, runId))?.lastSeq ?? 0;
    await open.journal.append(runId, { epoch: open.epoch, seq }, [replied(turn, tokens)]);
    say({ settled: runId });
  }
}

function replied(turn: number, tokens: number): NewEvent {
  const usage = { input_tokens: tokens, output_tokens: 0 };
  return {
    type: "turn.replied",
    data: {
      ...{ turn, attempt: 1, model: "a/b", parts: [], calls: [], finish_reason: "stop" },
      usage: { ...usage, cache_read_tokens: 0, cache_write_tokens: 0 },
      duration_ms: 1,
    },
  };
}

function say(line: object): void {
  writeSync(1, `${JSON.stringify(line)}\n`);
}
