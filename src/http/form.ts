import { once } from "node:events";
import type { Readable } from "node:stream";
import { Busboy, type BusboyInstance } from "@fastify/busboy";
import type { z } from "zod";
import { limits } from "../base/limits.ts";
import { Problem } from "../contract/problem.ts";
import type { Corridor } from "../run/run.ts";
import { checked } from "./field-problems.ts";
import type { Ctx, Front } from "./front.ts";
import { type PartHeads, partHeadBytes, readBoundary, watchPartHeads } from "./part-heads.ts";
import { bodyChunks, type Patience, parseJson, readJsonBody, refuseEncoding } from "./read-body.ts";

/** What came as parts of their own, by slot, already stored. */
export type Uploads = Map<string, { sha256: string; bytes: number }>;

/** A submission whose files may come as parts. */
export interface WithFiles {
  files?: readonly { slot?: string | undefined }[] | undefined;
}

export interface Form<Submission extends WithFiles> {
  submission: Submission;
  uploads: Uploads;
}

const filePart = /^file:([A-Za-z0-9_-]{1,64})$/;

/**
 * Reads a multipart submission of the given schema. File parts go straight to the store, one after the other, so at any moment a few socket
 * buffers are in memory, however large the form. The part `submission` may come at any place. Names of files are never
 * looked at. Throws `invalid_request` or `payload_too_large`; nothing is being written any more when it does.
 */
async function readForm<Submission extends WithFiles>(
  request: Request,
  schema: z.ZodType<Submission>,
  corridor: Corridor,
  patience: Patience,
): Promise<Form<Submission>> {
  refuseEncoding(request);
  const boundary = readBoundary(request.headers.get("content-type") ?? "");
  const busboy = openBusboy(boundary);
  const heads = watchPartHeads(boundary);
  let named = 0;
  const found: Found<Submission> = { uploads: new Map() };
  const open = new Set<Readable>();
  const failed = Promise.withResolvers<never>();
  let failure: { error: unknown } | undefined;
  const fail = (error: unknown) => {
    failure ??= { error };
    failed.reject(failure.error);
    for (const part of open) part.destroy();
  };
  let work = Promise.resolve();
  busboy.on("file", (name: string | undefined, part: Readable) => {
    named += 1;
    open.add(part);
    part.on("error", (error) => fail(endedEarly(error)));
    if (failure) part.destroy();
    work = work
      .then(() => (failure ? undefined : takePart(name, part, { found, schema, corridor })))
      .catch(fail)
      .finally(() => open.delete(part));
  });
  busboy.on("partsLimit", () => {
    fail(new Problem("invalid_request", `The form has more than ${limits.inputFiles + 1} parts`));
  });
  busboy.on("error", (error: unknown) => fail(endedEarly(error)));
  const pumped = pump(request, busboy, heads, patience);
  pumped.catch(fail);
  try {
    await Promise.race([pumped, failed.promise]);
    await Promise.race([work, failed.promise]);
    heads.checkEnd(named);
  } finally {
    // An upload that is still under way would go on writing after the answer.
    await work;
    busboy.destroy();
  }
  if (found.submission === undefined) {
    throw new Problem("invalid_request", 'The form has no part "submission"');
  }
  return { submission: found.submission, uploads: found.uploads };
}

function openBusboy(boundary: string): BusboyInstance {
  return new Busboy({
    headers: { "content-type": `multipart/form-data; boundary="${boundary}"` },
    isPartAFile: () => true,
    limits: { parts: limits.inputFiles + 1, headerPairs: 16, headerSize: partHeadBytes },
  });
}

async function pump(
  request: Request,
  busboy: BusboyInstance,
  heads: PartHeads,
  patience: Patience,
): Promise<void> {
  const max = limits.inputTotalBytes + limits.requestJsonBytes;
  const finished = once(busboy, "finish");
  // A failure before the end is reported by `error`; this keeps it from counting as unhandled until it is awaited.
  finished.catch(() => undefined);
  for await (const chunk of bodyChunks(request, max, patience)) {
    if (busboy.destroyed) return;
    heads.see(chunk);
    if (!busboy.write(chunk)) await once(busboy, "drain");
  }
  busboy.end();
  await finished;
}

