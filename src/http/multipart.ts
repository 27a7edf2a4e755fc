import { once } from "node:events";
import type { Readable } from "node:stream";
import { Busboy, type BusboyInstance } from "@fastify/busboy";
import { Problem } from "../contract/problem.ts";
import { type PartHeads, partHeadBytes, readBoundary, watchPartHeads } from "./part-heads.ts";
import { bodyChunks, type Patience, refuseEncoding } from "./read-body.ts";

/** What a form may have at most. */
export interface FormLimits {
  parts: number;
  /** Of the whole body. */
  bytes: number;
}

/**
 * Reads a multipart form and gives each part to `take`, one after the other, so at any moment a few socket buffers are in
 * memory, however large the form. Names of files are never looked at. Throws `invalid_request`, `payload_too_large` or what
 * `take` throws; `take` has settled when it does.
 */
export async function readParts(
  request: Request,
  limits: FormLimits,
  patience: Patience,
  take: (name: string | undefined, part: Readable) => Promise<void>,
): Promise<void> {
  refuseEncoding(request);
  const boundary = readBoundary(request.headers.get("content-type") ?? "");
  const busboy = openBusboy(boundary, limits);
  const heads = watchPartHeads(boundary);
  let named = 0;
  const open = new Set<Readable>();
  const failed = Promise.withResolvers<never>();
  let failure: { error: unknown } | undefined;
  const fail = (error: unknown) => {
    failure ??= { error };
    failed.reject(failure.error);
    for (const part of open) part.destroy();
  };
  /** What keeping a part failed of: a part that nobody takes any more may end with an error of its own before that is told. */
  let unkept: { error: unknown } | undefined;
  let work = Promise.resolve();
  busboy.on("file", (name: string | undefined, part: Readable) => {
    named += 1;
    open.add(part);
    part.on("error", (error) => fail(endedEarly(error)));
    if (failure) part.destroy();
    work = work
      .then(() => (failure ? undefined : take(name, part)))
      .catch((error: unknown) => {
        if (error instanceof Problem) unkept ??= { error };
        fail(error);
      })
      .finally(() => open.delete(part));
  });
  busboy.on("partsLimit", () => {
    fail(new Problem("invalid_request", `The form has more than ${limits.parts} parts`));
  });
  busboy.on("error", (error: unknown) => fail(endedEarly(error)));
  const pumped = pump(request, busboy, heads, limits.bytes, patience);
  pumped.catch(fail);
  try {
    await Promise.race([pumped, failed.promise]);
    await Promise.race([work, failed.promise]);
    heads.checkEnd(named);
  } catch (error) {
    await work;
    throw unkept ? unkept.error : error;
  } finally {
    // An upload that is still under way would go on writing after the answer.
    await work;
    busboy.destroy();
  }
}

function openBusboy(boundary: string, { parts }: FormLimits): BusboyInstance {
  return new Busboy({
    headers: { "content-type": `multipart/form-data; boundary="${boundary}"` },
    isPartAFile: () => true,
    limits: { parts, headerPairs: 16, headerSize: partHeadBytes },
  });
}

async function pump(
  request: Request,
  busboy: BusboyInstance,
  heads: PartHeads,
  maxBytes: number,
  patience: Patience,
): Promise<void> {
  const finished = once(busboy, "finish");
  // A failure before the end is reported by `error`; this keeps it from counting as unhandled until it is awaited.
  finished.catch(() => undefined);
  for await (const chunk of bodyChunks(request, maxBytes, patience)) {
    if (busboy.destroyed) return;
    heads.see(chunk);
    if (!busboy.write(chunk)) await once(busboy, "drain");
  }
  busboy.end();
  await finished;
}

/** The bytes of a part; more than there may be fail with `payload_too_large`. */
export async function* capped(part: Readable, maxBytes: number, name: string) {
  let bytes = 0;
  for await (const chunk of part as AsyncIterable<Uint8Array>) {
    bytes += chunk.length;
    if (bytes > maxBytes) {
      throw new Problem("payload_too_large", `The part ${name} is larger than ${maxBytes} bytes`, {
        maxBytes,
      });
    }
    yield chunk;
  }
}

/** How a name of a part is shown in an error. */
export function shownPart(name: string | undefined): string {
  return name === undefined ? "without a name" : JSON.stringify(name.slice(0, 100));
}

function endedEarly(cause: unknown): Problem {
  return new Problem(
    "invalid_request",
    "Cannot read the multipart form: it ends before its closing boundary, or its headers are malformed",
    undefined,
    { cause },
  );
}

const formType = /^multipart\/form-data\s*(;|$)/i;

export function isForm(contentType: string | undefined): boolean {
  return formType.test(contentType ?? "");
}
