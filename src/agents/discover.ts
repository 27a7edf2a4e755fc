import type { Capability } from "../contract/agent.ts";
import type { AgentManifest } from "../contract/manifest.ts";
import type { AgentRevision } from "./agents.ts";

/** An agent that may be of use, and why. */
export interface Discovered {
  agent_id: string;
  name: string;
  description: string;
  score: number;
  capabilities: Capability["type"][];
  match_reasons: string[];
  io: AgentManifest["io"] | null;
}

/** What is looked for. */
export interface Sought {
  intent: string;
  required_capabilities?: readonly string[] | undefined;
  exclude_ids?: readonly string[] | undefined;
}

/** Shorter words are in every text. */
const keywordCharsMin = 4;

/**
 * The agents that fit, best first, and of the same score by id. An intent that stands in an agent's words gives 30
 * points; otherwise each of its longer words its share of 20; each required capability that the agent has 15; one that
 * wakes by itself 5. An agent without points is left out.
 */
export function discover(agents: readonly AgentRevision[], sought: Sought): Discovered[] {
  return agents
    .filter(({ manifest }) => !sought.exclude_ids?.includes(manifest.agent.id))
    .map((agent) => scored(agent, sought))
    .filter(({ score }) => score > 0)
    .sort((a, b) => b.score - a.score || (a.agent_id < b.agent_id ? -1 : 1));
}

function scored({ manifest, instructions }: AgentRevision, sought: Sought): Discovered {
  const { id, name = id, description = "" } = manifest.agent;
  const types = [...new Set(manifest.capabilities.map(({ type }) => type))];
  const words = intentPoints(`${name}\n${description}\n${instructions}`, sought.intent);
  const required = [...new Set(sought.required_capabilities)];
  const has = required.filter((type) => types.some((own) => own === type));
  const wakes = manifest.background?.enabled === true;
  return {
    agent_id: id,
    name,
    description,
    score: words.points + 15 * has.length + (wakes ? 5 : 0),
    capabilities: types,
    match_reasons: [
      ...words.reasons,
      ...has.map((type) => `has ${type}`),
      ...(wakes ? ["wakes by itself"] : []),
    ],
    io: manifest.io ?? null,
  };
}

function intentPoints(text: string, intent: string): { points: number; reasons: string[] } {
  const [here, wanted] = [text.toLowerCase(), intent.trim().toLowerCase()];
  if (wanted !== "" && here.includes(wanted)) return { points: 30, reasons: ["says the intent"] };
  const keywords = [
    ...new Set(wanted.match(/[\p{L}\p{N}_-]+/gu)?.filter((w) => w.length >= keywordCharsMin)),
  ];
  const found = keywords.filter((word) => here.includes(word));
  if (found.length === 0) return { points: 0, reasons: [] };
  const points = Math.round((20 * found.length) / keywords.length);
  return { points, reasons: [`says ${found.slice(0, 10).join(", ")}`] };
}
