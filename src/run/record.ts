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
  /** Without the run's secrets, and whole: for what is bounded, and read by people. */
  hide<T>(value: T): T;
  restore: Restore;
}

/** The redactor is asked for each time: a secret may be set while the run is at work. */
export function openRecord(blobs: Blobs, redactor: () => Redactor, patiently: Patiently): Record {
  return {
    keep: (value) =>
      patiently(() => shorten(redactor().json(value), blobs, limits.eventStringBytes)),
    hide: (value) => redactor().json(value) as typeof value,
    restore: (value) => restore(value, blobs),
  };
}
