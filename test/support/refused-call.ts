import { isEvent } from "../../src/sdk/sdk.ts";
import { clientOf, historyOf, type Reachable } from "./airlock-api.ts";
import type { CallAnswer, DirectedRun } from "./directed-run.ts";
import { untilEvent } from "./results-of.ts";

/**
 * Makes a call that has to be asked about, as the run's `nth` question, and says no. Resolves with the hosts that were asked
 * for and what the model was told then.
 */
export async function refusedCall(
  gateway: Reachable,
  run: DirectedRun,
  make: () => Promise<CallAnswer>,
  nth = 1,
): Promise<{ hosts: readonly string[]; answer: CallAnswer }> {
  const told = make();
  // Whoever waits for the question learns of it first.
  told.catch(() => undefined);
  await untilEvent(run.run, "approval.requested", nth);
  const history = await historyOf(gateway, run.id);
  const asked = history.filter((event) => isEvent(event, "approval.requested"));
  const { approvals } = clientOf(gateway);
  const id = asked[nth - 1]?.data.request_id ?? "";
  const { request } = await approvals.get(id);
  await approvals.deny(id);
  return { hosts: request.hosts, answer: await told };
}
