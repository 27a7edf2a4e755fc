import type { Clock } from "../base/clock.ts";
import { listProcesses, type ProcessStat } from "./processes.ts";

/**
 * The processes below one, as of a moment ago. All commands share one look at the host's processes: where there are no
 * control groups each of them asks ten times a second, and a look takes longer the more processes an attacker starts.
 */
export interface ProcessScan {
  below(top: number): ProcessStat[];
}

/** A look is this old at most … */
const freshMs = 80;
/** … unless looking takes so long that it would be more than a fifth of the time. */
const share = 5;

export function openProcessScan(
  clock: Clock,
  list: () => ProcessStat[] = listProcesses,
): ProcessScan {
  let all: ProcessStat[] = [];
  let children = new Map<number, ProcessStat[]>();
  let next = Number.NEGATIVE_INFINITY;

  function look(): void {
    const began = clock.monotonic();
    if (began < next) return;
    all = list();
    children = Map.groupBy(all, ({ ppid }) => ppid);
    const tookMs = clock.monotonic() - began;
    next = began + Math.max(freshMs, tookMs * share);
  }

  return {
    below(top) {
      look();
      const tree = all.filter(({ pid }) => pid === top);
      for (let i = 0; i < tree.length; i++) tree.push(...(children.get(tree[i]?.pid ?? -1) ?? []));
      return tree;
    },
  };
}
