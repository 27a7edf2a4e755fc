import { setTimeout as sleep } from "node:timers/promises";
import type { Bench, Group } from "../group.ts";
import { type Client, openClient } from "../http-client.ts";
import { latencies } from "../latencies.ts";
import { middle, quantile, shownQuantiles } from "../measure.ts";
import { atMost, type Row } from "../row.ts";
import { serve } from "../serve.ts";

/** Runs that make the load, the calls of one of their turns, and how long their model thinks, in ms. */
const load = { runs: 24, calls: 5, thinksMs: 200 };
/** Appends per second that the load has to reach for its row to count. */
const promisedRate = 1_000;
/** A turn of them: the reply, and for each call its intent and its end. */
const appendsPerTurn = 1 + 2 * load.calls;
/** The intent is two events: decided and started. */
const eventsPerTurn = 1 + 3 * load.calls;
/** What a client waits for: an answer while the gateway is at work, and the first event of its run. */
export const httpRows: Group = {
  name: "http",
  async run(bench: Bench): Promise<Row[]> {
    const gateway = await serve({
      dataDir: bench.newDirectory("http"),
      scripts: { load: loadScript(), done: { turns: [{ text: "Done" }] } },
      env: { AIRLOCK_MAX_RUNS: "64", AIRLOCK_MAX_RUNS_PER_WORKSPACE: "64" },
    });
    const client = openClient(gateway);
    try {
      const [seconds, windows] = bench.quick ? [0.5, 2] : [3, 5];
      const { took, lastRun } = await firstEvents(client, bench.quick ? 5 : 150);
      const idle = await latencies(client, [lastRun], seconds);
      const loaded = await underLoad(client, windows, seconds);
      return [firstEventRow(took), ...loadRows(idle, loaded)];
    } finally {
      client.close();
      await gateway.stop();
    }
  },
};

function loadScript(): unknown {
  const write = (name: string) => ({
    tool: "content_write",
    arguments: { name, content: `The content of ${name}\n` },
  });
  const read = (name: string) => ({ tool: "content_read", arguments: { name_or_handle: name } });
  // In turns, for a run that asks the same again and again is stopped.
  const calls = Array.from({ length: load.calls }, (_, index) => read(index % 2 ? "b" : "a"));
  const turn = { calls: [...calls].reverse(), delayMs: load.thinksMs };
  const shifted = {
    calls: calls.map((_, index) => read(index % 2 ? "a" : "b")),
    delayMs: load.thinksMs,
  };
  const rest = Array.from({ length: 2000 }, (_, index) => (index % 2 ? shifted : turn));
  return { turns: [{ calls: [write("a"), write("b")] }, ...rest] };
}

/** From sending a submission to the first event of the run, at a client whose connections are open. */
async function firstEvents(
  client: Client,
  rounds: number,
): Promise<{ took: number[]; lastRun: string }> {
  const took: number[] = [];
  let lastRun = "";
  for (let round = -5; round < rounds; round++) {
    const start = performance.now();
    lastRun = await submit(client, "done");
    const stream = await client.stream(`/api/runs/${lastRun}/events`);
    let seen = false;
    for await (const chunk of stream.setEncoding("utf8")) {
      if (seen || !String(chunk).includes("data:")) continue;
      seen = true;
      if (round >= 0) took.push(performance.now() - start);
    }
    // The stream ends with the run, so that every round finds an idle gateway.
  }
  return { took, lastRun };
}

async function submit(client: Client, script: string): Promise<string> {
  const body = { model: `scripted/${script}`, prompt: "Measure" };
  return runOf(await client.ask("POST", "/api/runs", body)).id;
}

function runOf(text: string): { id: string; lastSeq: number } {
  const answer = JSON.parse(text) as { run?: { id: string; lastSeq: number } };
  const run = answer.run ?? (answer as { id?: string; lastSeq?: number });
  if (run.id === undefined || run.lastSeq === undefined) throw new Error(`No run in ${text}`);
  return { id: run.id, lastSeq: run.lastSeq };
}

interface Loaded {
  took: number[][];
  appendsPerSecond: number[];
}

async function underLoad(client: Client, windows: number, seconds: number): Promise<Loaded> {
  const runs: string[] = [];
  for (let run = 0; run < load.runs; run++) {
    runs.push(await submit(client, "load"));
    // So that their models do not all think and answer in step.
    await sleep(load.thinksMs / load.runs);
  }
  await sleep(1000);
  const loaded: Loaded = { took: [], appendsPerSecond: [] };
  for (let window = 0; window < windows; window++) {
    const before = await eventsOf(client, runs);
    const start = performance.now();
    loaded.took.push(await latencies(client, runs, seconds));
    const events = (await eventsOf(client, runs)) - before;
    const eventsPerSecond = (events / (performance.now() - start)) * 1000;
    loaded.appendsPerSecond.push((eventsPerSecond * appendsPerTurn) / eventsPerTurn);
  }
  return loaded;
}

async function eventsOf(client: Client, runs: readonly string[]): Promise<number> {
  const texts = await Promise.all(runs.map((run) => client.ask("GET", `/api/runs/${run}`)));
  return texts.reduce((sum, text) => sum + runOf(text).lastSeq, 0);
}

function firstEventRow(took: readonly number[]): Row {
  return {
    ...{ name: "http.first-event", unit: "ms", target: atMost(5) },
    what: "From submitting a run to its first event at a connected client, p50",
    value: quantile(took, 0.5),
    spread: [quantile(took, 0.1), quantile(took, 0.9)],
    detail: shownQuantiles(took),
  };
}

function loadRows(idle: readonly number[], { took, appendsPerSecond }: Loaded): Row[] {
  const all = took.flat();
  const rate = middle(appendsPerSecond).value;
  return [
    {
      ...{ name: "http.p99-under-load", unit: "ms", target: atMost(10) },
      what: "HTTP p99 while 1,000 appends/s are made by runs at work",
      value: quantile(all, 0.99),
      spread: middle(took.map((window) => quantile(window, 0.99))).spread,
      isFair: rate >= promisedRate,
      detail: `${rate.toFixed(0)} appends/s; ${shownQuantiles(all)}`,
    },
    {
      ...{ name: "http.p99-idle", unit: "ms", target: null },
      what: "The same requests, while no run is at work",
      value: quantile(idle, 0.99),
      detail: shownQuantiles(idle),
    },
  ];
}
