import type { Log } from "../base/log.ts";

/** Whether the disk has broken a promise. Once it has, nothing is written any more. */
export interface Broken {
  /** Tells the gateway, once, and lets every later `check` throw. */
  mark(error: unknown): void;
  check(): void;
  isBroken(): boolean;
}

export class StoreBroken extends Error {
  override name = "StoreBroken";
}

/** Remembers the first failure of the disk and calls `onBroken` for it only. */
export function openBroken(log: Log, onBroken: (error: unknown) => void): Broken {
  let broken: StoreBroken | undefined;
  return {
    mark(error) {
      if (broken) return;
      broken = new StoreBroken("The database cannot be trusted any more: the gateway must end", {
        cause: error,
      });
      log.fatal({ err: error }, "store.broken");
      onBroken(error);
    },
    check() {
      if (broken) throw broken;
    },
    isBroken: () => broken !== undefined,
  };
}
