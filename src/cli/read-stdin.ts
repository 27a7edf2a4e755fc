import type { Readable } from "node:stream";
import { usage } from "./exit.ts";

/** All of stdin. Throws a usage error when there is more than `bytesMax`: what comes in may have no end. */
export async function readStdin(stdin: Readable, bytesMax: number): Promise<Buffer> {
  const parts: Buffer[] = [];
  let bytes = 0;
  for await (const part of stdin) {
    const chunk = Buffer.from(part as Uint8Array | string);
    bytes += chunk.length;
    if (bytes > bytesMax) throw usage(`Stdin holds more than ${bytesMax} bytes`);
    parts.push(chunk);
  }
  return Buffer.concat(parts);
}
