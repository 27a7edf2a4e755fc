import { limits } from "../base/limits.ts";
import { ProxyRefused } from "./proxy-refused.ts";

/** Envelopes are whole in memory, and a policy may let each be large. A call gives back what it held. */
export function openMemory() {
  let held = 0;
  return {
    open() {
      let mine = 0;
      return {
        hold(bytes: number): void {
          if (held > 0 && held + bytes > limits.proxyEnvelopesBytes) {
            const words = "Answers of this run hold as much memory as one run may; try again";
            throw new ProxyRefused("rate_limited", words);
          }
          held += bytes;
          mine += bytes;
        },
        giveBack(): void {
          held -= mine;
          mine = 0;
        },
      };
    },
  };
}
