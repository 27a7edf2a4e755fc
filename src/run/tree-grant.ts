import type { Capability } from "../contract/agent.ts";
import type { RunSnapshot } from "../contract/submission.ts";

/**
 * What bounds everything that a run starts (I13): the grant that its submission named; without one, an inline agent's own
 * capabilities, because whoever wrote them gave nothing else. An installed agent without a grant leaves it to the operator,
 * who installed it and every other one. A task passes on what it was given itself.
 */
export function treeGrant(
  { grant, agent }: Pick<RunSnapshot, "grant" | "agent">,
  isTask: boolean,
): readonly Capability[] | undefined {
  const isInline = agent?.revision === undefined;
  return grant ?? (isInline && !isTask ? (agent?.capabilities ?? []) : undefined);
}
