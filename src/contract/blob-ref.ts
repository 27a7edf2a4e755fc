import { z } from "zod";
import { Digest } from "./ids.ts";

/** A string too long for an event: kept as a blob, named here with its first characters. */
export const BlobRef = z
  .strictObject({ blob: Digest, bytes: z.int(), head: z.string() })
  .meta({ id: "BlobRef" });
export type BlobRef = z.infer<typeof BlobRef>;

/**
 * Members that have a meaning in a value whose long strings were taken out, each as the only member of its object.
 * `$literal` holds an object of the writer's own that merely looks like a reference or like one of these; `$json` refers
 * to the JSON text of an object with a member name that is itself too long. So no value that a model or a caller writes
 * can ever be taken for a reference.
 */
export const literalKey = "$literal";
export const jsonKey = "$json";

/** Whether a value is a reference by its exact shape. Asked of every value of a transcript, so most are told at a glance. */
export function isBlobRef(value: unknown): value is BlobRef {
  if (typeof value !== "object" || value === null || !("blob" in value)) return false;
  return BlobRef.safeParse(value).success;
}

/** Whether an object has exactly this one member. */
export function hasOnlyMember(value: unknown, key: string): value is Record<string, unknown> {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return false;
  return Object.hasOwn(value, key) && Object.keys(value).length === 1;
}

/** The value of an object's only member, when that member has this name. */
export function onlyMember(value: unknown, key: string): unknown {
  return hasOnlyMember(value, key) ? value[key] : undefined;
}

/** What a `$literal` holds, or undefined when the value is none. */
export function literalOf(value: unknown): object | undefined {
  const literal = onlyMember(value, literalKey);
  return typeof literal === "object" && literal !== null ? literal : undefined;
}

/** The digests of every blob that a value refers to whose long strings were taken out. */
export function referredBlobs(value: unknown): Set<string> {
  const digests = new Set<string>();
  const open: unknown[] = [value];
  while (open.length > 0) {
    const node = open.pop();
    if (isBlobRef(node)) digests.add(node.blob);
    else {
      const members = literalOf(node) ?? node;
      if (typeof members === "object" && members !== null) open.push(...Object.values(members));
    }
  }
  return digests;
}
