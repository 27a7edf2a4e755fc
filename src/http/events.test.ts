import { get, type IncomingMessage } from "node:http";
import { afterEach, describe, expect, it } from "vitest";
import { bodyOf, type FrontDoor, openFrontDoor } from "../../test/support/front-door.ts";
import { limits } from "../base/limits.ts";
import type { ErrorBody } from "../contract/problem.ts";
import type { Run } from "../contract/run.ts";
import { frame } from "./event-stream.ts";
import type { Listening } from "./listen.ts";

/*
 * The stream is read as bytes from a real socket, so that framing, pauses and disconnects are those a client sees; time
 * is moved by hand.
 */

const sse = { accept: "text/event-stream" };
const open: Listening[] = [];
const readers: { destroy(): void }[] = [];
afterEach(async () => {
  for (const reader of readers.splice(0)) reader.destroy();
  for (const server of open.splice(0)) await server.close(0);
});

function withRun(events: number, status: Run["status"] = "running") {
  const door = openFrontDoor();
  const caller = door.token();
  const run = door.addRun(caller.token.workspaceId, status);
  for (let seq = 1; seq <= events; seq++) door.append(run.id, "call.started", { turn: seq });
  return { door, caller, run, path: `/api/runs/${run.id}/events` };
}

/** A connection whose text so far can be asked for, and that tells when a text has come. */
async function connect(door: FrontDoor, path: string, headers: Record<string, string>) {
  const server = open[0] ?? (await door.listen({ host: "127.0.0.1", port: 0 }));
  if (open.length === 0) open.push(server);
  const response = await new Promise<IncomingMessage>((resolve, reject) => {
    const request = get(`${server.url}${path}`, { headers: { ...sse, ...headers } }, resolve);
    request.on("error", reject);
  });
  readers.push(response);
  let text = "";
  const watchers = new Set<() => void>();
  const ended = new Promise<string>((resolve) => {
    response.on("data", (chunk) => {
      text += chunk;
      for (const watch of watchers) watch();
    });
    response.on("error", () => undefined);
    response.on("close", () => resolve(text));
  });
  const until = (wanted: string) =>
    new Promise<string>((resolve) => {
      const watch = () => {
        if (!text.includes(wanted)) return;
        watchers.delete(watch);
        resolve(text);
      };
      watchers.add(watch);
      watch();
    });
  return { response, ended, until };
}

const idsIn = (text: string) =>
  [...text.matchAll(/^id: (\d+)$/gm)].map((match) => Number(match[1]));

describe("events as JSON", () => {
  it("are read page by page with the cursor of the page before", async () => {
    const { door, caller, path } = withRun(5);
    const seen: number[] = [];
    let cursor: string | undefined = "0";
    for (let pages = 0; cursor !== undefined; pages++) {
      const url: string = `${path}?limit=2&since=${cursor}`;
      type Page = { events: { seq: number }[]; nextCursor?: string };
      const page: Page = await bodyOf(await door.app.request(url, { headers: caller.header }));
      seen.push(...page.events.map((event) => event.seq));
      cursor = page.nextCursor;
      expect(pages).toBeLessThan(3);
    }
    expect(seen).toEqual([1, 2, 3, 4, 5]);
  });

  it.each(["-1", "1.5", "x", "", "1e1", "0x1", "99999999999999999999", "NaN"])(
    "refuse the cursor %j, as query and as header",
    async (cursor) => {
      const { door, caller, path } = withRun(3);
      const query = await door.app.request(`${path}?since=${cursor}`, { headers: caller.header });
      expect(query.status).toBe(400);
      if (cursor === "") return;
      const header = { ...caller.header, ...sse, "last-event-id": cursor };
      expect((await door.app.request(path, { headers: header })).status).toBe(400);
    },
  );

  it("refuse a cursor from the future, naming the last event; the last itself is fine", async () => {
    const { door, caller, path } = withRun(3);
    for (const accept of ["application/json", "text/event-stream"]) {
      const headers = { ...caller.header, accept };
      const response = await door.app.request(`${path}?since=4`, { headers });
      expect(response.status).toBe(400);
      const { error } = await bodyOf<ErrorBody>(response);
      expect(error.details).toEqual({ lastSeq: 3 });
    }
    const last = await door.app.request(`${path}?since=3`, { headers: caller.header });
    expect(await bodyOf(last)).toEqual({ events: [] });
  });

  it.each<[string | undefined, boolean]>([
    [undefined, false],
    ["*/*", false],
    ["application/json", false],
    ["text/event-stream", true],
    ["application/json, text/event-stream", true],
    ["application/json, text/event-stream;q=0.5", false],
    ["text/event-stream;q=0", false],
    ["text/html, text/event-stream; charset=utf-8", true],
  ])("are chosen by Accept: %s", async (accept, streams) => {
    const { door, caller, path } = withRun(1, "succeeded");
    const headers = { ...caller.header, ...(accept ? { accept } : {}) };
    const response = await door.app.request(path, { headers });
    const type = response.headers.get("content-type");
    expect(type?.startsWith("text/event-stream")).toBe(streams);
    await response.body?.cancel();
  });
});

