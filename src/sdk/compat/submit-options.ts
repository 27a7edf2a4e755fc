import type { SubmitOptions } from "../submit.ts";

/** The same with every array and member read-only, so that what is written `as const` is accepted. */
type Readonlys<T> = T extends string | number | boolean | null | undefined | Blob | Uint8Array
  ? T
  : T extends readonly (infer One)[]
    ? readonly Readonlys<One>[]
    : T extends object
      ? { readonly [Member in keyof T]: Readonlys<T[Member]> }
      : T;

/** What a run is asked to do. */
export type SubmitRunOptions = Readonlys<Omit<SubmitOptions, "signal">> & { signal?: AbortSignal };

/** What several runs have in common; what a submission says itself is stronger, member by member. */
export type RunTemplate = Omit<SubmitRunOptions, "signal" | "idempotencyKey">;

/** The submission of `submitRun(options)` or `submitRun(template, options)`. */
export function submissionOf(
  first: SubmitRunOptions | RunTemplate,
  second: SubmitRunOptions | undefined,
): SubmitOptions {
  // Only read on the way: what cannot be written to is as good as what can.
  return { ...first, ...second } as SubmitOptions;
}
