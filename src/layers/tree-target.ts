/** The entries of an archive, made as files below one directory and nowhere else. */
import { createHash, hash } from "node:crypto";
import {
  closeSync,
  constants,
  fchmodSync,
  mkdirSync,
  openSync,
  symlinkSync,
  write,
  writeSync,
} from "node:fs";
import { promisify } from "node:util";
import { at, openDirectoryBelow, openRoot, TreeError } from "../base/below.ts";
import type { LayerEntry } from "./layer-entry.ts";
import { EntryRefused, type TarTarget } from "./tar-read.ts";

const writeBytes = promisify(write);
const { O_WRONLY, O_CREAT, O_EXCL, O_NOFOLLOW } = constants;

/** A directory that is being filled; `entries` is what has been put there. */
export interface TreeTarget extends TarTarget {
  entries: LayerEntry[];
  close(): void;
}

/**
 * Makes entries below `root`, an empty directory that only the gateway can reach. Each name is made by descriptor, never
 * through a link and never over what is there: a path that was given before, whose directory was not, or whose directory
 * is a symlink or a file, is an `EntryRefused`. Only whether a file can be run is taken from its mode. Nothing is synced.
 */
export function openTreeTarget(root: string): TreeTarget {
  const rootFd = openRoot(root);
  const entries: LayerEntry[] = [];
  let parent = { path: Buffer.alloc(0), fd: openDirectoryBelow(rootFd, "") };

  /** Archives list the files of a directory together, so the last directory is mostly the next one too. */
  function parentOf(path: Buffer): number {
    const wanted = path.subarray(0, Math.max(0, path.lastIndexOf(0x2f)));
    if (!wanted.equals(parent.path)) {
      const fd = openDirectoryBelow(rootFd, wanted);
      closeSync(parent.fd);
      parent = { path: Buffer.from(wanted), fd };
    }
    return parent.fd;
  }

  function place<T>(path: Buffer, make: (name: Buffer) => T): T {
    const name = path.subarray(path.lastIndexOf(0x2f) + 1);
    try {
      return make(at(parentOf(path), name));
    } catch (error) {
      throw asRefusal(error);
    }
  }

  /** Copies what is kept: it lies in a chunk of the archive, which would be kept whole with it. */
  function keep(path: Buffer, type: LayerEntry["type"], more: Partial<LayerEntry>): void {
    const none = { executable: false, size: 0, sha256: null, target: null };
    entries.push({ path: Buffer.from(path), type, ...none, ...more });
  }

  return {
    entries,
    directory(path) {
      place(path, (name) => mkdirSync(name, 0o700));
      keep(path, "directory", {});
    },
    symlink(path, target) {
      place(path, (name) => symlinkSync(target, name));
      const sha256 = hash("sha256", target, "hex");
      keep(path, "symlink", { target: Buffer.from(target), sha256 });
    },
    file(path, executable) {
      const flags = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW;
      const fd = place(path, (name) => openSync(name, flags, 0o600));
      if (executable) fchmodSync(fd, 0o700);
      const content = createHash("sha256");
      let size = 0;
      return {
        async write(piece) {
          content.update(piece);
          size += piece.length;
          for (let done = 0; done < piece.length; ) done += await writeSome(fd, piece, done);
        },
        done() {
          closeSync(fd);
          keep(path, "file", { executable, size, sha256: content.digest("hex") });
        },
      };
    },
    close() {
      closeSync(parent.fd);
      closeSync(rootFd);
    },
  };
}

/** Below this a write is done before another thread would have begun with it. */
const smallBytes = 8 * 1024;

/** A disk that is busy lets a writer wait, which must not be the thread that everybody waits for. */
async function writeSome(fd: number, piece: Buffer, from: number): Promise<number> {
  if (piece.length - from < smallBytes) return writeSync(fd, piece, from);
  const { bytesWritten } = await writeBytes(fd, piece, from, piece.length - from, null);
  return bytesWritten;
}

function asRefusal(error: unknown): unknown {
  if (error instanceof TreeError) {
    const reason = "a path whose directory is no directory that came before it";
    return new EntryRefused(reason, { cause: error });
  }
  if (error instanceof Error && "code" in error && error.code === "EEXIST") {
    return new EntryRefused("a path twice", { cause: error });
  }
  return error;
}
