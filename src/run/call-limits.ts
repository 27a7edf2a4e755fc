import { limits } from "../base/limits.ts";
import type { ExecLimits } from "../sandbox/sandbox.ts";
import type { EffectiveLimits } from "./next-step.ts";

/** What one command of the run may use. The sandbox that waits for the next command is born with the same. */
export function callLimits(run: EffectiveLimits): ExecLimits {
  return {
    timeoutMs: run.callSeconds * 1000,
    memoryBytes: run.memoryBytes,
    processes: run.processes,
    diskBytes: run.diskBytes,
    outputKeptBytes: limits.callOutputKeptBytes,
    outputKilledBytes: limits.callOutputKilledBytes,
  };
}
