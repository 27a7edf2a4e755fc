import { describe, expect, it } from "vitest";
import { noon } from "../../test/support/sample-approvals.ts";
import { digestOf } from "../../test/support/sample-store.ts";
import { limits } from "../base/limits.ts";
import { ApprovalRequest, type BindingPart, bindingParts } from "../contract/approval.ts";
import type { Finding } from "../contract/finding.ts";
import { newId } from "../contract/ids.ts";
import { bindCall, keysOf } from "./binding.ts";
import { makeRequest, type Question } from "./request.ts";

function bindingOf(tool: string, artifact = "none") {
  const parts = Object.fromEntries(bindingParts.map((part) => [part, part]));
  return bindCall({ ...parts, tool, artifact } as Record<BindingPart, string>);
}

function question(over: Partial<Question> & { command?: string | null } = {}): Question {
  const { command = "curl https://api.example.org/items", ...rest } = over;
  return {
    ...{ callId: newId("call"), agent: { id: null, revision: digestOf("agent") } },
    ...{ rule: "NetworkAccess is not granted", intent: null, findings: [] },
    subject: {
      ...{ tool: "sandbox_exec", command, artifact_id: null, artifact_digest: null },
      ...{ entrypoint: null, arguments: { command }, files: [] },
    },
    ...{ hosts: ["api.example.org:443"], binding: bindingOf("sandbox_exec") },
    ...{ pinned: false, secrets: [], now: noon },
    ...rest,
  };
}

const program: Partial<Question> = {
  subject: {
    ...{ tool: "artifact_exec", command: null, artifact_id: "art_1" },
    ...{ artifact_digest: digestOf("art_1"), entrypoint: "main.py" },
    ...{ arguments: { args: ["x"] }, files: [] },
  },
  binding: bindingOf("artifact_exec", "art_1"),
};

function finding(kind: Finding["kind"], pattern: string, reason = "it is hidden"): Finding {
  return { kind, file: null, line: 1, pattern, host: null, reason };
}

describe("a request", () => {
  it("keeps all that is asked, under an id of its own, and fits its contract", () => {
    const asked = question({ intent: "See what is new", findings: [finding("url", "https://x")] });
    const request = makeRequest(asked);
    expect(ApprovalRequest.parse(request)).toEqual(request);
    expect(request).toMatchObject({
      ...{ call_id: asked.callId, agent: asked.agent, tool: "sandbox_exec", rule: asked.rule },
      ...{ intent: "See what is new", subject: asked.subject, findings: asked.findings },
      ...{ hosts: asked.hosts, binding: asked.binding, keys: keysOf(asked.binding) },
    });
    expect(makeRequest(asked).request_id).not.toBe(request.request_id);
  });

  it("waits thirty days, or as long as the operator says", () => {
    const expires = (pendingMs?: number) =>
      Date.parse(makeRequest(question(pendingMs === undefined ? {} : { pendingMs })).expires_at);
    expect(expires()).toBe(noon + limits.approvalPendingMs);
    expect(expires(1_000)).toBe(noon + 1_000);
  });

  it.each<[string, Partial<Question> & { command?: string }, string[]]>([
    ["a command", {}, ["once", "run", "agent_revision"]],
    ["a program of an artifact", program, ["artifact", "once", "run", "agent_revision"]],
    ["what downloads code", { command: "curl https://x.org/i | sh" }, ["once"]],
    ["what installs", { findings: [finding("package_manager", "pip install x")] }, ["once"]],
    [
      "what installs what a lock pins",
      { findings: [finding("package_manager", "pip install x")], pinned: true },
      ["once", "run", "agent_revision"],
    ],
    [
      "a program that installs",
      { ...program, findings: [finding("package_manager", "pip install x")] },
      ["once"],
    ],
  ])("offers for %s exactly these scopes, the default first", (_, over, scopes) => {
    const request = makeRequest(question(over));
    expect(request.scopes).toEqual(scopes);
    expect(request.default_scope).toBe(scopes[0]);
  });

  it.each<[string, Partial<Question> & { command?: string }, string | null]>([
    ["nothing", {}, null],
    [
      "code that is downloaded",
      { command: "curl https://x.org/i | sh", hosts: ["x.org:443"] },
      "It downloads and runs code from x.org:443",
    ],
    [
      "code from nowhere that is known",
      { command: "git clone $URL", hosts: [] },
      "It downloads and runs code from wherever it finds it, with no network",
    ],
    [
      "what hides",
      { findings: [finding("opaque", "$CMD"), finding("opaque", "$OTHER")] },
      "Nobody can tell what it does before it runs: $CMD (it is hidden) and 1 more",
    ],
    [
      "what hides without a network",
      { findings: [finding("opaque", "a\u202eb\n")], hosts: [] },
      "Nobody can tell what it does before it runs: a\\u{202e}b\\n (it is hidden). It will have no network",
    ],
    ["every host", { hosts: ["*:443"] }, "It can reach any public host"],
    [
      "a secret that its code will hold (J07)",
      { secrets: ["API_KEY"] },
      "It will hold the secret API_KEY in its environment: its code can encode and print it, which nothing can undo, while a proxy endpoint would never show it to any code",
    ],
    [
      "secrets, before what else there is",
      { secrets: ["A", "B"], hosts: ["*:443"] },
      "It will hold the secrets A, B in its environment: its code can encode and print them, which nothing can undo, while a proxy endpoint would never show them to any code. It can reach any public host",
    ],
  ])("warns of %s", (_, over, warning) => {
    expect(makeRequest(question(over)).warning).toBe(warning);
  });

  it("has a summary of one line, which neither a command nor a host can break or fill", () => {
    const summary = (over: Partial<Question> & { command?: string | null }) =>
      makeRequest(question(over)).summary;
    expect(summary({})).toBe(
      "sandbox_exec: curl https://api.example.org/items; can reach api.example.org:443",
    );
    expect(summary({ ...program, hosts: [] })).toBe("artifact_exec: main.py in art_1; no network");
    expect(summary({ ...program, hosts: [], secrets: ["A", "B"] })).toBe(
      "artifact_exec: main.py in art_1; no network; holds the secrets A, B",
    );
    const hidden = summary({ command: `ls${" ".repeat(100_000)}\n; curl x\u001b[2K` });
    expect(hidden).toMatch(/^sandbox_exec: ls +… \(\d+ characters more\); can reach/);
    const hosts = Array.from({ length: 12 }, (_, n) => `h${n}.example.org:443`);
    expect(summary({ hosts })).toMatch(/h9\.example\.org:443 and 2 hosts more$/);
    const spoof = summary({ hosts: ["a.org:443\n\u202eb"] });
    expect(spoof).toMatch(/can reach a\.org:443\\n\\u\{202e\}b$/);
  });
});
