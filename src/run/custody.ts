import type { Custody } from "../contract/custody.ts";
import { providers } from "../contract/submission.ts";
import type { Vault } from "../egress/egress.ts";
import type { Store } from "../store/store.ts";
import { secretContext, secretNames } from "./run-secrets.ts";

type Kept = Custody[number];

/**
 * What becomes of the secrets of a run, as its last event says: their rows are overwritten and gone in the transaction of
 * that event, in which this is true. The token was in a file as well, which is gone with the run's directories or is not.
 */
export async function custodyOf(
  { store, vault }: { store: Pick<Store, "secrets">; vault: Vault },
  runId: string,
  filesAreGone: boolean,
): Promise<Custody> {
  const kept: Kept[] = [];
  for (const { name, sealed } of await store.secrets.get(runId)) {
    const of = kindOf(name);
    if (of === undefined) continue;
    // One that names a secret of the workspace is none of the run's.
    if (of.class === "proxy_endpoint_auth" && isOfWorkspace(vault, runId, name, sealed)) continue;
    const isLeft = of.class === "run_token" && !filesAreGone;
    kept.push({ ...of, disposition: isLeft ? "cleanup_failed" : "destroyed" });
  }
  return kept.sort((a, b) => (`${a.class}/${a.name}` < `${b.class}/${b.name}` ? -1 : 1));
}

/** Undefined: it opens nothing, as the address of a provider and the canary. */
function kindOf(name: string): Pick<Kept, "class" | "name"> | undefined {
  if (name === secretNames.runToken) return { class: "run_token", name };
  if ((providers as readonly string[]).includes(name)) return { class: "provider_api_key", name };
  const [, of, rest = ""] = /^(proxy|mcp|env)\/(.*)$/s.exec(name) ?? [];
  if (of === undefined) return undefined;
  const classes = { proxy: "proxy_endpoint_auth", mcp: "mcp_credential", env: "credential_env" };
  return { class: classes[of as keyof typeof classes] as Kept["class"], name: rest };
}

function isOfWorkspace(vault: Vault, runId: string, name: string, sealed: Uint8Array): boolean {
  try {
    return "secret" in (JSON.parse(vault.open(sealed, secretContext(runId, name))) as object);
  } catch {
    // Under a key that is lost: whatever it is, its row goes.
    return false;
  }
}
