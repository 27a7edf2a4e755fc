const lineFeed = 10;
const carriageReturn = 13;

/**
 * Line breaks in a row that are still looked through. Without a bound, whoever prints half a secret and then a gigabyte
 * of them would make a stream hold all of it back.
 */
export const lineBreaksMax = 16;

/** Bytes without their line breaks, but for those of more than 16 in a row, and where each byte stood. */
export interface Unbroken {
  /** The view is good until the next call. At most as many bytes as this was opened for. */
  read(bytes: Buffer): Buffer;
  /** Where a byte of the view stands in what was read last; for the place behind the last one, the end of that. */
  placeOf(place: number): number;
}

/**
 * Opens a view that is used again and again: making room for every piece takes longer than to fill it. Room is made when
 * the first line break is met.
 */
export function openUnbroken(bytesMax: number): Unbroken {
  let room = Buffer.alloc(0);
  /** Before which places breaks were left out, and how many up to there. */
  let gaps = new Uint32Array(0);
  let sums = new Uint32Array(0);
  let count = 0;
  return {
    read(bytes) {
      count = 0;
      if (!bytes.includes(lineFeed) && !bytes.includes(carriageReturn)) return bytes;
      const { length: end } = bytes;
      if (room.length < end) {
        room = Buffer.allocUnsafeSlow(bytesMax);
        gaps = new Uint32Array(bytesMax);
        sums = new Uint32Array(bytesMax);
      }
      let length = 0;
      let at = 0;
      for (;;) {
        const lineEnd = copyLine(bytes, at, room, length);
        length += lineEnd - at;
        at = lineEnd;
        if (at >= end) break;
        const run = runLength(bytes, at);
        if (run > lineBreaksMax) {
          room.set(bytes.subarray(at, at + run), length);
          length += run;
        } else {
          gaps[count] = length;
          sums[count] = (sums[count - 1] ?? 0) + run;
          count += 1;
        }
        at += run;
      }
      return room.subarray(0, length);
    },
    placeOf(place) {
      let low = 0;
      let high = count;
      while (low < high) {
        const middle = (low + high) >> 1;
        if ((gaps[middle] ?? 0) <= place) low = middle + 1;
        else high = middle;
      }
      return place + (low === 0 ? 0 : (sums[low - 1] ?? 0));
    },
  };
}

/** The same for bytes of any length. */
export function withoutLineBreaks(bytes: Buffer): Buffer {
  return openUnbroken(bytes.length).read(bytes);
}

/** Copies up to the next line break, and answers where that is. A function of its own, and so twice as fast. */
function copyLine(bytes: Buffer, from: number, room: Buffer, place: number): number {
  const { length } = bytes;
  let at = from;
  let to = place;
  while (at < length) {
    const byte = bytes[at] ?? 0;
    if (byte <= carriageReturn && (byte === lineFeed || byte === carriageReturn)) break;
    room[to] = byte;
    to += 1;
    at += 1;
  }
  return at;
}

function runLength(bytes: Buffer, from: number): number {
  let to = from;
  while (bytes[to] === lineFeed || bytes[to] === carriageReturn) to += 1;
  return to - from;
}
