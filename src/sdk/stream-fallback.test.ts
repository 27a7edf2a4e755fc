/** Gateways behind something that lets no event stream through: what is asked for is asked again and again. */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, describe, expect, it } from "vitest";
import { newId } from "../contract/ids.ts";
import { AirlockClient, type ClientOptions, type RunEvent, type StreamOptions } from "./sdk.ts";

const token = "not-a-real-token";
const runId = newId("run");
let server: Server | undefined;

afterEach(async () => {
  server?.closeAllConnections();
  await new Promise((resolve) => (server ? server.close(resolve) : resolve(undefined)));
  server = undefined;
});

interface Front {
  /** What becomes of a request for the stream. */
  stream: (response: ServerResponse, request: IncomingMessage) => void;
  /** How many events there are when a page is asked for, or nothing for a broken connection. */
  written: (asked: number) => number | undefined;
  status?: (pagesAsked: number) => string;
  /** In place of a page. */
  kept?: object;
}

const total = 7;

async function behind(front: Front, options: Partial<ClientOptions> = {}) {
  const asked = { streams: 0, pages: [] as number[] };
  const opened = createServer((request, response) => {
    const url = new URL(request.url ?? "", "http://x");
    if (!url.pathname.endsWith("/events")) {
      const status = front.status?.(asked.pages.length) ?? "running";
      return void response.end(JSON.stringify({ run: { id: runId, status, lastSeq: total } }));
    }
    if (request.headers.accept === "text/event-stream") {
      asked.streams += 1;
      return front.stream(response, request);
    }
    const since = Number(url.searchParams.get("since"));
    asked.pages.push(since);
    const last = front.written(asked.pages.length);
    if (last === undefined) return void request.socket.destroy();
    if (front.kept && asked.pages.length > 1) return void response.end(JSON.stringify(front.kept));
    // Pages of two.
    const events = Array.from({ length: Math.max(0, last - since) }, (_, n) =>
      eventAt(since + n + 1),
    );
    const page = events.slice(0, 2);
    const more = page.length < events.length ? { nextCursor: String(since + 2) } : {};
    response.end(JSON.stringify({ events: page, ...more }));
  });
  server = opened;
  await new Promise<void>((resolve) => opened.listen(0, "127.0.0.1", resolve));
  const baseUrl = `http://127.0.0.1:${(opened.address() as AddressInfo).port}`;
  return { asked, client: new AirlockClient({ token, baseUrl, ...options }) };
}

function eventAt(seq: number) {
  const type = seq === total ? "run.finished" : "run.started";
  return { runId, seq, type, time: "", hash: "", data: {} };
}

async function seen(client: AirlockClient, options: StreamOptions = {}): Promise<number[]> {
  const events = (await Array.fromAsync(
    client.stream(runId, { intervalMs: 1, ...options }),
  )) as RunEvent[];
  return events.map(({ seq }) => seq);
}

const all = [1, 2, 3, 4, 5, 6, 7];
const growing = (asked: number) => Math.min(asked, total);

const walls: Record<string, Front["stream"]> = {
  "answers with another type": (response) =>
    void response.writeHead(200, { "content-type": "application/json" }).end('{"events":[]}'),
  "refuses the type": (response) => void response.writeHead(406).end('{"error":"not acceptable"}'),
  "keeps the stream for itself": (response) =>
    void response.writeHead(200, { "content-type": "text/event-stream" }).flushHeaders(),
  "keeps even the head of the answer for itself": () => undefined,
  "ends the stream before its first byte": (response) =>
    void response.writeHead(200, { "content-type": "text/event-stream" }).end(),
};

describe("a stream behind something that", () => {
  for (const [what, stream] of Object.entries(walls)) {
    it(`${what} gives every event once and in order`, async () => {
      const patience = { idleTimeoutMs: 150, timeoutMs: 300, maxRetries: 0 };
      const { asked, client } = await behind({ stream, written: growing }, patience);
      expect(await seen(client)).toEqual(all);
      expect(asked.streams).toBe(1);
      expect(asked.pages.length).toBeGreaterThanOrEqual(4);
      expect(await seen(client, { since: 5 })).toEqual([6, 7]);
    });
  }
});

const noStream = walls["refuses the type"] as Front["stream"];

describe("asking for events again and again", () => {
  it("loses none that was written between the last answer and the end of the run", async () => {
    // The run is seen to have ended before its last events are.
    const { asked, client } = await behind({
      stream: noStream,
      written: (pages) => (pages < 4 ? 3 : total),
      status: (pages) => (pages < 3 ? "running" : "succeeded"),
    });
    expect(await seen(client)).toEqual(all);
    expect(asked.pages).toEqual([0, 2, 3, 3, 5]);
  });

  it("asks in its own time where one and the same page comes back again and again", async () => {
    const stop = new AbortController();
    const { asked, client } = await behind({
      stream: noStream,
      written: () => total,
      kept: { events: [eventAt(1), eventAt(2)], nextCursor: "2" },
      status: (pages) => {
        if (pages > 4) stop.abort();
        return "running";
      },
    });
    const late = setTimeout(() => stop.abort(), 1_000);
    expect(await seen(client, { signal: stop.signal })).toEqual([1, 2]);
    clearTimeout(late);
    expect(asked.pages.length).toBeLessThan(10);
  });

  it("ends when a run that has ended has nothing after the cursor", async () => {
    const { client } = await behind({
      stream: noStream,
      written: () => total,
      status: () => "succeeded",
    });
    expect(await seen(client, { since: total })).toEqual([]);
  });

  it("goes on after connections that broke, and says so", async () => {
    const lost: string[] = [];
    const { client } = await behind(
      { stream: noStream, written: (pages) => (pages % 2 === 0 ? undefined : growing(pages)) },
      { maxRetries: 0 },
    );
    const onReconnect = ({ reason }: { reason: string }) => void lost.push(reason);
    expect(await seen(client, { onReconnect })).toEqual(all);
    expect(lost.length).toBeGreaterThan(2);
  });

  it("is interrupted in its sleep by an abort, without an error", async () => {
    const controller = new AbortController();
    const { client } = await behind({ stream: noStream, written: () => 2 });
    const started = performance.now();
    const { signal } = controller;
    for await (const event of client.stream(runId, { intervalMs: 50_000, signal })) {
      // The next thing that the client does is to sleep.
      if (event.seq === 2) setImmediate(() => controller.abort());
    }
    expect(performance.now() - started).toBeLessThan(10_000);
  });

  it("waits for the end of a run too", async () => {
    const { client } = await behind({
      stream: noStream,
      written: growing,
      status: (pages) => (pages < 8 ? "running" : "succeeded"),
    });
    const waited = client.wait(runId, { intervalMs: 1, timeoutMs: 1_000 });
    // It begins behind the newest event that the run has.
    expect((await waited.catch((error: unknown) => error)) as object).toMatchObject({
      status: "succeeded",
    });
  });

  it("refuses an interval that is none", async () => {
    const { client } = await behind({ stream: noStream, written: growing });
    await expect(seen(client, { intervalMs: 0 })).rejects.toThrow(/Option intervalMs/);
  });
});
