import { createHash } from "node:crypto";
import { BlobRef } from "../contract/event.ts";
import type { Blobs } from "./content.ts";
import { decodeWtf8, encodeWtf8 } from "./wtf8.ts";

const headBytes = 1024;

/**
 * Members that have a meaning in a shortened value, each as the only member of its object. `$literal` holds an object
 * of the caller's own that merely looks like a reference or like one of these; `$json` refers to the JSON text of an
 * object with a member name that is itself too long. So no value of a caller can ever be taken for a reference.
 */
const literalKey = "$literal";
const jsonKey = "$json";

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
export async function restore(value: unknown, blobs: Blobs): Promise<unknown> {
  const texts = new Map<string, string>();
  for (const digest of referredBlobs(value)) texts.set(digest, decodeWtf8(await blobs.get(digest)));
  return restoreValue(value, texts);
}

/** The digests of every blob that a shortened value refers to. */
export function referredBlobs(value: unknown): Set<string> {
  const digests = new Set<string>();
  const visit = (node: unknown): void => {
    if (isBlobRef(node)) digests.add(node.blob);
    else for (const [, member] of membersOf(literalOf(node) ?? node)) visit(member);
  };
  visit(value);
  return digests;
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
  return isBlobRef(value) || hasOnly(value, literalKey) || hasOnly(value, jsonKey);
}

/** Whether a value is a reference by its exact shape, which is that of `BlobRef` in the contract. */
export function isBlobRef(value: unknown): value is BlobRef {
  return BlobRef.safeParse(value).success;
}

function literalOf(value: unknown): object | undefined {
  const literal = onlyMember(value, literalKey);
  return typeof literal === "object" && literal !== null ? literal : undefined;
}

function onlyMember(value: unknown, key: string): unknown {
  if (typeof value !== "object" || value === null || !hasOnly(value, key)) return undefined;
  return Object.entries(value)[0]?.[1];
}

function hasOnly(value: object, key: string): boolean {
  return !Array.isArray(value) && Object.hasOwn(value, key) && Object.keys(value).length === 1;
}

function membersOf(value: unknown): [string, unknown][] {
  return typeof value === "object" && value !== null ? Object.entries(value) : [];
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
