import type { Writable } from "node:stream";
import type { Owner } from "../base/tree.ts";
import { commandFrame } from "./frame.ts";
import type { OutputPipe } from "./pipes.ts";
import type { Starter } from "./starters.ts";

/** The descriptors of one bwrap (see `starter-script.ts`). 6 and 7 reach the launcher, which closes them before the command starts. */
export const seccompFd = 3;
export const statusFd = 5;

export interface SpawnRequest {
  args: readonly string[];
  seccomp: Buffer;
  /** Of the launcher: block limit, process limit. */
  launch: readonly string[];
  owner: Owner | undefined;
}

export interface SpawnedSandbox {
  /** bwrap's own, or of what it was before. */
  pid: number;
  kill(): void;
  /** Host pid of pid 1 of the namespace, once there is one; undefined when bwrap ended without. */
  init: Promise<number | undefined>;
  /** Resolves when the launcher waits for its command, or will never do so. */
  ready: Promise<void>;
  /** What is read by the launcher. */
  hear: Writable;
  /** Gives the launcher its command, once, with the secrets of its environment; it may not be ready yet. */
  hand(command: string, secrets?: Readonly<Record<string, string>>): void;
  /** Resolves when bwrap has ended, with its exit code as a shell tells it; null when nobody told. */
  exited: Promise<number | null>;
  hasExited(): boolean;
  /** Resolves when bwrap has ended and all that it and the command said has been read. */
  ended: Promise<SpawnEnd>;
}

export interface SpawnEnd {
  /** bwrap's own. */
  code: number | null;
  /** The launcher has read its command to the end. Otherwise no part of it has run. */
  launched: boolean;
  /** What the command ended with; undefined when the sandbox never started it or was killed. */
  exitCode: number | undefined;
}

/**
 * Makes a starter one bwrap. It gets an almost empty environment, no directory of ours, and its options through a pipe.
 * That it cannot be started at all is in `ended`, as everything else.
 */
export function spawnSandbox(starter: Starter, request: SpawnRequest): SpawnedSandbox {
  const { stdout, stderr, status, say, hear, pid } = starter;
  const { init, exitCode } = readStatus(status);
  const { ready, launched } = readWords(say);
  let isOver = false;
  const exited = starter.over.finally(() => {
    isOver = true;
  });
  const allSaid = Promise.all([stdout.closed, stderr.closed]);
  const ended = exited.then(async (code) => {
    await allSaid;
    return { code, launched: await launched, exitCode: await exitCode };
  });
  starter.become(request.owner, request.launch);
  starter.seccomp.end(request.seccomp);
  starter.args.end(`${request.args.join("\0")}\0`);
  const hand: SpawnedSandbox["hand"] = (command, secrets) =>
    void hear.end(commandFrame(command, secrets));
  const kill = () => starter.kill();
  return { pid, kill, init, exited, hasExited: () => isOver, ended, ready, hear, hand };
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
function readWords(pipe: OutputPipe): { ready: Promise<void>; launched: Promise<boolean> } {
  const settle = Promise.withResolvers<void>();
  let text = "";
  pipe.listen((chunk) => {
    // Nothing else can write here, and if it could it would not fill our memory.
    if (text.length < 100) text += chunk.toString("latin1");
    settle.resolve();
  });
  const launched = pipe.closed.then(() => {
    settle.resolve();
    return text === "ready\nstarted\n";
  });
  return { ready: settle.promise, launched };
}
