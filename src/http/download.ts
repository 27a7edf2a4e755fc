import type { Readable } from "node:stream";
import type { Ctx, Front } from "./front.ts";
import { pulledBody } from "./pulled-body.ts";

/**
 * Answers with the bytes of a stream, as fast as the client takes them; the stream is destroyed however that ends. `spent`: its
 * chunks are of nobody else, and are freed when they have been sent.
 */
export function download(
  front: Front,
  c: Ctx,
  { stream, spent = false }: { stream: Readable; spent?: boolean },
  headers: Record<string, string>,
) {
  const chunks: AsyncIterator<Uint8Array> = stream[Symbol.asyncIterator]();
  const body = pulledBody(c, front.log, chunks, () => stream.destroy(), { spent });
  return c.body(body, 200, headers);
}

/** 304 when the client has what has this tag, which names what is inside; undefined when it has to be sent. */
export function notModified(c: Ctx, etag: string): Response | undefined {
  const given = c.req.header("if-none-match")?.split(",") ?? [];
  const tags = given.map((part) => part.trim().replace(/^W\//, ""));
  if (!tags.includes("*") && !tags.includes(etag.replace(/^W\//, ""))) return undefined;
  return c.body(null, 304, currentHeaders(etag));
}

/** A cache may keep it for its owner, and asks each time whether it is still the same. */
export function currentHeaders(etag: string): Record<string, string> {
  return { ETag: etag, "Cache-Control": "private, no-cache" };
}

/**
 * The name twice, as RFC 6266 advises: `filename*` in percent-encoded UTF-8, which cannot end the header, name a folder
 * or be read in two ways; and before it, for clients that do not know that form (curl -J), `filename` in the few
 * characters that mean the same to everybody.
 */
export function attachment(name: string): string {
  const bare = name.toWellFormed().replace(/[\0-\x1f\x7f/\\]/g, "_");
  const encoded = encodeURIComponent(bare === "" ? "output" : bare).replace(
    /['()*]/g,
    (char) => `%${char.charCodeAt(0).toString(16).toUpperCase()}`,
  );
  const plain = bare.replace(/[^A-Za-z0-9._-]/g, "_").replace(/^\.+/, "_") || "output";
  return `attachment; filename="${plain}"; filename*=UTF-8''${encoded}`;
}
