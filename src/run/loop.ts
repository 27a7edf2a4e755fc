import type { WaitStarted } from "../contract/workflow.ts";
import { makeCall } from "./call.ts";
import type { Drive } from "./drive.ts";
import { finish } from "./finish.ts";
import { LetGo } from "./let-go.ts";
import { nextStep } from "./next-step.ts";
import { preparePackages } from "./packages.ts";
import { provision } from "./provision.ts";
import { takeTurn } from "./turn.ts";

/**
 * Drives one run to its end: fold the journal, ask what is next, do it, until done. It holds no state that the journal
 * does not (I3): a new worker that starts here with the same events goes on in the same way.
 */
export async function loop(drive: Drive): Promise<void> {
  const { ledger } = drive;
  for (;;) {
    if (drive.draining.aborted) {
      await ledger.flush();
      throw new LetGo("The gateway is stopping");
    }
    if (drive.signal.aborted) await ledger.refresh();
    const step = nextStep(ledger.state, drive.limits, drive.elapsedMs(), drive.budget?.over());
    switch (step.type) {
      case "provision":
        await provision(drive);
        break;
      case "prepare":
        await preparePackages(drive);
        break;
      case "turn":
        await takeTurn(drive);
        break;
      case "call":
        await makeCall(drive, step.call);
        break;
      case "join":
        // Who was told something meanwhile has a turn first, and who was cancelled waits for nothing.
        await ledger.appendUnless(
          (state) =>
            nextStep(state, drive.limits, drive.elapsedMs(), drive.budget?.over()).type !== "join",
          { type: "wait.started", data: joinOf(drive, step.groups) },
        );
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

function joinOf({ budget }: Drive, groups: WaitStarted["groups"]): WaitStarted {
  const none = { call_id: null, tasks: [], interaction_id: null };
  return { ...none, on: "children", groups, until: budget?.until ?? null };
}
