import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import type { Duplex, Writable } from "node:stream";
import { isMainThread } from "node:worker_threads";
import { assert } from "../base/assert.ts";
import type { Owner } from "../base/tree.ts";
import { launcher } from "./bwrap-args.ts";
import { commandFrame } from "./frame.ts";
import type { OutputPipe } from "./pipes.ts";

/**
 * The descriptors of one bwrap. 6 reaches the launcher, which closes it before the command starts.
 */
export const seccompFd = 3;
const argsFd = 4;
export const statusFd = 5;

export interface SpawnRequest {
  bwrap: string;
  args: string[];
  seccomp: Buffer;
  /** Of the launcher: block limit, process limit. */
  launch: string[];
  owner: Owner | null;
  stdout: OutputPipe;
  stderr: OutputPipe;
  /**
   * What bwrap says of itself. It must not break: a bwrap that cannot say it ends, and leaves the child that it has
   * just made waiting for it for ever.
   */
  status: OutputPipe;
  /**
   * Called with bwrap's pid while it still waits for its arguments: whatever it starts afterwards
   * is inside as well.
   */
  join: (pid: number) => Promise<void>;
}

export interface SpawnedSandbox {
  bwrap: ChildProcess;
  /** Host pid of pid 1 of the namespace, once there is one; undefined when bwrap ended without. */
  init: Promise<number | undefined>;
  /** Resolves when the launcher waits for its command, or will never do so. */
  ready: Promise<void>;
  /** Gives the launcher its command, once; it may not be ready yet. */
  hand(command: string): void;
  /** Resolves when bwrap has ended and all that it and the command said has been read. */
  ended: Promise<SpawnEnd>;
}

export interface SpawnEnd {
  /** bwrap's own. */
  code: number | null;
  signal: string | null;
  /** The launcher has read its command to the end. Otherwise no part of it has run. */
  launched: boolean;
  /** What the command ended with; undefined when the sandbox never started it or was killed. */
  exitCode: number | undefined;
}

/**
 * Starts one bwrap. It gets an almost empty environment, no directory of ours, and its options
 * through a pipe. Rejects when it cannot be started at all; everything later is in `ended`.
 */
export async function spawnSandbox(request: SpawnRequest): Promise<SpawnedSandbox> {
  // The kernel kills the sandbox when the thread that spawned it ends, not the process.
  assert(isMainThread, "a sandbox is spawned from the main thread");
  const { stdout, stderr, status } = request;
  const argv = ["--args", String(argsFd), "--", launcher, ...request.launch];
  const bwrap = spawn(request.bwrap, argv, {
    cwd: "/",
    env: { PATH: "/usr/bin:/bin" },
    stdio: ["ignore", stdout.writeFd, stderr.writeFd, "pipe", "pipe", status.writeFd, "pipe"],
    ...(request.owner ?? {}),
  });
  if (bwrap.pid === undefined) throw (await once(bwrap, "error"))[0];
  const pid = bwrap.pid;
  for (const pipe of [stdout, stderr, status]) pipe.handOver();
  const [, , , seccomp, args, , talk] = bwrap.stdio as unknown as [
    null,
    null,
    null,
    Writable,
    Writable,
    null,
    Duplex,
  ];
  const exited = once(bwrap, "close") as Promise<[number | null, string | null]>;
  const allSaid = Promise.all([stdout.closed, stderr.closed]);
  const { init, exitCode } = readStatus(status);
  const { ready, launched } = readWords(talk);
  const ended = exited.then(async ([code, signal]) => {
    await allSaid;
    return { code, signal, launched: await launched, exitCode: await exitCode };
  });
  // A bwrap that ends early closes its ends of the pipes; what that means is in `ended`.
  for (const stream of [seccomp, args, talk]) stream.on("error", () => stream.destroy());
  try {
    await request.join(pid);
  } catch (error) {
    // One that has already ended has nothing to say in a group; why it ended is in `ended`.
    const isGone = error instanceof Error && "code" in error && error.code === "ESRCH";
    if (!isGone) {
      bwrap.kill("SIGKILL");
      for (const pipe of [stdout, stderr]) pipe.drain();
      await ended;
      throw error;
    }
  }
  seccomp.end(request.seccomp);
  args.end(`${request.args.join("\0")}\0`);
  return { bwrap, init, ended, ready, hand: (command) => talk.end(commandFrame(command)) };
}

/**
 * bwrap says the pid of its child when there is one, and an exit code only when the launcher was
 * really started.
 */
function readStatus(pipe: OutputPipe) {
  let settle: (pid: number | undefined) => void = () => undefined;
  const init = new Promise<number | undefined>((resolve) => {
    settle = resolve;
  });
  let text = "";
  let exitCode: number | undefined;
  pipe.listen((chunk) => {
    text += chunk.toString("latin1");
    const lines = text.split("\n");
    text = lines.pop() ?? "";
    for (const line of lines) {
      const status = JSON.parse(line) as { "child-pid"?: number; "exit-code"?: number };
      if (status["child-pid"] !== undefined) settle(status["child-pid"]);
      exitCode ??= status["exit-code"];
    }
  });
  return {
    init,
    exitCode: pipe.closed.then(() => {
      settle(undefined);
      return exitCode;
    }),
  };
}

/** The launcher says two words: that it waits, and that it has its command. */
function readWords(stream: Duplex): { ready: Promise<void>; launched: Promise<boolean> } {
  const settle = Promise.withResolvers<void>();
  let text = "";
  stream.on("data", (chunk: Buffer) => {
    // Nothing else can write here, and if it could it would not fill our memory.
    if (text.length < 100) text += chunk.toString("latin1");
    settle.resolve();
  });
  const launched = new Promise<boolean>((resolve) => {
    stream.once("close", () => {
      settle.resolve();
      resolve(text === "ready\nstarted\n");
    });
  });
  return { ready: settle.promise, launched };
}
