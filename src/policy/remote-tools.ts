import { boundsOf, ofType } from "./grants.ts";
import type { Decision, Need, Power } from "./need.ts";
import { reason, shown } from "./reasons.ts";
import { functionMeets } from "./scopes.ts";

type Remote = NonNullable<Extract<Need, { type: "SandboxFunctions" }>["remote"]>;

/**
 * A tool of a remote server that every list covers: a person is asked, unless whoever declared the server said that nobody
 * need be. No `NetworkAccess` is looked at: the gateway itself talks to that one address, which the declaration names.
 */
export function decideRemote(
  name: string,
  { server, host, preapproved }: Remote,
  rule: string,
  { remoteAccess }: Power,
): Decision {
  if (preapproved) {
    const allowed = `${rule}, preapproved where ${server} is declared`;
    return { decision: "allow", rule: allowed, reasons: [], hosts: [host], askedHosts: [] };
  }
  const message = `${shown(name)} is a tool of the MCP server ${server} that is not preapproved`;
  const change = `Add it to preapproved where ${server} is declared`;
  const reasons = [reason("not_preapproved", message, { token: name, change })];
  if (remoteAccess?.approval_mode === "deny") {
    return { decision: "deny", rule: message, reasons, hosts: [], askedHosts: [] };
  }
  const asks = `A person decides: ${message}`;
  return { decision: "ask", rule: asks, reasons, hosts: [], askedHosts: [host] };
}

/** Whether some function whose name begins so could be allowed: every list has a rule that meets the prefix. */
export function mayCallSome(power: Power, prefix: string): boolean {
  return boundsOf(power).every(({ capabilities }) =>
    ofType(capabilities, "SandboxFunctions").some(({ allowed }) =>
      allowed.some((rule) => functionMeets(rule, prefix)),
    ),
  );
}
