import type { Analysed, Look } from "../analysis/analysis.ts";
import type { Need } from "../policy/policy.ts";
import type { WantedCode } from "../tools/tools.ts";

/** What the policy is asked about code: what the call wants, and what analysis found in it. */
export function codeNeed(
  { command, entrypoint, args, isOwnScript, network, installs, secrets }: WantedCode,
  { command: read, findings }: Analysed,
  packageHosts: Look["packageHosts"],
): Need {
  return {
    ...{ type: "CodeExecution", network, findings, command: read },
    ...(isOwnScript ? { isOwnScript } : {}),
    shown: command ?? [entrypoint ?? "", ...args].join(" "),
    installsFrom: installs && packageHosts[installs],
    secrets: secretNamesOf(secrets),
  };
}

/** Each secret once, whatever variables it is in. */
export function secretNamesOf(secrets: WantedCode["secrets"]): string[] {
  return [...new Set(Object.values(secrets))].sort();
}
