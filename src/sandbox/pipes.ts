import { execFile } from "node:child_process";
import { randomUUID } from "node:crypto";
import {
  chmodSync,
  chownSync,
  closeSync,
  constants,
  mkdirSync,
  openSync,
  readdirSync,
  rmSync,
} from "node:fs";
import { Socket } from "node:net";
import { basename, join } from "node:path";
import type { Readable } from "node:stream";
import { promisify } from "node:util";
import type { Owner } from "../base/tree.ts";
import { Problem } from "../contract/problem.ts";

const run = promisify(execFile);

/** One real pipe: what a command writes into `writeFd` comes out of `reader`. */
export interface OutputPipe {
  reader: Readable;
  writeFd: number;
  /**
   * Closes the gateway's own writing end, once the command has its copy: the reader ends with the
   * last writer.
   */
  handOver(): void;
  /** Gives the pipe back, once no process of the command is left. */
  release(): void;
}

export interface OutputPipes {
  take(owner: Owner | undefined): Promise<OutputPipe>;
  /** Removes what an earlier gateway on the same data directory left behind. */
  sweep(): void;
  close(): void;
}

/**
 * Pipes for the output of commands. Node's own are sockets, and a socket cannot be opened as
 * `/dev/stdout`, which half of all scripts do; so these are FIFOs below the data directory, where
 * nobody else can pass, given to the uid of the command that uses them. They are made when needed
 * and used again.
 */
export function openOutputPipes(dataDir: string): OutputPipes {
  // A directory for each opening: doctor may look at a data directory whose gateway is running.
  const directory = join(dataDir, "pipes", randomUUID());
  const free: string[] = [];
  return {
    async take(owner) {
      const path = free.pop() ?? (await makeFifo(directory));
      // Its last user may have changed the mode, and it must be openable for the next one, and
      // nobody else.
      chmodSync(path, 0o600);
      if (owner) chownSync(path, owner.uid, owner.gid);
      // The reader first: a writer would wait for it. Only the reader may be non-blocking, the
      // command must not be.
      const readFd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
      const writeFd = openSync(path, constants.O_WRONLY);
      const reader = new Socket({ fd: readFd, readable: true, writable: false });
      let isOpen = true;
      const handOver = () => {
        if (isOpen) closeSync(writeFd);
        isOpen = false;
      };
      return {
        ...{ reader, writeFd, handOver },
        release() {
          handOver();
          reader.destroy();
          free.push(path);
        },
      };
    },
    close() {
      rmSync(directory, { recursive: true, force: true });
    },
    sweep() {
      for (const name of readdirSync(join(dataDir, "pipes"))) {
        if (name === basename(directory)) continue;
        rmSync(join(dataDir, "pipes", name), { recursive: true, force: true });
      }
    },
  };
}

async function makeFifo(directory: string): Promise<string> {
  const path = join(directory, randomUUID());
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  try {
    await run("mkfifo", ["--", path], { env: { PATH: "/usr/bin:/bin" }, cwd: "/" });
  } catch (error) {
    throw new Problem(
      "sandbox_unavailable",
      `Cannot make a pipe in ${JSON.stringify(directory)}: ${String(error)}. The data directory ` +
        "must be on a Linux filesystem, and mkfifo (coreutils) must be installed",
      undefined,
      { cause: error },
    );
  }
  return path;
}
