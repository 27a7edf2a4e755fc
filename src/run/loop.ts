import { makeCall } from "./call.ts";
import type { Drive } from "./drive.ts";
import { finish } from "./finish.ts";
import { LetGo } from "./let-go.ts";
import { nextStep } from "./next-step.ts";
import { provision } from "./provision.ts";
import { takeTurn } from "./turn.ts";

/**
 * Drives one run to its end: fold the journal, ask what is next, do it, until done. It holds no state that the journal
 * does not (I3): a new worker that starts here with the same events goes on in the same way.
 */
export async function loop(drive: Drive): Promise<void> {
  const { ledger } = drive;
  for (;;) {
    if (drive.draining.aborted) throw new LetGo("The gateway is stopping");
    if (drive.signal.aborted) await ledger.refresh();
    const step = nextStep(ledger.state, drive.limits, drive.elapsedMs());
    switch (step.type) {
      case "provision":
        await provision(drive);
        break;
      case "turn":
        await takeTurn(drive);
        break;
      case "call":
        await makeCall(drive, step.call);
        break;
      case "park":
        return;
      case "finish":
        await finish(drive, step.end);
        break;
      case "done":
        return;
    }
  }
}
