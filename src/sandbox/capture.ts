import type { OutputCleaner, StreamCapture } from "./sandbox.ts";

const tailBytes = 64 * 1024;
const headBytesFirst = 4 * 1024;
/** No spelling of a secret is longer: the largest has 64 KiB, and an escape for each byte of it less than 8. */
const spellingBytes = 8 * 64 * 1024;

export interface CaptureOptions {
  keptBytes: number;
  killedBytes: number;
  /** Called once, when more than `killedBytes` came. */
  onFlood: () => void;
  onText: ((offset: number, text: string) => void) | undefined;
  /** Cuts out what nobody may see, before it is kept or shown. */
  cleaner?: (() => OutputCleaner) | undefined;
}

/**
 * Collects one output stream in bounded memory: the head up to `keptBytes`, the last 64 KiB beyond
 * it, and a count. `onText` gets the head live, cut only between characters, each piece with its
 * byte offset in the stream. What is added is copied, so that a flood makes no garbage.
 *
 * With a cleaner all of this is about what it leaves. What is neither head nor tail is not looked
 * through, because that costs more than the flood: there the count is that of the bytes that came.
 */
export function openCapture(options: CaptureOptions) {
  const { keptBytes } = options;
  const head = openHead(keptBytes);
  const cleaner = options.cleaner?.();
  const tail = openTail(cleaner === undefined ? tailBytes : spellingBytes + tailBytes);
  /** What the cleaner has left behind the head, in one piece. */
  let behind = Buffer.alloc(0);
  let cameBytes = 0;
  let flooded = false;
  let pending = Buffer.alloc(0);

  function say(bytes: Buffer): void {
    if (options.onText === undefined) return;
    const all = pending.length === 0 ? bytes : Buffer.concat([pending, bytes]);
    const end = all.length - unfinishedBytes(all);
    pending = Buffer.from(all.subarray(end));
    if (end > 0) options.onText(head.held() - all.length, all.toString("utf8", 0, end));
  }

  /** Returns what was too much for the head. */
  function addHead(bytes: Buffer): Buffer {
    const kept = bytes.subarray(0, keptBytes - head.held());
    if (kept.length > 0) {
      head.add(kept);
      say(kept);
    }
    return bytes.subarray(kept.length);
  }

  /** The end of the stream behind a head that is full, and how long all of it is. */
  function finishTail(): { tail: Buffer; bytes: number } {
    const last = tail.last();
    if (options.cleaner === undefined || cleaner === undefined) {
      return { tail: last, bytes: tail.totalBytes() };
    }
    if (tail.totalBytes() === last.length) {
      const rest = [behind, cleaner.push(last), cleaner.end()];
      const all = Buffer.concat(rest);
      return { tail: all.subarray(-tailBytes), bytes: all.length };
    }
    // It may begin in the middle of a secret, whose rest is in what is left out.
    const other = options.cleaner();
    other.push(last.subarray(0, spellingBytes));
    const cleaned = Buffer.concat([other.push(last.subarray(spellingBytes)), other.end()]);
    // What was held back when the head was full is between head and tail, too.
    const between = behind.length + cleaner.end().length;
    return { tail: cleaned.subarray(-tailBytes), bytes: between + tail.totalBytes() };
  }

  return {
    add(chunk: Buffer): void {
      cameBytes += chunk.length;
      if (head.held() === keptBytes) tail.add(chunk);
      else if (cleaner === undefined) tail.add(addHead(chunk));
      else behind = Buffer.from(addHead(bufferOf(cleaner.push(chunk))));
      if (cameBytes > options.killedBytes && !flooded) {
        flooded = true;
        options.onFlood();
      }
    },
    finish(): StreamCapture {
      if (cleaner !== undefined && head.held() < keptBytes) {
        // Also of a command that was killed: one that wants to show the beginning of a secret can just print it.
        behind = Buffer.from(addHead(bufferOf(cleaner.end())));
        const ended = behind.subarray(-tailBytes);
        return { ...finishHead(), tail: ended, totalBytes: head.held() + behind.length };
      }
      const rest = finishTail();
      return { ...finishHead(), tail: rest.tail, totalBytes: head.held() + rest.bytes };
    },
  };

  function finishHead(): { kept: Buffer } {
    if (pending.length > 0) {
      options.onText?.(head.held() - pending.length, pending.toString("utf8"));
      pending = Buffer.alloc(0);
    }
    return { kept: head.all() };
  }
}

function bufferOf(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/** The first bytes of a stream, in a buffer that grows with them. */
function openHead(keptBytes: number) {
  let head = Buffer.alloc(0);
  let held = 0;
  return {
    held: () => held,
    all: () => head.subarray(0, held),
    add(bytes: Buffer): void {
      if (held + bytes.length > head.length) {
        const wanted = Math.max(headBytesFirst, 2 * head.length, held + bytes.length);
        const larger = Buffer.allocUnsafeSlow(Math.min(keptBytes, wanted));
        head.copy(larger, 0, 0, held);
        head = larger;
      }
      bytes.copy(head, held);
      held += bytes.length;
    },
  };
}

/** The last bytes of a stream, in a ring that is made when the first of them comes. */
function openTail(ringBytes: number) {
  let ring: Buffer | undefined;
  let at = 0;
  let isFull = false;
  let totalBytes = 0;
  return {
    totalBytes: () => totalBytes,
    add(bytes: Buffer): void {
      if (bytes.length === 0) return;
      totalBytes += bytes.length;
      ring ??= Buffer.allocUnsafeSlow(ringBytes);
      const last = bytes.subarray(-ringBytes);
      const first = last.copy(ring, at);
      const rest = last.copy(ring, 0, first);
      isFull ||= rest > 0 || at + first === ringBytes;
      at = (at + last.length) % ringBytes;
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
