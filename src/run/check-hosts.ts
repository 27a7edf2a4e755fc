import type { Capability } from "../contract/agent.ts";
import { Problem } from "../contract/problem.ts";
import { allowList } from "../egress/egress.ts";

/**
 * What a host may be is the egress room's to say; hosts that cannot be meant are refused where they are given. Throws
 * `invalid_request` with the field.
 */
export function checkHosts(field: string, capabilities: readonly Capability[]): void {
  for (const [index, capability] of capabilities.entries()) {
    if (capability.type !== "NetworkAccess") continue;
    try {
      allowList(capability.hosts);
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      const message = `${field}.${index}.hosts: ${error.message}`;
      throw new Problem(error.code, message, error.details, { cause: error });
    }
  }
}
