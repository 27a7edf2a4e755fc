import { limits } from "../base/limits.ts";
import { Problem } from "../contract/problem.ts";
import { encodingsOf } from "./encodings.ts";
import { type Redactor, redactorFor } from "./redact.ts";
import { openScanner } from "./scan.ts";

/** Every secret that this process has opened and may still write down by accident, whoever's it is. */
export interface KnownSecrets {
  /**
   * Cuts these out as well, until the answer is called; then they are forgotten when some more were released. Of a great
   * many that is when half of them may be. Values that several know are cut out until the last of them is done. `queue_full` when there are too many.
   */
  add(values: readonly string[]): () => void;
  /** A line for the log, without any of them. */
  text(line: string): string;
  /** How many there are, for a test or a figure. */
  size(): number;
}

/** So many are made anew in no time. */
const freshMax = 64;

interface Known {
  needles: readonly Buffer[];
  users: number;
}

export function openKnownSecrets(
  max: number = limits.knownSecrets,
  releasedMax: number = limits.knownSecretsReleased,
): KnownSecrets {
  const values = new Map<string, Known>();
  /** Without users, the oldest first. */
  const released = new Set<string>();
  const maskOf = (some: Iterable<string>): Pick<Redactor, "text"> =>
    redactorFor(openScanner([...some].flatMap((value) => values.get(value)?.needles ?? [])));
  /** What has been known for a while, which takes long to make anew, and what came since. */
  let settled = maskOf([]);
  let settledCount = 0;
  const fresh = new Set<string>();
  /** Made anew by the next line after a change: many runs may start between two lines. */
  let freshMask: Pick<Redactor, "text"> | undefined;
  /** Those of the settled that are known no more. */
  let stale = 0;

  function add(value: string): void {
    const known = values.get(value);
    released.delete(value);
    if (known) {
      known.users += 1;
      return;
    }
    values.set(value, { needles: encodingsOf(value), users: 1 });
    fresh.add(value);
    freshMask = undefined;
  }

  function release(value: string): void {
    const known = values.get(value);
    if (!known) return;
    known.users -= 1;
    if (known.users > 0) return;
    released.add(value);
    for (const oldest of released) {
      if (released.size <= releasedMax) return;
      released.delete(oldest);
      values.delete(oldest);
      if (fresh.delete(oldest)) freshMask = undefined;
      else stale += 1;
    }
  }

  function settle(): void {
    settled = maskOf(values.keys());
    settledCount = values.size;
    stale = 0;
    fresh.clear();
    freshMask = undefined;
  }

  return {
    add(given) {
      const mine = [...new Set(given)];
      if (values.size + mine.filter((value) => !values.has(value)).length > max) {
        throw new Problem("queue_full", `Cannot keep more than ${max} secrets out of the log`);
      }
      for (const value of mine) add(value);
      let isReleased = false;
      return () => {
        if (isReleased) return;
        isReleased = true;
        for (const value of mine) release(value);
      };
    },
    text(line) {
      if (fresh.size > Math.max(freshMax, settledCount) || stale * 2 > settledCount) settle();
      freshMask ??= maskOf(fresh);
      return freshMask.text(settled.text(line));
    },
    size: () => values.size,
  };
}
