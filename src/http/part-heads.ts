import { Problem } from "../contract/problem.ts";

/** Of one part's headers; a name and a type need a fraction of it. */
export const partHeadBytes = 8 * 1024;

const headEnd = Buffer.from("\r\n\r\n");

/** The boundary of a form. Throws `invalid_request` unless there is exactly one, of the characters that RFC 2046 has. */
export function readBoundary(contentType: string): string {
  const named = [...contentType.matchAll(/;\s*boundary\s*=\s*("[^"]*"|[^\s;]*)/gi)];
  const boundary = named[0]?.[1]?.replace(/^"(.*)"$/, "$1") ?? "";
  if (
    named.length !== 1 ||
    !/^[0-9A-Za-z'()+_,./:=? -]{0,69}[0-9A-Za-z'()+_,./:=?-]$/.test(boundary)
  ) {
    throw new Problem(
      "invalid_request",
      "Cannot read the multipart form: its Content-Type names no boundary",
    );
  }
  return boundary;
}

/** Looks on while a form is parsed. */
export interface PartHeads {
  /** Throws `invalid_request` once the headers of one part are too large. */
  see(chunk: Uint8Array): void;
  /** Throws `invalid_request` when the form had more parts than the parser gave names to, or no end. */
  checkEnd(named: number): void;
}

/**
 * Counts the parts of a form and measures their headers, beside the parser, which cuts headers that are too large and
 * drops parts without a proper name, both in silence: what a client sent would then be missing without a word.
 */
export function watchPartHeads(boundary: string): PartHeads {
  const delimiter = Buffer.from(`\r\n--${boundary}`);
  // The first delimiter may stand at the very start, without a line before it.
  let rest: Buffer = Buffer.from("\r\n");
  let inHead = false;
  let headBytes = 0;
  let parts = 0;
  let ended = false;

  /** Keeps what may be the start of `wanted`. */
  const keepTail = (bytes: Buffer, wanted: number) =>
    Buffer.from(bytes.subarray(Math.max(0, bytes.length - wanted + 1)));

  function headGrew(bytes: number): void {
    headBytes += bytes;
    if (headBytes <= partHeadBytes) return;
    throw new Problem(
      "invalid_request",
      `The headers of part ${parts} of the form are larger than ${partHeadBytes} bytes`,
      { maxBytes: partHeadBytes },
    );
  }

  return {
    see(chunk) {
      let bytes = Buffer.concat([rest, chunk]);
      while (!ended) {
        if (inHead) {
          const end = bytes.indexOf(headEnd);
          if (end === -1) {
            const kept = keepTail(bytes, headEnd.length);
            headGrew(bytes.length - kept.length);
            rest = kept;
            return;
          }
          headGrew(end);
          inHead = false;
          // An empty body's delimiter begins with the line end that closes the headers.
          bytes = bytes.subarray(end + 2);
          continue;
        }
        const found = bytes.indexOf(delimiter);
        const after = found + delimiter.length;
        if (found === -1 || bytes.length < after + 2) {
          rest =
            found === -1 ? keepTail(bytes, delimiter.length) : Buffer.from(bytes.subarray(found));
          return;
        }
        ended = bytes.toString("latin1", after, after + 2) === "--";
        if (!ended) {
          parts += 1;
          inHead = true;
          headBytes = 0;
        }
        bytes = bytes.subarray(after);
      }
    },
    checkEnd(named) {
      if (named === parts && ended) return;
      throw new Problem(
        "invalid_request",
        `The form has ${parts} parts of which ${named} have a proper Content-Disposition: form-data; name="…"`,
      );
    },
  };
}
