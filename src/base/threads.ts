import { Worker } from "node:worker_threads";
import { Problem } from "../contract/problem.ts";
import { assert } from "./assert.ts";
import type { Log } from "./log.ts";

/**
 * Work that another thread can do: a function that its module exports under its own name. What goes in and comes out is
 * copied; bytes that own their whole buffer come back without a copy. Descriptors are the process's, so a thread may
 * use one by its number: it stays with its owner, who must not close it before `run` has settled.
 */
export interface ThreadTask<Input, Output> {
  /** `import.meta.url` of the module that exports `work`. */
  module: string;
  work: (input: Input, isAborted: () => boolean) => Output | Promise<Output>;
}

/**
 * A few threads beside the main one, for work that would hold up everybody else. Handing something over costs as much
 * as hashing 100 KB, so what is smaller than `threadBytesMin` is better done where it is.
 */
export interface Threads {
  /**
   * Settles only when the thread has let go of what it was given, also after an abort; it rejects then with the
   * signal's reason. `queue_full` when `waitingMax` jobs wait already. A thread that dies rejects its job only.
   */
  run<Input, Output>(
    task: ThreadTask<Input, Output>,
    input: Input,
    signal?: AbortSignal,
  ): Promise<Output>;
  /** Ends the threads; what they do and what waits is rejected. Nothing is taken after that. */
  close(): Promise<void>;
}

/** From this size on bytes are worth the way to another thread and back. */
export const threadBytesMin = 1024 * 1024;

/** What the thread is sent: `flag` is shared, and becomes 1 when nobody wants the result any more. */
export interface ThreadOrder {
  module: string;
  name: string;
  input: unknown;
  flag: SharedArrayBuffer;
}

/** What it answers. Of an error only these members survive the way. */
export type ThreadAnswer =
  | { ok: true; output: unknown }
  | { ok: false; message: string; name: string; code?: string };

interface Job {
  order: ThreadOrder;
  settle: (answer: ThreadAnswer) => void;
  fail: (error: unknown) => void;
}

interface Thread {
  worker: Worker;
  job: Job | undefined;
}

const source = new URL(
  import.meta.url.endsWith(".ts") ? "./thread.ts" : "./thread.js",
  import.meta.url,
);

/** Opens the threads. None is started before there is work for it, and an idle one does not keep the process alive. */
export function openThreads(options: { log: Log; count?: number; waitingMax?: number }): Threads {
  const { log, count = 2, waitingMax = 1000 } = options;
  const threads = new Set<Thread>();
  const waiting: Job[] = [];
  let closed = false;

  function start(): Thread {
    const thread = startThread(next, (reason) => {
      threads.delete(thread);
      if (!closed) log.error({ err: reason }, "threads.crashed");
      next();
    });
    threads.add(thread);
    return thread;
  }

  function next(): void {
    if (closed || waiting.length === 0) return;
    const idle =
      [...threads].find(({ job }) => job === undefined) ??
      (threads.size < count ? start() : undefined);
    const job = idle && waiting.shift();
    if (job) give(idle, job);
  }

  return {
    async run<Input, Output>(
      { module, work }: ThreadTask<Input, Output>,
      input: Input,
      signal?: AbortSignal,
    ): Promise<Output> {
      signal?.throwIfAborted();
      assert(!closed, "Threads are used before they are closed");
      if (waiting.length >= waitingMax) {
        throw new Problem("queue_full", `Cannot take more work: ${waitingMax} jobs wait already`);
      }
      const flag = new SharedArrayBuffer(4);
      const { promise, resolve, reject } = Promise.withResolvers<Output>();
      const settle = (answer: ThreadAnswer) =>
        answer.ok ? resolve(answer.output as Output) : reject(errorOf(answer, signal));
      const job = { order: { module, name: work.name, input, flag }, settle, fail: reject };
      const abort = () => {
        Atomics.store(new Int32Array(flag), 0, 1);
        const place = waiting.indexOf(job);
        if (place === -1) return;
        waiting.splice(place, 1);
        reject(signal?.reason);
      };
      signal?.addEventListener("abort", abort, { once: true });
      waiting.push(job);
      next();
      return await promise.finally(() => signal?.removeEventListener("abort", abort));
    },
    async close() {
      closed = true;
      const over = new Error("The threads were closed");
      for (const job of waiting.splice(0)) job.fail(over);
      await Promise.all(
        [...threads].map(async ({ worker, job }) => {
          await worker.terminate();
          job?.fail(over);
        }),
      );
    },
  };
}

/** `onFree` is called when it can be given work again, `onGone` when it is no more. */
function startThread(onFree: () => void, onGone: (reason: unknown) => void): Thread {
  // An empty environment: a thread needs none of it, and the gateway's holds keys (I6).
  const worker = new Worker(source, { env: {}, execArgv: [], name: "airlock" });
  const thread: Thread = { worker, job: undefined };
  let reason: unknown = new Error("A thread ended in the middle of its work");
  worker.on("message", (answer: ThreadAnswer) => {
    const { job } = thread;
    thread.job = undefined;
    worker.unref();
    job?.settle(answer);
    onFree();
  });
  worker.on("error", (error) => {
    reason = error;
  });
  worker.on("exit", () => {
    const { job } = thread;
    thread.job = undefined;
    job?.fail(reason);
    onGone(reason);
  });
  return thread;
}

function give(thread: Thread, job: Job): void {
  thread.job = job;
  thread.worker.ref();
  try {
    thread.worker.postMessage(job.order);
  } catch (error) {
    thread.job = undefined;
    thread.worker.unref();
    job.fail(error);
  }
}

function errorOf(
  { message, name, code }: Extract<ThreadAnswer, { ok: false }>,
  signal: AbortSignal | undefined,
): unknown {
  if (signal?.aborted) return signal.reason;
  return Object.assign(new Error(message), { name, ...(code === undefined ? {} : { code }) });
}
