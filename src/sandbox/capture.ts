import type { StreamCapture } from "./sandbox.ts";

const tailBytes = 64 * 1024;
const headBytesFirst = 4 * 1024;

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
 * byte offset in the stream. What is added is copied, so that a flood makes no garbage.
 */
export function openCapture(options: CaptureOptions) {
  const { keptBytes } = options;
  let head = Buffer.alloc(0);
  let headHeld = 0;
  const tail = openTail();
  let totalBytes = 0;
  let flooded = false;
  let pending = Buffer.alloc(0);

  function addHead(bytes: Buffer): void {
    if (headHeld + bytes.length > head.length) {
      const wanted = Math.max(headBytesFirst, 2 * head.length, headHeld + bytes.length);
      const larger = Buffer.allocUnsafeSlow(Math.min(keptBytes, wanted));
      head.copy(larger, 0, 0, headHeld);
      head = larger;
    }
    bytes.copy(head, headHeld);
    headHeld += bytes.length;
  }

  function say(bytes: Buffer): void {
    if (options.onText === undefined) return;
    const all = pending.length === 0 ? bytes : Buffer.concat([pending, bytes]);
    const end = all.length - unfinishedBytes(all);
    pending = Buffer.from(all.subarray(end));
    if (end > 0) options.onText(headHeld - all.length, all.toString("utf8", 0, end));
  }

  return {
    add(chunk: Buffer): void {
      totalBytes += chunk.length;
      const kept = chunk.subarray(0, keptBytes - headHeld);
      if (kept.length > 0) {
        addHead(kept);
        say(kept);
      }
      if (kept.length < chunk.length) tail.add(chunk.subarray(kept.length));
      if (totalBytes > options.killedBytes && !flooded) {
        flooded = true;
        options.onFlood();
      }
    },
    finish(): StreamCapture {
      if (pending.length > 0) {
        options.onText?.(headHeld - pending.length, pending.toString("utf8"));
        pending = Buffer.alloc(0);
      }
      return { kept: head.subarray(0, headHeld), tail: tail.last(), totalBytes };
    },
  };
}

/** The last bytes of a stream, in a ring that is made when the first of them comes. */
function openTail() {
  let ring: Buffer | undefined;
  let at = 0;
  let isFull = false;
  return {
    add(bytes: Buffer): void {
      ring ??= Buffer.allocUnsafeSlow(tailBytes);
      const last = bytes.subarray(-tailBytes);
      const first = last.copy(ring, at);
      const rest = last.copy(ring, 0, first);
      isFull ||= rest > 0 || at + first === tailBytes;
      at = (at + last.length) % tailBytes;
    },
    last(): Buffer {
      if (ring === undefined) return Buffer.alloc(0);
      if (!isFull) return ring.subarray(0, at);
      return Buffer.concat([ring.subarray(at), ring.subarray(0, at)]);
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
