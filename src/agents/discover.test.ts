import { describe, expect, it } from "vitest";
import type { Capability } from "../contract/agent.ts";
import { type AgentRevision, discover } from "./agents.ts";

function agent(
  id: string,
  instructions: string,
  more: { capabilities?: Capability[]; background?: { enabled: boolean } } = {},
): AgentRevision {
  return {
    manifest: { agent: { id, name: id, description: "" }, capabilities: [], ...more },
    ...{ instructions, files: [], revision: `sha256:${"0".repeat(64)}`, number: 1 },
    ...{ origin: "installed", notes: [], createdAt: null, createdBy: null },
  };
}

const reach: Capability = { type: "NetworkAccess", hosts: ["*"] };
const agents = [
  agent("weather", "Reports the weather of a city."),
  agent("fetcher", "Fetches pages of a city.", { capabilities: [reach] }),
  agent("sleeper", "Nothing.", { background: { enabled: true } }),
  agent("mute", "Nothing."),
];
const found = (sought: Parameters<typeof discover>[1]) =>
  discover(agents, sought).map(({ agent_id, score }) => [agent_id, score]);

describe("agents are found", () => {
  it("by an intent that they say, or by how many of its longer words they say", () => {
    expect(found({ intent: "the weather of a city" })).toEqual([
      ["weather", 30],
      ["fetcher", 10],
      ["sleeper", 5],
    ]);
    expect(found({ intent: "WEATHER" })[0]).toEqual(["weather", 30]);
  });

  it("by the capabilities that are asked for, once for each", () => {
    const required_capabilities = ["NetworkAccess", "NetworkAccess", "CodeExecution"];
    expect(found({ intent: "x", required_capabilities })).toEqual([
      ["fetcher", 15],
      ["sleeper", 5],
    ]);
  });

  it("in the order of their ids where nothing else tells them apart", () => {
    const twins = ["b", "c", "a"].map((id) => agent(id, "Writes poems."));
    for (const order of [twins, [...twins].reverse()]) {
      const ids = discover(order, { intent: "poems" }).map(({ agent_id }) => agent_id);
      expect(ids).toEqual(["a", "b", "c"]);
    }
  });

  it("with the reasons, and without those that nobody wants", () => {
    const sought = { intent: "pages", required_capabilities: ["NetworkAccess"] };
    expect(discover(agents, sought)[0]).toEqual({
      ...{ agent_id: "fetcher", name: "fetcher", description: "", score: 45 },
      ...{ capabilities: ["NetworkAccess"], io: null },
      match_reasons: ["says the intent", "has NetworkAccess"],
    });
    expect(found({ ...sought, exclude_ids: ["fetcher", "sleeper"] })).toEqual([]);
    expect(found({ intent: "" })).toEqual([["sleeper", 5]]);
  });
});
