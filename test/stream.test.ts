/** A client that loses its connection again and again sees exactly the history: nothing twice, nothing missing. */

import { createParser } from "eventsource-parser";
import { afterAll, beforeAll, expect, it } from "vitest";
import { clientOf, defectsOf, historyOf } from "./support/airlock-api.ts";
import { type StartedGateway, startGateway } from "./support/start-gateway.ts";

const turns = Array.from({ length: 40 }, (_, i) => ({
  text: `Turn ${i} says something long enough to come in several pieces.`,
  delayMs: 5,
  calls: [
    { tool: "content_write", arguments: { name: `n${i}.txt`, content: `${i}` } },
    { tool: "content_read", arguments: { name_or_handle: `n${i}.txt` } },
  ],
}));

let gateway: StartedGateway;
beforeAll(async () => {
  const capture = {
    command:
      "mkdir deps && head -c 40000000 /dev/urandom >deps/a && head -c 10000000 /dev/urandom >deps/b",
    capture_paths: [{ path: "/tmp/deps" }],
  };
  const captures = {
    turns: [{ calls: [{ tool: "sandbox_exec", arguments: capture }] }, { text: "end" }],
  };
  const scripts = { x: { turns: [...turns, { text: "end" }] }, captures };
  gateway = await startGateway({ script: { scripts } });
});
afterAll(() => gateway.stop());

interface Wire {
  id: string | undefined;
  event: string | undefined;
  data: { seq?: number; data: { turn?: number; attempt?: number; offset?: number; text?: string } };
}

/** Reads a stream until it ends, or until `stopAfter` events have come and the line is cut. */
async function listen(runId: string, lastEventId: number, stopAfter: number): Promise<Wire[]> {
  const cut = new AbortController();
  const response = await fetch(`${gateway.url}/api/runs/${runId}/events`, {
    headers: {
      authorization: `Bearer ${gateway.token}`,
      accept: "text/event-stream",
      ...(lastEventId > 0 ? { "last-event-id": String(lastEventId) } : {}),
    },
    signal: cut.signal,
  });
  const seen: Wire[] = [];
  const parser = createParser({
    onEvent: ({ id, event, data }) => {
      if (seen.length < stopAfter) seen.push({ id, event, data: JSON.parse(data) });
      if (seen.length >= stopAfter) cut.abort();
    },
  });
  try {
    const decoder = new TextDecoder();
    for await (const chunk of response.body ?? [])
      parser.feed(decoder.decode(chunk, { stream: true }));
  } catch (error) {
    if (!cut.signal.aborted) throw error;
  }
  return seen;
}

it("shows exactly the history to a client that disconnects at random 200 times", async () => {
  const run = await clientOf(gateway).submitRun({ model: "scripted/x", prompt: "go" });
  const collected: number[] = [];
  let disconnects = 0;
  for (let last = 0; ; ) {
    const stopAfter = disconnects < 200 ? Math.floor(Math.random() * 3) : Number.POSITIVE_INFINITY;
    const seen = await listen(run.id, last, Math.max(1, stopAfter));
    const durable = seen.filter(({ id }) => id !== undefined && id !== "");
    // Cutting before the first event of this connection must not lose the place.
    if (stopAfter === 0) durable.length = 0;
    for (const { id } of durable) collected.push(Number(id));
    last = collected.at(-1) ?? 0;
    disconnects += 1;
    if (durable.at(-1)?.event === "run.finished") break;
    if (disconnects > 5000) throw new Error("The stream never came to its end");
  }
  expect(disconnects).toBeGreaterThanOrEqual(200);
  const history = await historyOf(gateway, run.id);
  expect(defectsOf(run.id, history)).toEqual([]);
  expect(collected).toEqual(history.map(({ seq }) => seq));
});

it("sends live deltas without an id, in order, and none of a turn after its reply", async () => {
  const run = await clientOf(gateway).submitRun({ model: "scripted/x", prompt: "go" });
  const seen = await listen(run.id, 0, Number.POSITIVE_INFINITY);
  const replied = new Set<number>();
  const offsets = new Map<string, number>();
  let deltas = 0;
  for (const { id, event, data } of seen) {
    if (event === "turn.replied") replied.add(data.data.turn ?? 0);
    if (event !== "model.delta") continue;
    deltas += 1;
    expect(id === undefined || id === "").toBe(true);
    const { turn = 0, attempt, offset = 0, text = "" } = data.data;
    expect(replied.has(turn)).toBe(false);
    const key = `${turn}/${attempt}`;
    expect(offset).toBeGreaterThanOrEqual(offsets.get(key) ?? 0);
    offsets.set(key, offset + text.length);
  }
  expect(deltas).toBeGreaterThan(0);
  expect(seen.at(-1)?.event).toBe("run.finished");
});

it("shows how far the capture of a layer is, to its last byte", async () => {
  const run = await clientOf(gateway).submitRun({ model: "scripted/captures", prompt: "go" });
  const shown: number[] = [];
  for await (const event of run.stream({ live: true })) {
    if (event.type === "call.capturing") shown.push(event.data.bytes as number);
  }
  expect(shown.length).toBeGreaterThanOrEqual(2);
  expect([...shown].sort((a, b) => a - b)).toEqual(shown);
  expect(shown.at(-1)).toBe(50_000_000);
});
