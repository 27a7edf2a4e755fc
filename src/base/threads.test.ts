import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { threadId } from "node:worker_threads";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { openLog } from "./log.ts";
import { tasks } from "./threads.testing.ts";
import { openThreads, type Threads } from "./threads.ts";

const log = openLog("silent");
let threads: Threads;
beforeEach(() => {
  threads = openThreads({ log });
});
afterEach(() => threads.close());

/** Two numbers that threads share: whether the work has begun, and whether it has stopped. */
function openSaid() {
  const shared = new SharedArrayBuffer(8);
  const said = new Int32Array(shared);
  return {
    shared,
    begun: async () => {
      const wait = Atomics.waitAsync(said, 0, 0);
      if (wait.async) await wait.value;
    },
    hasStopped: () => Atomics.load(said, 1) === 1,
  };
}

describe("threads", () => {
  it("do the work elsewhere, two at most, and know nothing of the environment", async () => {
    const jobs = Array.from({ length: 50 }, () => threads.run(tasks.whereAmI, undefined));
    const places = await Promise.all(jobs);
    const ids = new Set(places.map((place) => place.threadId));
    expect(ids.size).toBeLessThanOrEqual(2);
    expect(ids).not.toContain(threadId);
    expect(places.flatMap(({ variables }) => variables)).toEqual([]);
  });

  it("give every job its own answer", async () => {
    const jobs = Array.from({ length: 100 }, (_, at) =>
      threads.run(tasks.twice, new Uint8Array([at])),
    );
    const answers = await Promise.all(jobs);
    expect(answers.map((bytes) => [...bytes])).toEqual(answers.map((_, at) => [at, at]));
  });

  it("hand an error on with its name, message and code", async () => {
    await expect(threads.run(tasks.fails, "ENOSPC")).rejects.toMatchObject({
      name: "RangeError",
      message: "It was too much",
      code: "ENOSPC",
    });
    await expect(threads.run(tasks.cannotBeSent, undefined)).rejects.toThrow(/cloned/);
    expect([...(await threads.run(tasks.twice, new Uint8Array([7])))]).toEqual([7, 7]);
  });

  it("that die take one job with them, and others come in their place", async () => {
    const dead = [1, 2].map(() =>
      expect(threads.run(tasks.dies, undefined)).rejects.toThrow("Nobody catches this"),
    );
    const after = threads.run(tasks.twice, new Uint8Array([1]));
    await Promise.all(dead);
    expect([...(await after)]).toEqual([1, 1]);
  });
});

describe("an abort", () => {
  it("ends a job that waits at once, and one that is done when the thread has let go of it", async () => {
    await threads.close();
    threads = openThreads({ log, count: 1 });
    const said = openSaid();
    const [first, second] = [new AbortController(), new AbortController()];
    const running = threads.run(tasks.worksOn, said.shared, first.signal);
    const waiting = threads.run(tasks.worksOn, said.shared, second.signal);
    await said.begun();
    second.abort(new Error("Not needed"));
    await expect(waiting).rejects.toThrow("Not needed");
    expect(said.hasStopped()).toBe(false);
    first.abort(new Error("Not needed either"));
    await expect(running).rejects.toThrow("Not needed either");
    expect(said.hasStopped()).toBe(true);
  });

  it("before the start keeps the work from being taken", async () => {
    const said = openSaid();
    const gone = AbortSignal.abort(new Error("Gone"));
    await expect(threads.run(tasks.worksOn, said.shared, gone)).rejects.toThrow("Gone");
  });
});

describe("limits", () => {
  it("more than the limit may not wait", async () => {
    await threads.close();
    threads = openThreads({ log, count: 1, waitingMax: 1 });
    const abort = new AbortController();
    const said = openSaid();
    const jobs = [1, 2].map(() => threads.run(tasks.worksOn, said.shared, abort.signal));
    const ended = Promise.all(jobs.map((job) => expect(job).rejects.toThrow("Enough")));
    await expect(threads.run(tasks.twice, new Uint8Array())).rejects.toMatchObject({
      code: "queue_full",
    });
    abort.abort(new Error("Enough"));
    await ended;
  });

  it("closing ends what is done and what waits, even work that listens to nobody", async () => {
    await threads.close();
    threads = openThreads({ log, count: 1 });
    const said = openSaid();
    const jobs = [1, 2].map(() => threads.run(tasks.worksOn, said.shared));
    const ended = Promise.all(jobs.map((job) => expect(job).rejects.toThrow(/closed|ended/)));
    await said.begun();
    await threads.close();
    await ended;
  });

  it("idle threads do not keep the process, busy ones do", async () => {
    const script = `
      import { openThreads } from "./threads.ts";
      import { openLog } from "./log.ts";
      import { tasks } from "./threads.testing.ts";
      const threads = openThreads({ log: openLog("silent") });
      threads.run(tasks.twice, new Uint8Array([1])).then((bytes) => console.log(bytes.length));
    `;
    const args = ["--input-type=module-typescript", "--eval", script];
    const options = { cwd: import.meta.dirname };
    const { stdout } = await promisify(execFile)(process.execPath, args, options);
    expect(stdout).toBe("2\n");
  });
});
