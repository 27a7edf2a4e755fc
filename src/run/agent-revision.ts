import { createHash } from "node:crypto";
import { canonicalJson } from "../base/canonical-json.ts";
import type { RunSnapshot } from "../contract/submission.ts";
import { builtInCapabilities } from "../policy/policy.ts";

/** The name of exactly this agent: its instructions, its power, its limits. A changed agent is another. */
export function agentRevision({ agent, system }: RunSnapshot): string {
  const revision = agent ?? { capabilities: builtInCapabilities };
  const text = canonicalJson({ ...revision, ...(system === undefined ? {} : { system }) });
  return `sha256:${createHash("sha256").update(text).digest("hex")}`;
}
