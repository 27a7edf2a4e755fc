import { statSync } from "node:fs";
import { findBwrap } from "./bwrap-program.ts";

/**
 * That a bwrap isolates was proved of the file that was there at that time. A package upgrade puts another one in its
 * place while the gateway runs, and nothing has been proved of that one.
 */
export interface Proof {
  /**
   * Proves the bwrap anew when its file is another than the one that was proved last. Throws `sandbox_unavailable`
   * when it does not isolate or is gone; nothing is started then (I7). Undefined when there is nothing to prove.
   */
  renew(): Promise<void> | undefined;
}

/** `proved` is the mark of the file that `prove` has already shown to isolate. */
export function openProof(bwrap: string, proved: string, prove: () => Promise<void>): Proof {
  let last = proved;
  let going: Promise<void> | undefined;
  async function proveNew(): Promise<void> {
    await findBwrap(bwrap);
    // Before the proof: a file that comes in the middle of it is noticed by the next look.
    const mark = markOf(bwrap);
    await prove();
    last = mark;
  }
  return {
    renew() {
      if (going === undefined && markOf(bwrap) === last) return undefined;
      going ??= proveNew().finally(() => {
        going = undefined;
      });
      return going;
    },
  };
}

/** Tells one file from another: its time of change cannot be set by anybody. */
export function markOf(path: string): string {
  const stats = statSync(path, { bigint: true, throwIfNoEntry: false });
  if (stats === undefined) return "absent";
  return [stats.dev, stats.ino, stats.size, stats.mtimeNs, stats.ctimeNs].join(" ");
}
