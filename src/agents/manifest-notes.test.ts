import { describe, expect, it } from "vitest";
import { parseAgent } from "./agents.ts";

const written = (more: string, { name = "x", capabilities = "[]", body = "Go." } = {}) =>
  `---
name: ${name}
description: Does it.
metadata:
  airlock:
    agent: {id: x}
    llm_config: {provider: anthropic, model: claude-sonnet-4-5}
    capabilities: ${capabilities}
    ${more}
---
${body}
`;
const notesOf = (skill: string) => parseAgent({ skill, files: [] }).notes;

describe("a note", () => {
  it.each([
    ["background: {enabled: true}", "background"],
    ["disclosure: {rules: []}", "disclosure"],
    ["middleware: {pre_process: x}", "middleware"],
    ["limits: {token_budget_monthly: 5}", "limits.token_budget_monthly"],
    ["io: {returns: {type: object}}", "io.returns"],
    ["io: {output_policy: {min_artifact_builds: 1}}", "io.output_policy"],
    ["response_contract: {min_artifact_builds: 1}", "response_contract"],
    ["mcp_servers: [{name: docs, url: 'https://example.org'}]", "mcp_servers.0.name"],
  ])("says that %s has no effect, on its line", (more, path) => {
    expect(notesOf(written(more))).toEqual([
      { line: 9, path, message: expect.any(String), remedy: expect.any(String) },
    ]);
  });

  it.each([
    "{type: BackgroundReevaluation, min_interval_secs: 60, allow_reasoning: false}",
    "{type: EmergencyStop}",
    "{type: AgentInstall}",
    "{type: PromotionRecord, role: auditor}",
  ])("says that the capability %s opens nothing yet", (capability) => {
    expect(notesOf(written("", { capabilities: `[${capability}]` }))).toEqual([
      expect.objectContaining({ line: 8, path: "capabilities.0.type" }),
    ]);
  });

  it("says what *.example.org leaves out, unless that is there as well", () => {
    const hosts = (list: string) => `[{type: NetworkAccess, hosts: [${list}]}]`;
    const [note] = notesOf(written("", { capabilities: hosts('"*.example.org"') }));
    expect(note?.remedy).toBe("Add example.org if it is meant too");
    const both = hosts('"*.example.org", example.org');
    expect(notesOf(written("", { capabilities: both }))).toEqual([]);
  });

  it("says what other readers of skills would refuse", () => {
    const skill = written("")
      .replace("{id: x}", "{id: My.Agent}")
      .replace("name: x", "name: My.Agent");
    expect(notesOf(skill)).toEqual([expect.objectContaining({ line: 2, path: "name" })]);
    expect(notesOf(skill)[0]?.remedy).toContain("my-agent");
    const long = written("").replace("Does it.", "x".repeat(1025));
    expect(notesOf(long)).toEqual([expect.objectContaining({ line: 3, path: "description" })]);
    expect(notesOf(written("", { body: "- a\n".repeat(500) }))).toEqual([
      expect.objectContaining({ line: 11, path: "" }),
    ]);
  });

  it("says which of two manifests is read", () => {
    const skill = written("").replace("---\nGo", "  autonoetic: {anything: 1}\n---\nGo");
    expect(notesOf(skill)).toEqual([
      expect.objectContaining({ line: 10, path: "metadata.autonoetic" }),
    ]);
  });
});
