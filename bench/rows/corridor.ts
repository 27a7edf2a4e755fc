import { subscribe, unsubscribe } from "node:diagnostics_channel";
import { readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { readConfig } from "../../src/base/config.ts";
import { openLog } from "../../src/base/log.ts";
import { openGateway } from "../../src/gateway.ts";
import { bareSpawn } from "../floor.ts";
import type { Bench, Group } from "../group.ts";
import { openClient } from "../http-client.ts";
import { quantile, ratio, type Samples, shownQuantiles } from "../measure.ts";
import { atMost, type Row } from "../row.ts";

/** How long the model thinks: time for the next sandbox to be opened, and for one bare spawn. */
const thinksMs = 160;
const spawnAfterMs = 110;
const warmUpTurns = 5;

/** One `sandbox_exec` as a run makes it: from the model's reply to the durable end of the call. */
export const corridorRows: Group = {
  name: "corridor",
  async run(bench: Bench): Promise<Row[]> {
    const turns = bench.quick ? 8 : 105;
    const samples = await measure(bench, turns);
    const took = samples.get("exec") ?? [];
    const intent = quantile(samples.get("intent") ?? [], 0.5);
    const floor = quantile(samples.get("spawn") ?? [], 0.5);
    return [
      {
        ...{ name: "corridor.exec", unit: "x", target: atMost(1.5) },
        what:
          "`sandbox_exec` of `true` in a run, from dispatch to the durable `call.finished`, " +
          "against a bare spawn",
        ...ratio(samples, "exec", "spawn"),
        detail:
          `${shownQuantiles(took)}; of which ${intent.toFixed(2)} ms until the intent is durable; ` +
          `the spawn takes ${floor.toFixed(2)} ms`,
      },
    ];
  },
};

interface Committed {
  runId: string;
  seq: number;
  type: string;
}

async function measure(bench: Bench, turns: number): Promise<Samples> {
  const config = readConfig(
    { AIRLOCK_RUN_TURNS: "1000", AIRLOCK_RUN_CALLS: "1000" },
    { dataDir: bench.newDirectory("corridor"), host: "127.0.0.1", port: 0 },
  );
  // The comment makes each call another one: a run that repeats itself is stopped.
  const calls = Array.from({ length: turns }, (_, turn) => ({
    calls: [{ tool: "sandbox_exec", arguments: { command: `true # ${turn}` } }],
    delayMs: thinksMs,
  }));
  const script = { turns: [...calls, { text: "Done" }] };
  const gateway = await openGateway(config, { script, log: openLog("error") });
  const token = readFileSync(gateway.adminTokenFile, "utf8").trim();
  const client = openClient({ url: gateway.url, token });
  const watch = watchCalls();
  try {
    await client.ask("POST", "/api/runs", { model: "scripted/bench", prompt: "Measure" });
    return await watch.done;
  } finally {
    watch.close();
    client.close();
    await gateway.close();
  }
}

/** Takes the times of commits as they happen, and spawns a bare process while the model thinks. */
function watchCalls(): { done: Promise<Samples>; close(): void } {
  const ended = Promise.withResolvers<Samples>();
  const samples: Samples = new Map([
    ["exec", []],
    ["intent", []],
    ["spawn", []],
  ]);
  const keep = (name: string, value: number) => samples.get(name)?.push(value);
  let repliedAt = 0;
  let intentMs = 0;
  let turn = 0;

  async function spawnWhileItThinks(): Promise<void> {
    await sleep(spawnAfterMs);
    const took = await bareSpawn();
    if (turn > warmUpTurns) keep("spawn", took);
  }

  const onCommitted = (message: unknown) => {
    const { type } = message as Committed;
    const now = performance.now();
    if (type === "turn.replied") {
      repliedAt = now;
      turn += 1;
    }
    if (type === "call.started") intentMs = now - repliedAt;
    if (type === "call.finished") {
      if (turn > warmUpTurns) {
        keep("exec", now - repliedAt);
        keep("intent", intentMs);
      }
      spawnWhileItThinks().catch(ended.reject);
    }
    if (type === "run.finished") ended.resolve(samples);
  };
  subscribe("airlock:journal.committed", onCommitted);
  return {
    done: ended.promise,
    close: () => unsubscribe("airlock:journal.committed", onCommitted),
  };
}
