/**
 * Fails when something that our own code promised is not so: a defect of ours, never a caller's mistake
 * (those are `Problem`s). Inside one run it ends that run with `internal`; in the store it ends the process.
 */
export function assert(condition: unknown, message: string): asserts condition {
  if (!condition) throw new AssertionFailed(message);
}

/** Closes a `switch` over a union: adding a member makes this a type error at compile time. */
export function assertNever(value: never): never {
  throw new AssertionFailed(`Unexpected value ${JSON.stringify(value)}`);
}

export class AssertionFailed extends Error {
  override name = "AssertionFailed";
}
