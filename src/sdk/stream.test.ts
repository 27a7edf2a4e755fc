import { createServer, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import fc from "fast-check";
import { afterEach, describe, expect, it } from "vitest";
import { newId } from "../contract/ids.ts";
import { AirlockClient, ApiError, NetworkError, TimeoutError } from "./sdk.ts";

const token = "alk_test_0123456789abcdef";
const runId = newId("run");

async function all<T>(source: AsyncIterable<T>): Promise<T[]> {
  const items: T[] = [];
  for await (const item of source) items.push(item);
  return items;
}

let server: Server | undefined;

afterEach(async () => {
  server?.closeAllConnections();
  await new Promise((resolve) => (server ? server.close(resolve) : resolve(undefined)));
  server = undefined;
});

interface Script {
  /** How many events the run has; the last is `run.finished`. */
  events: number;
  /** Bytes of the stream until the connection is cut; none: it ends well. */
  cutAfter?: (connection: number) => number | undefined;
  status?: (connection: number) => number;
  runStatus?: () => string;
  live?: boolean;
  /** What a connection really sends, when it does not do what it is asked for. */
  sends?: (connection: number) => number[];
  /** Called when a stream has been written and stays open. */
  open?: (response: ServerResponse, connection: number) => void;
}

const upTo = (last: number, first = 1) =>
  Array.from({ length: Math.max(0, last - first + 1) }, (_, index) => first + index);

interface Asked {
  since: number;
  lastEventId: number | undefined;
}

function eventText(seq: number, events: number): string {
  const type = seq === events ? "run.finished" : "run.started";
  const data = { status: "succeeded", filler: "ä€😀".repeat(seq % 7) };
  const event = { runId, seq, type, time: "", hash: "", data };
  return `id: ${seq}\nevent: ${type}\ndata: ${JSON.stringify(event)}\n\n`;
}

function liveText(turn: number): string {
  const event = { type: "model.delta", data: { turn, attempt: 1, offset: 0, text: "…" } };
  return `event: model.delta\ndata: ${JSON.stringify(event)}\n\n`;
}

/** A gateway with one run whose stream behaves as the script says, over real HTTP. */
async function gateway(script: Script, clientOptions: { idleTimeoutMs?: number } = {}) {
  const asked: Asked[] = [];
  const opened = createServer((request, response) => {
    const url = new URL(request.url ?? "", "http://x");
    if (!url.pathname.endsWith("/events")) {
      const status = script.runStatus?.() ?? "running";
      if (status === "down") return void request.socket.destroy();
      const run = { id: runId, status, lastSeq: status === "running" ? 0 : script.events };
      return void response.end(JSON.stringify({ run }));
    }
    const last = request.headers["last-event-id"];
    const lastEventId = last === undefined ? undefined : Number(last);
    const since = Number(url.searchParams.get("since"));
    asked.push({ since, lastEventId });
    const connection = asked.length;
    const status = script.status?.(connection) ?? 200;
    if (status !== 200) {
      const body = { error: { code: status === 404 ? "not_found" : "internal", message: "No" } };
      return void response.writeHead(status).end(JSON.stringify(body));
    }
    response.writeHead(200, { "content-type": "text/event-stream" });
    let text = ": ping\n\n";
    for (const seq of script.sends?.(connection) ?? upTo(script.events, since + 1)) {
      if (script.live) text += liveText(seq);
      text += eventText(seq, script.events);
    }
    const bytes = Buffer.from(text);
    const cut = script.cutAfter?.(connection);
    const { open } = script;
    if (open) return void response.write(bytes.subarray(0, cut), () => open(response, connection));
    if (cut === undefined || cut >= bytes.length) return void response.end(bytes);
    response.write(bytes.subarray(0, cut), () => response.destroy());
  });
  server = opened;
  await new Promise<void>((resolve) => opened.listen(0, "127.0.0.1", resolve));
  const baseUrl = `http://127.0.0.1:${(opened.address() as AddressInfo).port}`;
  return { asked, client: new AirlockClient({ token, baseUrl, ...clientOptions }) };
}

describe("streaming", () => {
  it("gives the history exactly once and in order though 200 connections are cut", async () => {
    const random = fc.sample(fc.integer({ min: 0, max: 700 }), { numRuns: 200, seed: 7 });
    const { asked, client } = await gateway({
      events: 300,
      cutAfter: (connection) => random[connection - 1],
    });
    const seen: number[] = [];
    for await (const event of client.stream(runId)) seen.push(event.seq);
    expect(seen).toEqual(upTo(300));
    expect(asked.length).toBeGreaterThan(100);
    for (const { since, lastEventId } of asked) expect(lastEventId ?? 0).toBe(since);
  });

  it("takes nothing twice and skips nothing, even when the stream does", async () => {
    const { asked, client } = await gateway({
      events: 6,
      sends: (connection) => [[1, 2, 2, 4], [1, 2, 3, 6], upTo(6)][connection - 1] ?? [],
    });
    expect((await all(client.stream(runId))).map((event) => event.seq)).toEqual(upTo(6));
    expect(asked.map(({ since }) => since)).toEqual([0, 2, 3]);
  });

  it("starts after the cursor it is given", async () => {
    const { client } = await gateway({ events: 9 });
    const seen = await all(client.stream(runId, { since: 4 }));
    expect(seen.map((event) => event.seq)).toEqual(upTo(9, 5));
  });

  it("gives live events only when they are asked for, and never twice a durable one", async () => {
    const { client } = await gateway({ events: 3, live: true });
    const durable = await all(client.stream(runId));
    expect(durable.map((event) => event.type)).toEqual([
      "run.started",
      "run.started",
      "run.finished",
    ]);
    const both = await all(client.stream(runId, { live: true }));
    expect(both.filter((event) => event.type === "model.delta")).toHaveLength(3);
    expect(both).toHaveLength(6);
  });

  it("outlives a gateway that answers with errors while it restarts, and says so", async () => {
    const { client } = await gateway({
      events: 2,
      status: (connection) => (connection === 1 ? 500 : connection === 2 ? 503 : 200),
    });
    const lost: string[] = [];
    const onReconnect = ({ reason }: { reason: string }) => void lost.push(reason);
    const seen = await all(client.stream(runId, { onReconnect }));
    expect(seen).toHaveLength(2);
    expect(lost).toHaveLength(2);
  });

  it("leaves a connection that has fallen silent", async () => {
    const { asked, client } = await gateway(
      {
        events: 3,
        cutAfter: (connection) => (connection === 1 ? 200 : undefined),
        open: (response, connection) => void (connection > 1 && response.end()),
      },
      { idleTimeoutMs: 100 },
    );
    expect((await all(client.stream(runId))).map((event) => event.seq)).toEqual([1, 2, 3]);
    expect(asked.map(({ since }) => since)).toEqual([0, 1]);
  });

  it("throws when trying again cannot help", async () => {
    const { asked, client } = await gateway({ events: 1, status: () => 404 });
    await expect(all(client.stream(runId))).rejects.toBeInstanceOf(ApiError);
    expect(asked).toHaveLength(1);
  });

  it("ends when the cursor is already at the end of an ended run", async () => {
    const { client } = await gateway({ events: 5, runStatus: () => "succeeded" });
    expect(await all(client.stream(runId, { since: 5 }))).toEqual([]);
  });

  it("stops without an error when it is aborted, and lets the connection go", async () => {
    const controller = new AbortController();
    const gone = Promise.withResolvers<void>();
    const { client } = await gateway({
      events: 10,
      open: (response) => response.on("close", gone.resolve),
    });
    const seen: number[] = [];
    for await (const event of client.stream(runId, { signal: controller.signal })) {
      seen.push(event.seq);
      if (event.seq === 3) controller.abort();
    }
    expect(seen).toEqual(upTo(seen.length));
    expect(seen.length).toBeLessThan(10);
    await gone.promise;
  });

  it("lets the connection go when the loop is left", async () => {
    const gone = Promise.withResolvers<void>();
    const { client } = await gateway({
      events: 10,
      open: (response) => response.on("close", gone.resolve),
    });
    for await (const event of client.stream(runId)) if (event.seq === 2) break;
    await gone.promise;
  });
});

describe("waiting", () => {
  it("returns an ended run even when there is no time at all", async () => {
    const { asked, client } = await gateway({ events: 1, runStatus: () => "failed" });
    expect((await client.wait(runId, { timeoutMs: 0 })).status).toBe("failed");
    expect(asked).toHaveLength(0);
  });

  it("returns the run as it is after the last event", async () => {
    let status = "running";
    const { asked, client } = await gateway({
      events: 3,
      runStatus: () => status,
      cutAfter: (connection) => {
        if (connection === 3) status = "succeeded";
        return connection < 3 ? 40 : undefined;
      },
    });
    expect((await client.wait(runId)).status).toBe("succeeded");
    expect(asked).toHaveLength(3);
  });

  it("outlives a gateway that is down just when the run has ended", async () => {
    let asked = 0;
    const { client } = await gateway({
      events: 1,
      runStatus: () => {
        asked += 1;
        if (asked > 1 && asked < 8) return "down";
        return asked === 1 ? "running" : "succeeded";
      },
    });
    expect((await client.wait(runId)).status).toBe("succeeded");
    expect(asked).toBe(8);
  });

  it("says at the deadline why it never learnt anything", async () => {
    const { client } = await gateway({ events: 1, runStatus: () => "down" });
    const error = await client.wait(runId, { timeoutMs: 300 }).catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(NetworkError);
  });

  it("throws at the deadline with the run and its last status", async () => {
    const { client } = await gateway({
      events: 0,
      runStatus: () => "running",
      open: () => undefined,
    });
    const error = await client.wait(runId, { timeoutMs: 100 }).catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(TimeoutError);
    expect(error).toMatchObject({ runId, lastStatus: "running", code: "wait_timeout" });
  });

  it("rejects with the reason when it is aborted", async () => {
    const controller = new AbortController();
    const { client } = await gateway({
      events: 0,
      open: () => controller.abort(new Error("Enough")),
    });
    const waiting = client.wait(runId, { signal: controller.signal });
    await expect(waiting).rejects.toThrow("Enough");
  });
});
