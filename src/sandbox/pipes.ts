import { execFile } from "node:child_process";
import { randomUUID } from "node:crypto";
import { once } from "node:events";
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
import { promisify } from "node:util";
import type { Owner } from "../base/tree.ts";
import { Problem } from "../contract/problem.ts";

const run = promisify(execFile);

/** One real pipe: what a command writes into `writeFd` is heard by whoever listens. */
export interface OutputPipe {
  writeFd: number;
  /**
   * Calls back with what is said, from the first byte on; nothing is read before somebody listens. The bytes are
   * valid only during the call: a flood goes through one buffer and leaves no garbage.
   */
  listen(onBytes: (bytes: Buffer) => void): void;
  /** Lets go of what is said from now on, unless somebody listens. */
  drain(): void;
  /** Resolves once the last writer has gone and all that it said was heard. */
  closed: Promise<void>;
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
  /** One whose writer holds both ends, so that it can go on writing when the gateway is gone. */
  takeUnbroken(): Promise<OutputPipe>;
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
  async function take(owner: Owner | undefined, writing: number): Promise<OutputPipe> {
    const path = free.pop() ?? (await makeFifo(directory));
    // Its last user may have changed the mode, and it must be openable for the next one, and
    // nobody else.
    chmodSync(path, 0o600);
    if (owner) chownSync(path, owner.uid, owner.gid);
    // The reader first: a writer would wait for it. Only the reader may be non-blocking, the
    // command must not be.
    const readFd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
    const writeFd = openSync(path, writing);
    const { destroy, ...reader } = openReader(readFd);
    let isOpen = true;
    const handOver = () => {
      if (isOpen) closeSync(writeFd);
      isOpen = false;
    };
    return {
      ...reader,
      ...{ writeFd, handOver },
      release() {
        handOver();
        destroy();
        free.push(path);
      },
    };
  }
  return {
    take: (owner) => take(owner, constants.O_WRONLY),
    takeUnbroken: () => take(undefined, constants.O_RDWR),
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

/** As much as a pipe holds. */
const readBytes = 64 * 1024;

function openReader(fd: number) {
  let onBytes: ((bytes: Buffer) => void) | undefined;
  let early: Buffer | undefined;
  const reader = new Socket({
    ...{ fd, readable: true, writable: false },
    // In place of a new buffer for every piece, which would be garbage faster than it is collected.
    onread: {
      buffer: Buffer.allocUnsafeSlow(readBytes),
      callback(size, buffer) {
        const bytes = Buffer.from(buffer.buffer, buffer.byteOffset, size);
        if (onBytes === undefined) {
          // Reading begins by itself. Returning false ends it, so there is one such piece at most.
          early = Buffer.from(bytes);
          return false;
        }
        onBytes(bytes);
        return true;
      },
    },
  });
  const listen = (listener: (bytes: Buffer) => void) => {
    onBytes = listener;
    if (early !== undefined) listener(early);
    early = undefined;
    reader.resume();
  };
  return {
    listen,
    drain(): void {
      if (onBytes === undefined) listen(() => undefined);
    },
    closed: once(reader, "close").then(() => undefined),
    destroy: () => reader.destroy(),
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
