import { createHash } from "node:crypto";
import {
  type BlobRef,
  hasOnlyMember,
  isBlobRef,
  jsonKey,
  literalKey,
  literalOf,
  onlyMember,
  referredBlobs,
} from "../contract/blob-ref.ts";
import type { Blobs } from "./content.ts";
import { decodeWtf8, encodeWtf8 } from "./wtf8.ts";

const headBytes = 1024;

/**
 * Replaces every string of more than `limitBytes` (as UTF-8) anywhere in a JSON value by a `BlobRef`, and stores its
 * text. All blobs are durable when this resolves. Strings with lone surrogates are kept exactly.
 */
export async function shorten(value: unknown, blobs: Blobs, limitBytes: number): Promise<unknown> {
  const texts = new Map<string, Buffer>();
  const shortened = shortenValue(value, limitBytes, texts);
  for (const bytes of texts.values()) await blobs.put(bytes);
  return shortened;
}

/** Puts the strings back that `shorten` took out. Fails as `Blobs.get` does when one of them is gone or damaged. */
export async function restore(value: unknown, blobs: Pick<Blobs, "get">): Promise<unknown> {
  const texts = new Map<string, string>();
  for (const digest of referredBlobs(value)) texts.set(digest, decodeWtf8(await blobs.get(digest)));
  return restoreValue(value, texts);
}

function shortenValue(value: unknown, limit: number, texts: Map<string, Buffer>): unknown {
  if (typeof value === "string") return isLong(value, limit) ? refTo(value, texts) : value;
  if (typeof value !== "object" || value === null) return value;
  if (Array.isArray(value)) return value.map((item) => shortenValue(item, limit, texts));
  if (Object.keys(value).some((key) => isLong(key, limit))) {
    return { [jsonKey]: refTo(JSON.stringify(value), texts) };
  }
  const copy = mapMembers(value, (member) => shortenValue(member, limit, texts));
  return hasMeaning(value) ? { [literalKey]: copy } : copy;
}

function restoreValue(value: unknown, texts: Map<string, string>): unknown {
  if (isBlobRef(value)) return texts.get(value.blob);
  const json = onlyMember(value, jsonKey);
  if (isBlobRef(json)) return JSON.parse(texts.get(json.blob) ?? "null");
  const node = literalOf(value) ?? value;
  if (Array.isArray(node)) return node.map((item) => restoreValue(item, texts));
  if (typeof node !== "object" || node === null) return node;
  return mapMembers(node, (member) => restoreValue(member, texts));
}

/** One of the shapes that `restore` gives a meaning to, so that it must be marked when it is the caller's own. */
function hasMeaning(value: object): boolean {
  return isBlobRef(value) || [literalKey, jsonKey].some((key) => hasOnlyMember(value, key));
}

/** `fromEntries` defines members; assigning them would lose one named `__proto__`. */
function mapMembers(value: object, map: (member: unknown) => unknown): object {
  return Object.fromEntries(Object.entries(value).map(([key, member]) => [key, map(member)]));
}

function isLong(text: string, limit: number): boolean {
  return text.length * 3 > limit && Buffer.byteLength(text) > limit;
}

function refTo(text: string, texts: Map<string, Buffer>): BlobRef {
  const bytes = encodeWtf8(text);
  const blob = `sha256:${createHash("sha256").update(bytes).digest("hex")}`;
  texts.set(blob, bytes);
  return { blob, bytes: bytes.length, head: headOf(text) };
}

/**
 * The first KiB, cut between characters; a lone surrogate, which no UTF-8 can say, is shown as U+FFFD. (When `slice` has
 * cut a pair in two, what is left of it lies beyond the KiB.)
 */
function headOf(text: string): string {
  const start = text.slice(0, headBytes).toWellFormed();
  const bytes = Buffer.from(start);
  if (bytes.length <= headBytes) return start;
  let end = headBytes;
  while (end > 0 && ((bytes[end] ?? 0) & 0xc0) === 0x80) end -= 1;
  return bytes.toString("utf8", 0, end);
}
