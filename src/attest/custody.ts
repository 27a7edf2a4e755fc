import type { ArchiveCustody } from "../contract/attestation.ts";
import { isEnd, type RunStatus } from "../contract/run.ts";
import { providers } from "../contract/submission.ts";
import type { Facts } from "./facts.ts";

type Row = ArchiveCustody["secrets"][number];

/**
 * `custody.json`. What the end of the run wrote down is repeated. Before that, all is held; and a journal whose end says
 * nothing of it is of a gateway that destroyed every secret of a run in the transaction of its end.
 */
export function custodyOf(runId: string, status: RunStatus, facts: Facts): ArchiveCustody {
  if (facts.custody !== undefined) return { runId, recorded: true, secrets: facts.custody };
  const ended = isEnd(status);
  const disposition = ended ? "destroyed" : "held";
  const secrets = facts.secrets.flatMap((name): Row[] => {
    const of = kindOf(name);
    return of === undefined ? [] : [{ ...of, disposition }];
  });
  // Every run has one, which is not among those that it was given.
  if (!ended) secrets.push({ class: "run_token", name: "run_token", disposition });
  const place = (row: Row) => `${row.class}/${row.name}`;
  secrets.sort((a, b) => (place(a) < place(b) ? -1 : 1));
  return { runId, recorded: false, secrets };
}

/** The name under which a secret is sealed begins with what it is for. Undefined: it opens nothing. */
function kindOf(name: string): Pick<Row, "class" | "name"> | undefined {
  if ((providers as readonly string[]).includes(name)) return { class: "provider_api_key", name };
  const [, of, rest = ""] = /^(proxy|mcp|env)\/(.*)$/s.exec(name) ?? [];
  if (of === "proxy") return { class: "proxy_endpoint_auth", name: rest };
  if (of === "mcp") return { class: "mcp_credential", name: rest };
  return of === "env" ? { class: "credential_env", name: rest } : undefined;
}
