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
import { rm } from "node:fs/promises";
import { Socket } from "node:net";
import { basename, join } from "node:path";
import type { Writable } from "node:stream";
import { promisify } from "node:util";
import type { Owner } from "../base/tree.ts";
import { Problem } from "../contract/problem.ts";

const run = promisify(execFile);

/** The reading end of a pipe. */
export interface OutputPipe {
  /**
   * Calls back with what is said, from the first byte on; nothing is read before somebody listens. The bytes are
   * valid only during the call: a flood goes through one buffer and leaves no garbage.
   */
  listen(onBytes: (bytes: Buffer) => void): void;
  /** Lets go of what is said from now on, unless somebody listens. */
  drain(): void;
  /** Resolves once the last writer has gone and all that it said was heard. */
  closed: Promise<void>;
}

/** What is said by one sandbox, and what it is told: descriptors of its starter (see `starter-script.ts`). */
const spoken = ["stdout", "stderr", "status", "say"] as const;
const told = ["seccomp", "args", "hear"] as const;

/** The pipes of one sandbox, which are used by one at a time. */
export type SlotPipes = Record<(typeof spoken)[number], OutputPipe> & {
  /** Gives the two that the command may open by name to the uid of its run, and nobody else. */
  give(owner: Owner | undefined): void;
  /**
   * Closes the gateway's own copies of the other ends, once the starter has its own: a reader ends with the last writer.
   */
  handOver(): Record<(typeof told)[number], Writable>;
  /** Closes them, once no process of the sandbox is left. */
  close(): void;
};

export interface SandboxPipes {
  /** Makes the pipes of one sandbox at a time, and answers with their directory. */
  make(): Promise<string>;
  /** Opens the gateway's ends. */
  open(directory: string): SlotPipes;
  /** Removes pipes that nobody opens any more. */
  remove(directory: string): Promise<void>;
  /** Removes what an earlier gateway on the same data directory left behind. */
  sweep(): void;
  close(): void;
}

/**
 * Pipes to and from sandboxes. Node's own are sockets, and a socket cannot be opened as `/dev/stdout`, which half of all
 * scripts do, nor by name, which a starter does; so these are FIFOs below the data directory, where nobody else can pass.
 * They are used again and again.
 */
export function openSandboxPipes(dataDir: string): SandboxPipes {
  // A directory for each opening: doctor may look at a data directory whose gateway is running.
  const directory = join(dataDir, "pipes", randomUUID());
  return {
    make: () => makeSlot(join(directory, randomUUID())),
    open: openSlot,
    remove: (slot) => rm(slot, { recursive: true, force: true }),
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

const { O_RDONLY, O_WRONLY, O_RDWR, O_NONBLOCK } = constants;

function openSlot(path: string): SlotPipes {
  // Its last user may have changed the mode, and it must be openable for the next one, and nobody else.
  for (const name of ["stdout", "stderr"]) chmodSync(join(path, name), 0o600);
  const standIns: number[] = [];
  const streams: { destroy(): unknown }[] = [];
  const read = (name: (typeof spoken)[number]): OutputPipe => {
    // The reader first: a writer would wait for it. Only the reader may be non-blocking, the command must not be.
    const { destroy, ...reader } = openReader(openSync(join(path, name), O_RDONLY | O_NONBLOCK));
    streams.push({ destroy });
    standIns.push(openSync(join(path, name), O_WRONLY));
    return reader;
  };
  const [stdout, stderr, status, say] = [
    read("stdout"),
    read("stderr"),
    read("status"),
    read("say"),
  ];
  // Both ends, so that a starter that opens one does not wait for the other.
  for (const name of told) standIns.push(openSync(join(path, name), O_RDWR | O_NONBLOCK));
  const letGo = () => {
    for (const fd of standIns.splice(0)) closeSync(fd);
  };
  const write = (name: (typeof told)[number]): Writable => {
    const fd = openSync(join(path, name), O_WRONLY | O_NONBLOCK);
    const socket = new Socket({ fd, readable: false, writable: true });
    // One that ends early closes its ends of the pipes; what that means is in how it ended.
    socket.on("error", () => socket.destroy());
    streams.push(socket);
    return socket;
  };
  return {
    ...{ stdout, stderr, status, say },
    give(owner) {
      if (owner === undefined) return;
      for (const name of ["stdout", "stderr"]) chownSync(join(path, name), owner.uid, owner.gid);
    },
    handOver() {
      const [seccomp, args, hear] = [write("seccomp"), write("args"), write("hear")];
      letGo();
      return { seccomp, args, hear };
    },
    close() {
      letGo();
      for (const stream of streams) stream.destroy();
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

async function makeSlot(directory: string): Promise<string> {
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  const names = [...spoken, ...told].map((name) => join(directory, name));
  try {
    const options = { env: { PATH: "/usr/bin:/bin" }, cwd: "/" };
    await run("mkfifo", ["-m", "600", "--", ...names], options);
  } catch (error) {
    throw new Problem(
      "sandbox_unavailable",
      `Cannot make a pipe in ${JSON.stringify(directory)}: ${String(error)}. The data directory ` +
        "must be on a Linux filesystem, and mkfifo (coreutils) must be installed",
      undefined,
      { cause: error },
    );
  }
  return directory;
}
