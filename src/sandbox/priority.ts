import { existsSync, writeFileSync } from "node:fs";
import { constants, setPriority } from "node:os";
import type { Clock } from "../base/clock.ts";
import type { ProcessScan } from "./process-scan.ts";
import type { SpawnedSandbox } from "./spawn.ts";

const lowest = constants.priority.PRIORITY_LOW;
/** The kernel lets an ordinary user change ten of them in a second. */
const pauseMs = 110;
const attempts = 30;

/**
 * Where no control group shares out the processor, commands go behind the gateway. What bwrap starts later inherits its
 * priority. With autogroups, which most distributions turn on, that counts only within one session and every session gets
 * the same part; so the sandbox's own session is told to take little as well. Code that begins sessions of its own gets
 * around that: it is a courtesy of honest commands, and only a control group is a limit.
 */
export function lowerPriority(
  host: { processes: ProcessScan; clock: Clock },
  spawned: SpawnedSandbox,
  tree: { init(): number | undefined },
): void {
  unlessGone(() => setPriority(spawned.pid, lowest));
  if (!existsSync("/proc/self/autogroup")) return;
  void spawned.ready.then(async () => {
    for (let attempt = 0; attempt < attempts; attempt++) {
      const init = tree.init();
      // The session is begun by the launcher, which is below pid 1 of the namespace.
      const launcher = host.processes.below(init ?? -1).find(({ ppid }) => ppid === init);
      if (launcher !== undefined && lowerSession(launcher.pid)) return;
      await host.clock.sleep(pauseMs);
      if (spawned.hasExited()) return;
    }
  });
}

/** Whether there is nothing more to do; false when the kernel wants to be asked later. */
function lowerSession(pid: number): boolean {
  try {
    writeFileSync(`/proc/${pid}/autogroup`, String(lowest));
    return true;
  } catch (error) {
    return !(error instanceof Error && "code" in error && error.code === "EAGAIN");
  }
}

function unlessGone(work: () => void): void {
  try {
    work();
  } catch (error) {
    // It has ended already, and why is in how it ended.
    if (!(error instanceof Error && error.message.includes("ESRCH"))) throw error;
  }
}
