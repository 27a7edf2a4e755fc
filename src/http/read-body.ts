import type { Clock } from "../base/clock.ts";
import { limits } from "../base/limits.ts";
import { Problem } from "../contract/problem.ts";
import type { FrontLimits } from "./front.ts";
import { parseStrictJson } from "./strict-json.ts";

/** How long to wait for a body: a client that sends nothing for so long has gone, and only keeps its memory here. */
export interface Patience {
  clock: Clock;
  limits: Pick<FrontLimits, "bodyIdleMs">;
}
/** Far above any honest request (1,000 files of six members), far below what hurts. */
const jsonValuesMax = 200_000;

const jsonType = /^application\/json\s*(?:;\s*charset\s*=\s*"?utf-8"?\s*)?$/i;

/** Reads a JSON body. Throws `unsupported_media_type`, `payload_too_large` or `invalid_request`. */
export async function readJsonBody(request: Request, patience: Patience): Promise<unknown> {
  refuseEncoding(request);
  refuseOtherThanJson(request);
  return parseJson(await readWhole(request, patience));
}

/** The same, where no body at all, with a media type or without one, is an empty object. */
export async function readOptionalJsonBody(request: Request, patience: Patience): Promise<unknown> {
  refuseEncoding(request);
  if (request.headers.get("content-type") !== null) refuseOtherThanJson(request);
  const bytes = await readWhole(request, patience);
  if (bytes.length === 0) return {};
  refuseOtherThanJson(request);
  return parseJson(bytes);
}

function refuseOtherThanJson(request: Request): void {
  const type = request.headers.get("content-type");
  if (type !== null && jsonType.test(type.trim())) return;
  throw new Problem(
    "unsupported_media_type",
    `Cannot read a body of type ${quoted(type)}: expected application/json`,
  );
}

async function readWhole(request: Request, patience: Patience): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of bodyChunks(request, limits.requestJsonBytes, patience))
    chunks.push(chunk);
  return Buffer.concat(chunks);
}

/** Parses the bytes of a JSON body or part. */
export function parseJson(bytes: Uint8Array): unknown {
  if (bytes.length === 0) {
    throw new Problem("invalid_request", "The JSON text is empty: expected one JSON value");
  }
  return parseStrictJson(bytes, { depth: limits.requestJsonDepth, values: jsonValuesMax });
}

/** A compressed body could be a thousand times larger than the cap that was checked. */
export function refuseEncoding(request: Request): void {
  const encoding = request.headers.get("content-encoding");
  if (encoding !== null && encoding.trim().toLowerCase() !== "identity") {
    throw new Problem(
      "unsupported_media_type",
      `Cannot read a body with Content-Encoding ${quoted(encoding)}: send it as it is`,
    );
  }
}

/**
 * The body's chunks, counted as they come, because a chunked body announces no length. The stream is left alone when
 * reading stops early: cancelling it would cut the connection before the answer is out.
 */
export async function* bodyChunks(
  request: Request,
  maxBytes: number,
  patience: Patience,
): AsyncGenerator<Uint8Array> {
  const announced = Number(request.headers.get("content-length") ?? 0);
  if (announced > maxBytes) throw tooLarge(maxBytes);
  if (request.body === null) return;
  const reader = request.body.getReader();
  let bytes = 0;
  for (;;) {
    const { done, value } = await readInTime(reader, patience);
    if (done) return;
    bytes += value.length;
    if (bytes > maxBytes) throw tooLarge(maxBytes);
    yield value;
  }
}

async function readInTime(
  reader: ReadableStreamDefaultReader<Uint8Array>,
  { clock, limits: { bodyIdleMs } }: Patience,
) {
  const late = new AbortController();
  const idle = clock.sleep(bodyIdleMs, late.signal).then(
    () => "idle" as const,
    () => "stopped" as const,
  );
  try {
    const result = await Promise.race([reader.read(), idle]);
    if (result === "idle" || result === "stopped") {
      throw new Problem("invalid_request", `No byte of the body came for ${bodyIdleMs / 1000} s`);
    }
    return result;
  } catch (error) {
    if (error instanceof Problem) throw error;
    throw new Problem("invalid_request", "The body ended before it was complete", undefined, {
      cause: error,
    });
  } finally {
    late.abort();
  }
}

function tooLarge(maxBytes: number): Problem {
  return new Problem("payload_too_large", `The body is larger than ${maxBytes} bytes`, {
    maxBytes,
  });
}

function quoted(text: string | null): string {
  return text === null ? "(none)" : JSON.stringify(text.slice(0, 100));
}