interface Found<Submission extends WithFiles> {
  submission?: Submission;
  uploads: Uploads;
}

async function takePart<Submission extends WithFiles>(
  name: string | undefined,
  part: Readable,
  into: { found: Found<Submission>; schema: z.ZodType<Submission>; corridor: Corridor },
): Promise<void> {
  const { found, schema, corridor } = into;
  const shown = name === undefined ? "without a name" : JSON.stringify(name.slice(0, 100));
  if (name === "submission") {
    if (found.submission) throw new Problem("invalid_request", `The part ${shown} comes twice`);
    const chunks: Uint8Array[] = [];
    for await (const chunk of capped(part, limits.requestJsonBytes, shown)) chunks.push(chunk);
    found.submission = checked(schema, parseJson(Buffer.concat(chunks)), "submission");
    return;
  }
  const slot = filePart.exec(name ?? "")?.[1];
  if (slot === undefined) {
    throw new Problem(
      "invalid_request",
      `The form has a part ${shown}: expected "submission" or "file:<slot>"`,
    );
  }
  if (found.uploads.has(slot)) {
    throw new Problem("invalid_request", `The part ${shown} comes twice`, { duplicate: name });
  }
  if (found.submission) refuseExtra(found.submission, [slot]);
  const max = limits.inputFileBytes;
  found.uploads.set(slot, await corridor.upload(capped(part, max, shown), max));
}

async function* capped(part: Readable, maxBytes: number, name: string) {
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

/** Holds the slots of a submission against the parts that came: each exactly once, and nothing else. */
function checkSlots({ submission, uploads }: Form<WithFiles>): void {
  const seen = new Set<string>();
  const missing: string[] = [];
  for (const [index, file] of (submission.files ?? []).entries()) {
    if (file.slot === undefined) continue;
    if (seen.has(file.slot)) {
      throw new Problem(
        "invalid_request",
        `Cannot use files[${index}].slot "${file.slot}": another file has the same slot`,
        { fields: [{ path: `files[${index}].slot`, message: "another file has the same slot" }] },
      );
    }
    seen.add(file.slot);
    if (!uploads.has(file.slot)) missing.push(`file:${file.slot}`);
  }
  if (missing.length > 0) {
    throw new Problem("invalid_request", `The request lacks the part ${listed(missing)}`, {
      missing,
    });
  }
  refuseExtra(submission, [...uploads.keys()]);
}

function refuseExtra(submission: WithFiles, slots: string[]): void {
  const declared = new Set(submission.files?.map((file) => file.slot));
  const extra = slots.filter((slot) => !declared.has(slot)).map((slot) => `file:${slot}`);
  if (extra.length === 0) return;
  throw new Problem("invalid_request", `No files[].slot asks for the part ${listed(extra)}`, {
    extra,
  });
}

function listed(names: string[]): string {
  const shown = names.slice(0, 5).map((name) => JSON.stringify(name));
  return names.length > 5 ? `${shown.join(", ")} and ${names.length - 5} more` : shown.join(", ");
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

/** Reads a submission, as JSON or as a multipart form, and holds its slots against the parts that came. */
export async function readSubmission<Submission extends WithFiles>(
  c: Ctx,
  schema: z.ZodType<Submission>,
  front: Pick<Front, "corridor"> & Patience,
): Promise<Form<Submission>> {
  const isForm = formType.test(c.req.header("content-type") ?? "");
  const form = isForm
    ? await readForm(c.req.raw, schema, front.corridor, front)
    : {
        submission: checked(schema, await readJsonBody(c.req.raw, front), "body"),
        uploads: new Map(),
      };
  checkSlots(form);
  return form;
}
