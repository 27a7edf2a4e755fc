import { limits } from "../base/limits.ts";
import type { EgressDenied } from "./build-network.ts";

/**
 * Reports refusals, and only counts those above the limits: code that knocks in a loop must not fill the journal, nor use
 * up with one host what is there to tell of the others.
 */
export function openDenials(report: (record: EgressDenied) => void) {
  const seen = new Map<string, number>();
  let reported = 0;
  let unreported = 0;
  return {
    unreported: () => unreported,
    add(record: EgressDenied) {
      const key = JSON.stringify(record);
      const same = seen.get(key) ?? 0;
      if (same >= limits.egressSameDenials || reported >= limits.egressDenials) {
        unreported += 1;
        return;
      }
      seen.set(key, same + 1);
      reported += 1;
      report(record);
    },
  };
}

/** Counts one connection's bytes, and those of all connections of the opening together against its limits. */
export function openTotal(most: { upBytes: number; downBytes: number }) {
  let up = 0;
  let down = 0;
  return {
    /** Nothing more may pass. */
    spent: () => up >= most.upBytes || down >= most.downBytes,
    open() {
      let sent = 0;
      let received = 0;
      return {
        up(bytes: number) {
          sent += bytes;
          up += bytes;
          return up <= most.upBytes;
        },
        down(bytes: number) {
          received += bytes;
          down += bytes;
          return down <= most.downBytes;
        },
        sent: () => sent,
        received: () => received,
      };
    },
  };
}
