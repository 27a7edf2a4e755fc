import { createHash } from "node:crypto";
import { bindCall, nonePart as none } from "../approvals/approvals.ts";
import { canonicalJson } from "../base/canonical-json.ts";
import type { RemoteTool } from "../tools/tools.ts";
import { agentRevision } from "./agent-revision.ts";
import type { Bound } from "./bind-call.ts";
import type { Drive } from "./drive.ts";

/**
 * Names everything that a call of a remote tool is (P3): the server with its address and what it has said of the tool, and
 * every argument. What a server later says otherwise of a tool of the same name is asked about anew.
 */
export function bindRemote(
  { ledger, rootRunId, secrets }: Pick<Drive, "ledger" | "rootRunId" | "secrets">,
  { server, url, secret, tool, description, schema }: RemoteTool,
  { name, args, hosts }: { name: string; args: unknown; hosts: readonly string[] },
): Bound {
  const nothing = { staged: none, workspace: none, tmp: none, artifact: none, layers: none };
  const headers = Object.keys(secrets.mcpHeaders(server) ?? {}).map(
    (header) => `${header}=${server}`,
  );
  const spent = [...(secret === null ? [] : [`Authorization=${secret}`]), ...headers.sort()];
  const said = digestOf({ tool, description, schema });
  const binding = bindCall({
    ...{ ...nothing, entrypoint: none, environment: none },
    agent: agentRevision(ledger.state.snapshot),
    run_tree: rootRunId,
    tool: name,
    arguments: digestOf(args),
    secrets: spent.join(" ") || none,
    hosts: [...hosts].sort().join(" ") || none,
    server: `${server} ${url} ${said}`,
  });
  return { binding, files: [] };
}

function digestOf(value: unknown): string {
  return `sha256:${createHash("sha256").update(canonicalJson(value)).digest("hex")}`;
}
