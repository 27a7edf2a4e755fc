import type { CorridorOptions } from "./corridor.ts";
import { openSecretsOf } from "./opened-secrets.ts";
import { notThere } from "./reads.ts";

/**
 * Cuts the secrets of a run out of what somebody outside says to it, whether it is driven or not: its journal must not
 * hold one, whoever wrote it (I6). Throws `not_found`.
 */
export function openHide(
  options: Pick<CorridorOptions, "store" | "vault" | "workspace" | "threads" | "log" | "onOpened">,
): (workspaceId: string, runId: string, text: string) => Promise<string> {
  return async (workspaceId, runId, text) => {
    const run = await options.store.runs.get(workspaceId, runId);
    if (run === undefined) throw await notThere(options.store, workspaceId, runId);
    const over = new AbortController();
    try {
      const secrets = await openSecretsOf({
        ...{ ...options, runId, workspaceId, over: over.signal },
        endpoints: run.submission.proxyEndpoints ?? [],
        // A person who writes the canary has not read it in the run.
        onCanary: () => undefined,
      });
      return String(secrets.redactor("transcript").json(text));
    } finally {
      over.abort();
    }
  };
}
