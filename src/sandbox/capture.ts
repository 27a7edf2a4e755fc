import type { StreamCapture } from "./sandbox.ts";

const tailBytes = 64 * 1024;

export interface CaptureOptions {
  keptBytes: number;
  killedBytes: number;
  /** Called once, when more than `killedBytes` came. */
  onFlood: () => void;
  onText: ((offset: number, text: string) => void) | undefined;
}

/**
 * Collects one output stream in bounded memory: the head up to `keptBytes`, the last 64 KiB beyond
 * it, and a count. `onText` gets the head live, cut only between characters, each piece with its
 * byte offset in the stream.
 */
export function openCapture(options: CaptureOptions) {
  const head: Buffer[] = [];
  let headBytes = 0;
  let tail: Buffer[] = [];
  let tailHeld = 0;
  let totalBytes = 0;
  let flooded = false;
  let pending = Buffer.alloc(0);

  function addTail(bytes: Buffer): void {
    tail.push(bytes);
    tailHeld += bytes.length;
    // Joined now and then only, so that a flood costs one copy for every 64 KiB and not one for
    // every chunk.
    if (tailHeld > 2 * tailBytes) {
      // A copy: a view would hold on to the whole joined buffer.
      tail = [Buffer.from(Buffer.concat(tail).subarray(-tailBytes))];
      tailHeld = tailBytes;
    }
  }

  function say(bytes: Buffer): void {
    if (options.onText === undefined) return;
    const all = pending.length === 0 ? bytes : Buffer.concat([pending, bytes]);
    const end = all.length - unfinishedBytes(all);
    pending = Buffer.from(all.subarray(end));
    if (end > 0) options.onText(headBytes - all.length, all.toString("utf8", 0, end));
  }

  return {
    add(chunk: Buffer): void {
      totalBytes += chunk.length;
      const kept = chunk.subarray(0, options.keptBytes - headBytes);
      if (kept.length > 0) {
        head.push(kept);
        headBytes += kept.length;
        say(kept);
      }
      if (kept.length < chunk.length) addTail(chunk.subarray(kept.length));
      if (totalBytes > options.killedBytes && !flooded) {
        flooded = true;
        options.onFlood();
      }
    },
    finish(): StreamCapture {
      if (pending.length > 0) {
        options.onText?.(headBytes - pending.length, pending.toString("utf8"));
        pending = Buffer.alloc(0);
      }
      const kept = Buffer.concat(head);
      return { kept, tail: Buffer.concat(tail).subarray(-tailBytes), totalBytes };
    },
  };
}

/** How many bytes at the end begin a UTF-8 character that is not complete yet. */
function unfinishedBytes(bytes: Buffer): number {
  for (let back = 1; back <= Math.min(3, bytes.length); back++) {
    const byte = bytes[bytes.length - back] ?? 0;
    if (byte < 0x80) return 0;
    if (byte < 0xc0) continue;
    const wanted = byte >= 0xf0 ? 4 : byte >= 0xe0 ? 3 : 2;
    return back < wanted ? back : 0;
  }
  return 0;
}
