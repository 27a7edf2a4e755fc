import { closeSync, fstatSync, readSync } from "node:fs";
import { openDirectoryBelow, openFileBelow, openRoot, TreeError } from "./below.ts";

/**
 * The bytes of a file in a tree that untrusted code has written, reached by descriptor: it may have put links anywhere.
 * `gone` when there is no such file or a link is on the way, `too_large` when it has more than `maxBytes`. Only while
 * nothing of the run is running.
 */
export function readBelow(
  root: string,
  path: Buffer,
  maxBytes: number,
): Buffer | "gone" | "too_large" {
  const at = path.lastIndexOf("/");
  const name = path.subarray(at + 1);
  const rootFd = openRoot(root);
  try {
    const directory = openDirectoryBelow(rootFd, path.subarray(0, Math.max(0, at)));
    try {
      return readAll(openFileBelow(directory, name), maxBytes);
    } finally {
      closeSync(directory);
    }
  } catch (error) {
    if (error instanceof TreeError) return "gone";
    throw error;
  } finally {
    closeSync(rootFd);
  }
}

function readAll(fd: number, maxBytes: number): Buffer | "too_large" {
  try {
    const { size } = fstatSync(fd);
    if (size > maxBytes) return "too_large";
    const whole = Buffer.alloc(size);
    let at = 0;
    for (let read = -1; read !== 0 && at < size; at += read) {
      read = readSync(fd, whole, at, size - at, at);
    }
    return whole.subarray(0, at);
  } finally {
    closeSync(fd);
  }
}
