import { createHash, hash } from "node:crypto";
import { readSync } from "node:fs";

/** What a file is, in hex. */
export interface Hashed {
  size: number;
  sha256: string;
}

/** Reads an open file to its end through `buffer`; one that fits into it takes a single read. */
export function hashWhole(fd: number, buffer: Buffer): Hashed {
  let read = readSync(fd, buffer, 0, buffer.length, 0);
  if (read < buffer.length) {
    return { size: read, sha256: hash("sha256", buffer.subarray(0, read), "hex") };
  }
  const whole = createHash("sha256");
  let size = 0;
  while (read > 0) {
    whole.update(buffer.subarray(0, read));
    size += read;
    read = readSync(fd, buffer, 0, buffer.length, size);
  }
  return { size, sha256: whole.digest("hex") };
}
