import type { Ledger } from "./ledger.ts";
import type { Surface } from "./opened-secrets.ts";
import type { RunSignals } from "./worker.ts";

/** Ends a run in which its canary appears, and knows at which call it is. */
export interface CanaryWatch {
  seen: (surface: Surface) => void;
  atCall: (callId: string | null) => void;
  callId: () => string | null;
}

/**
 * The first time that the run's canary is about to appear anywhere is written down, and the run interrupted: what it was
 * doing may be sending on more than a worthless secret.
 */
export function watchCanary(options: {
  ledger: Pick<Ledger, "append" | "state">;
  signals: Pick<RunSignals, "interrupt">;
}): CanaryWatch {
  const { ledger, signals } = options;
  let current: string | null = null;
  let told = ledger.state.secretSeen !== undefined;
  return {
    seen(surface) {
      if (told || ledger.state.finished) return;
      told = true;
      const data = { call_id: current, surface };
      // A run that is not ours any more is ended by whoever has it: the same command shows the same.
      void ledger.append({ type: "secret.seen", data }).then(
        () => signals.interrupt("The run's canary appeared"),
        () => {
          told = false;
        },
      );
    },
    atCall: (callId) => {
      current = callId;
    },
    callId: () => current,
  };
}
