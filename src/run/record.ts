import { limits } from "../base/limits.ts";
import type { Blobs } from "../content/content.ts";
import { restore, shorten } from "../content/content.ts";
import type { Redactor } from "../egress/egress.ts";
import type { Patiently } from "./disk-space.ts";
import type { Restore } from "./transcript.ts";

/**
 * What may be written down of a value that came from a model or a tool: without the run's secrets (I6), then with its
 * long strings as blobs. In this order, so that no blob holds a secret either.
 */
export interface Record {
  keep(value: unknown): Promise<unknown>;
  restore: Restore;
  /** Bytes without the run's secrets. */
  redact(bytes: Uint8Array): Promise<Uint8Array>;
}

export function openRecord(blobs: Blobs, redactor: Redactor, patiently: Patiently): Record {
  return {
    keep: (value) => patiently(() => shorten(redactor.json(value), blobs, limits.eventStringBytes)),
    restore: (value) => restore(value, blobs),
    redact: (bytes) => redactor.bytes(bytes),
  };
}
