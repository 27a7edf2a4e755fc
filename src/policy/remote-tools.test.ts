import { describe, expect, it } from "vitest";
import type { Capability } from "../contract/agent.ts";
import { decide, mayCallSome, type Power } from "./policy.ts";

const may = (...allowed: string[]): Capability[] => [{ type: "SandboxFunctions", allowed }];
const host = "mcp.example.com:443";
const need = (preapproved = false) => ({
  ...({ type: "SandboxFunctions", name: "mcp_github_create_issue" } as const),
  remote: { server: "github", host, preapproved },
});

describe("a tool of a remote server", () => {
  const rows: [string, Power, boolean, "allow" | "ask" | "deny"][] = [
    ["is asked about", { capabilities: may("mcp_") }, false, "ask"],
    ["is asked about, by a dotted rule", { capabilities: may("mcp.github.") }, false, "ask"],
    [
      "is asked about, by its own name",
      { capabilities: may("mcp_github_create_issue") },
      false,
      "ask",
    ],
    ["is allowed when it is preapproved", { capabilities: may("mcp_github_*") }, true, "allow"],
    ["is denied without the capability", { capabilities: [] }, true, "deny"],
    [
      "is denied when only another server is covered",
      { capabilities: may("mcp_gitlab_") },
      true,
      "deny",
    ],
    [
      "is denied when only another tool is covered",
      { capabilities: may("mcp_github_get_") },
      true,
      "deny",
    ],
    [
      "is denied when the grant of the run tree lacks it (I13)",
      { capabilities: may("mcp_"), grants: [may("knowledge.")] },
      ...([true, "deny"] as const),
    ],
    [
      "is denied when one grant of many lacks it (I13)",
      { capabilities: may("mcp_"), grants: [may("mcp_"), []] },
      ...([true, "deny"] as const),
    ],
    [
      "is asked about within a grant",
      { capabilities: may("mcp_"), grants: [may("mcp_github_")] },
      ...([false, "ask"] as const),
    ],
    [
      "is denied where an agent asks nobody",
      { capabilities: may("mcp_"), remoteAccess: { approval_mode: "deny" } },
      ...([false, "deny"] as const),
    ],
    [
      "is allowed where an agent asks nobody and it is preapproved",
      { capabilities: may("mcp_"), remoteAccess: { approval_mode: "deny" } },
      ...([true, "allow"] as const),
    ],
    [
      "needs no NetworkAccess, and gets nothing else from having it",
      { capabilities: [...may("mcp_"), { type: "NetworkAccess", hosts: ["*"] }] },
      ...([false, "ask"] as const),
    ],
  ];
  it.each(rows)("%s", (_name, power, preapproved, expected) => {
    const { decision, hosts, askedHosts, rule } = decide(need(preapproved), power);
    expect(decision).toBe(expected);
    expect(rule).not.toBe("");
    expect({ hosts, askedHosts }).toEqual({
      hosts: decision === "allow" ? [host] : [],
      askedHosts: decision === "ask" ? [host] : [],
    });
  });

  it("says what would allow it without a question", () => {
    expect(decide(need(), { capabilities: may("mcp_") }).reasons).toMatchObject([
      {
        rule: "not_preapproved",
        token: "mcp_github_create_issue",
        narrowest_change: "Add it to preapproved where github is declared",
      },
    ]);
  });
});

describe("a server", () => {
  it.each([
    [["mcp_"], true],
    [["mcp.github."], true],
    [["mcp_github_get_issue"], true],
    [["mcp_gitlab_", "mcp_git_"], false],
    [["knowledge."], false],
    [[], false],
  ])("of which %j is covered is reached: %s", (allowed, expected) => {
    expect(mayCallSome({ capabilities: may(...allowed) }, "mcp_github_")).toBe(expected);
    const grants = [may(...allowed)];
    expect(mayCallSome({ capabilities: may("mcp_"), grants }, "mcp_github_")).toBe(expected);
  });
});
