/**
 * Loaded into a gateway with `--import`: ends that process with SIGKILL at the instant the event numbered
 * `AIRLOCK_TEST_KILL_SEQ` is durable, before anything else can happen. With `AIRLOCK_TEST_KILL_RUN` only that run counts.
 * `AIRLOCK_TEST_KILL_COUNT` counts the events of all runs since the start instead.
 */
import diagnostics from "node:diagnostics_channel";

const killSeq = Number(process.env.AIRLOCK_TEST_KILL_SEQ);
const killRun = process.env.AIRLOCK_TEST_KILL_RUN;

if (Number.isInteger(killSeq) && killSeq > 0) {
  diagnostics.subscribe("airlock:journal.committed", (message) => {
    const { runId, seq } = message as { runId: string; seq: number };
    if (seq === killSeq && (killRun === undefined || killRun === runId)) {
      process.kill(process.pid, "SIGKILL");
    }
  });
}

let toCount = Number(process.env.AIRLOCK_TEST_KILL_COUNT);
if (Number.isInteger(toCount) && toCount > 0) {
  diagnostics.subscribe("airlock:journal.committed", () => {
    if (--toCount === 0) process.kill(process.pid, "SIGKILL");
  });
}
