import type { ProxyBooks } from "../egress/egress.ts";
import type { ProxyAccounts } from "../store/store.ts";
import type { Ledger } from "./ledger.ts";

interface Options {
  accounts: ProxyAccounts;
  ledger: Ledger;
  runId: string;
  workspaceId: string;
  now: () => number;
}

/**
 * Counts a run's calls of its endpoints, and writes each into its journal. What an earlier gateway reserved and did not
 * settle is settled first: what was sent counts as interrupted, what was not is given back.
 */
export async function openProxyBooks(options: Options): Promise<ProxyBooks> {
  const { accounts, ledger, runId, workspaceId } = options;
  await settleInterrupted(options);
  return {
    async reserve({ name, perCallBudget }, id, isSent) {
      const wanted = { id, runId, workspaceId, endpoint: name, calls: perCallBudget, isSent };
      const { ok, used } = await accounts.reserve(wanted);
      return { ok, usedCalls: used.calls, usedBytes: used.bytes };
    },
    sent: accounts.sent,
    release: accounts.release,
    settle: (called) => ledger.append({ type: "proxy.called", data: called }),
  };
}

async function settleInterrupted({ accounts, ledger, runId, now }: Options): Promise<void> {
  for (const { id, endpoint, sent, at } of await accounts.unsettled(runId)) {
    if (!sent) {
      await accounts.release(id);
      continue;
    }
    await ledger.append({
      type: "proxy.called",
      data: {
        ...{ id, call_id: null, endpoint, door: "protocol", method: "", path: "" },
        ...{ request_bytes: 0, status: null, response_bytes: 0, address: null },
        ...{ outcome: "interrupted", error: null, redacted: false },
        ...{ mode_clamped: false, truncated: false, started_at: at },
        duration_ms: Math.max(0, Math.round(now() - Date.parse(at))),
      },
    });
  }
}