describe("the event stream", () => {
  it("replays what was, follows what comes, and ends with the run", async () => {
    const { door, caller, run, path } = withRun(2);
    const { response, until, ended } = await connect(door, path, caller.header);
    expect(response.headers).toMatchObject({
      "content-type": "text/event-stream; charset=utf-8",
      "cache-control": "no-store",
      "x-accel-buffering": "no",
      "x-request-id": expect.stringMatching(/^req_/),
    });
    await until("id: 2\n");
    const live = { turn: 1, attempt: 1, offset: 0, text: "line\nbreak\r\n\n: id: 9" };
    door.sendLive(run.id, { type: "model.delta", data: live });
    const third = door.append(run.id, "turn.replied", { text: "a\nb" });
    const fourth = door.append(run.id, "run.finished");
    const text = await ended;
    expect(text.startsWith("retry: 2000\n\n")).toBe(true);
    expect(idsIn(text)).toEqual([1, 2, 3, 4]);
    const delta = { type: "model.delta", data: live };
    expect(text).toContain(
      `event: model.delta\ndata: ${JSON.stringify(delta)}\n\n` +
        `id: 3\nevent: turn.replied\ndata: ${JSON.stringify(third)}\n\n` +
        `id: 4\nevent: run.finished\ndata: ${JSON.stringify(fourth)}\n\n`,
    );
    expect(door.following()).toBe(0);
  });

  it("writes each event on lines of its own, whatever is in it", () => {
    const event = {
      type: "model.delta",
      data: { turn: 1, attempt: 1, offset: 0, text: "\n\r\u2028" },
    };
    expect(frame(event as Parameters<typeof frame>[0]).match(/\n/g)).toHaveLength(3);
  });

  it("resumes after Last-Event-ID, which wins over since, without a gap and without a repetition", async () => {
    const { door, caller, run, path } = withRun(6);
    const first = await connect(door, path, caller.header);
    await first.until("id: 3\n");
    first.response.destroy();
    door.append(run.id, "run.finished");
    const headers = { ...caller.header, "last-event-id": "3" };
    const second = await connect(door, `${path}?since=1`, headers);
    expect(idsIn(await second.ended)).toEqual([4, 5, 6, 7]);
    const third = await connect(door, `${path}?since=5`, caller.header);
    expect(idsIn(await third.ended)).toEqual([6, 7]);
  });

  it("sends a comment in every pause, and none while there is something to say", async () => {
    const { door, caller, run, path } = withRun(1);
    const { until } = await connect(door, path, caller.header);
    await until("id: 1\n");
    for (let beats = 1; beats <= 3; beats++) {
      await door.clock.sleeping(limits.eventHeartbeatMs);
      door.clock.advance(limits.eventHeartbeatMs);
      await until(": ping\n\n".repeat(beats));
    }
    door.append(run.id, "call.finished");
    expect((await until("id: 2\n")).match(/: ping/g)).toHaveLength(3);
  });

  it("ends when the token is revoked, at the next heartbeat", async () => {
    const { door, caller, path } = withRun(1);
    const { until, ended } = await connect(door, path, caller.header);
    await until("id: 1\n");
    door.revoke(caller.token.id);
    await door.clock.sleeping(limits.eventHeartbeatMs);
    door.clock.advance(limits.eventHeartbeatMs);
    expect(await ended).toMatch(/: the token was revoked\n\n$/);
    expect(door.following()).toBe(0);
  });

  it("ends with a comment when the gateway stops, and the gateway does not wait for more", async () => {
    const { door, caller, path } = withRun(1);
    const { until, ended } = await connect(door, path, caller.header);
    await until("id: 1\n");
    const closed = open.splice(0)[0]?.close(60_000);
    expect(await ended).toMatch(/: the gateway is stopping, connect again\n\n$/);
    await closed;
    expect(door.following()).toBe(0);
  });

  it("lets go of the run at once when the client goes away, in the middle of a pause", async () => {
    const { door, caller, path } = withRun(1);
    const { response, until } = await connect(door, path, caller.header);
    await until("id: 1\n");
    await door.clock.sleeping(limits.eventHeartbeatMs);
    expect(door.following()).toBe(1);
    response.destroy();
    await expect.poll(() => door.following(), { timeout: 5000 }).toBe(0);
    expect(door.logged()).not.toMatch(/"level":"error"/);
  });

  it("keeps no place for an answer to HEAD", async () => {
    const { door, caller, path } = withRun(1);
    const headers = { ...caller.header, ...sse };
    for (let count = 0; count <= limits.eventStreams; count++) {
      const response = await door.app.request(path, { method: "HEAD", headers });
      expect(response.status).toBe(200);
    }
  });

  it("cuts the connection when following fails, and tells the log why, not the client", async () => {
    const { door, caller, run, path } = withRun(1);
    const [first] = (await door.corridor.events(run.workspaceId, run.id, 0, 1)).events;
    const failing = Promise.withResolvers<never>();
    door.corridor.follow = async () =>
      (async function* events() {
        if (first) yield first;
        yield await failing.promise;
      })();
    const { until, ended } = await connect(door, path, caller.header);
    await until("id: 1\n");
    failing.reject(new Error("disk fell off at /srv/data"));
    expect(await ended).toMatch(/\n\n$/);
    expect(await ended).not.toContain("disk");
    expect(door.logged()).toContain("disk fell off");
  });

  it("asks for the next event only when the one before has been taken: a slow reader costs no memory", async () => {
    const { door, caller, run, path } = withRun(1);
    const [first] = (await door.corridor.events(run.workspaceId, run.id, 0, 1)).events;
    let made = 0;
    door.corridor.follow = async () =>
      (async function* events() {
        for (let seq = 1; first; seq++) {
          made = seq;
          yield { ...first, seq, hash: "x".repeat(64 * 1024) };
        }
      })();
    const { response } = await connect(door, path, caller.header);
    response.pause();
    let before = -1;
    // Both socket buffers fill up; then nothing more is made.
    await expect
      .poll(
        () => {
          const still = made === before;
          before = made;
          return still;
        },
        { interval: 200, timeout: 20_000 },
      )
      .toBe(true);
    expect(made * 64 * 1024).toBeLessThan(64 * 1024 * 1024);
    response.resume();
    const taken = made;
    await expect.poll(() => made, { timeout: 10_000 }).toBeGreaterThan(taken + 10);
  });

  it("is refused when too many are open, with a time to come back, and served when one has ended", async () => {
    const { door, caller, path } = withRun(1);
    const headers = { ...caller.header, ...sse };
    const streams: Response[] = [];
    for (let count = 0; count < limits.eventStreams; count++) {
      streams.push(await door.app.request(path, { headers }));
    }
    const refused = await door.app.request(path, { headers });
    expect(refused.status).toBe(429);
    expect(Number(refused.headers.get("retry-after"))).toBeGreaterThan(0);
    expect((await bodyOf<ErrorBody>(refused)).error.code).toBe("too_many_requests");
    await streams.pop()?.body?.cancel();
    const served = await door.app.request(path, { headers });
    expect(served.status).toBe(200);
    for (const stream of [...streams, served]) await stream.body?.cancel();
    expect(door.following()).toBe(0);
  });
});
