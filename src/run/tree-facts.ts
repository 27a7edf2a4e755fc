import { decide } from "../policy/policy.ts";
import type { Sent, TreeFacts } from "../tools/tools.ts";
import type { Drive } from "./drive.ts";

const hourMs = 60 * 60_000;
const namesShown = 50;

/** The facts of the tree of a run, and no other's (I14). */
export function treeFacts(drive: Drive, callId: string): TreeFacts {
  const { rootRunId, workspaceId, store } = drive;
  const ofTree = <T extends { rootRunId: string }>(found: T | undefined) =>
    found?.rootRunId === rootRunId ? found : undefined;
  return {
    interaction: async (id) => ofTree(await store.interactions.get(workspaceId, id)),
    approval: async (id) => ofTree(await store.approvals.get(workspaceId, id)),
    askedLately() {
      const since = new Date(store.interactions.now() - hourMs).toISOString();
      return store.interactions.askedSince(rootRunId, since);
    },
    executions: (search) =>
      store.executions.search({ ...search, workspaceId, rootRunId, runId: drive.runId }),
    send: (to, text) => send(drive, callId, to, text),
  };
}

/** Of those whom a name stands for, the ones that the agent may speak to. */
async function send(drive: Drive, callId: string, name: string, text: string): Promise<Sent> {
  const { rootRunId, workspaceId, runId, store, power } = drive;
  const { all, parent } = await store.messages.addressees(workspaceId, rootRunId, runId);
  const others = all.filter((one) => one.runId !== runId);
  const named = others.filter((one) =>
    name === "parent" ? one.runId === parent : one.runId === name || one.agent === name,
  );
  if (named.length === 0) {
    const open = others.filter(({ ended }) => !ended);
    const known = open.map((one) => `${one.runId} (${one.agent ?? "without an id"})`);
    return { type: "unknown", known: known.slice(-namesShown) };
  }
  // An agent without an id is one that only `*` covers.
  const judged = named.map(({ agent }) =>
    decide({ type: "AgentMessage", agent: agent ?? "" }, power),
  );
  const allowed = named.filter((_, at) => judged[at]?.decision === "allow");
  if (allowed.length === 0) return { type: "forbidden", rule: judged[0]?.rule ?? "" };
  const agent = drive.ledger.state.snapshot.agent?.id ?? "(without an id)";
  const sent = await store.messages.send({
    ...{ workspaceId, rootRunId, from: { runId, callId, agent } },
    to: allowed.map((one) => one.runId),
    text: drive.record.hide(text),
  });
  if (sent.type === "full") return { type: "full", session_id: sent.runId };
  if (sent.type === "ended") return sent;
  const to = sent.to.map((one) => ({ session_id: one.runId, agent_id: one.agent }));
  return { type: "delivered", to };
}
