import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { InputPath, RunSubmission } from "./submission.ts";

const base = { model: "anthropic/claude-x", prompt: "p" };

function firstIssue(submission: unknown): { path: string; message: string } | undefined {
  const issue = RunSubmission.safeParse(submission).error?.issues[0];
  const path = [...(issue?.path ?? [])];
  // Of an agent inline and one by its id, the one that was meant.
  if (issue?.code === "invalid_union" && issue.errors.length > 0) {
    const meant = issue.errors.find(([inner]) => inner?.code !== "invalid_type")?.[0];
    path.push(...(meant?.path ?? []));
  }
  return issue && { path: path.join("."), message: issue.message };
}

describe("RunSubmission", () => {
  it("takes the smallest and the largest submission", () => {
    expect(RunSubmission.safeParse(base).success).toBe(true);
    const everything = {
      ...base,
      fallbackModel: "gpt-5",
      prompt: ["a", "b"],
      system: "s",
      agent: {
        id: "coder.default",
        name: "Coder",
        instructions: "x",
        capabilities: [
          { type: "CodeExecution", patterns: ["python3 ", "npm install", "python3 scripts/", "*"] },
          { type: "WriteAccess", scopes: ["self.*", "reports/*"] },
          { type: "NetworkAccess", hosts: ["*", "*.example.org", "example.org:8443"] },
          { type: "SandboxFunctions", allowed: ["knowledge.", "sandbox."] },
          { type: "AgentSpawn", max_children: 8, agents: ["coder.*"] },
          { type: "AgentMessage", patterns: ["*"] },
          { type: "BackgroundReevaluation", min_interval_secs: 60, allow_reasoning: false },
          { type: "EmergencyStop" },
          { type: "AgentInstall" },
          { type: "PromotionRecord", role: "auditor" },
        ],
        remote_access: { approval_mode: "preapproved", targets: [{ kind: "any" }] },
        limits: { max_memory_mb: 128, max_execution_time_sec: 60 },
      },
      files: [
        { path: "a/b.txt", content: "" },
        { path: "c", contentBase64: "AAEC", executable: true },
        { path: "d", slot: "file-0", sha256: `sha256:${"0".repeat(64)}` },
      ],
      outputDirs: ["/workspace/out"],
      limits: { wallClockSeconds: 1.5, turns: 1, calls: 1, outputTokens: 1, callSeconds: 0.5 },
      metadata: { nested: { list: [1, null, true] } },
      idempotencyKey: "k",
      secrets: { anthropic: { apiKey: "12345678" } },
    };
    expect(RunSubmission.safeParse(everything).error?.issues).toBeUndefined();
  });

  const agent = { instructions: "x", capabilities: [] };
  it.each([
    [{ model: "anthropic/claude-x" }, "prompt"],
    [{ ...base, message: "p" }, "prompt"],
    [{ model: "a/b" }, "prompt"],
    [{ ...base, model: "" }, "model"],
    [{ ...base, model: "../../etc" }, "model"],
    [{ ...base, prompt: " \n\t" }, "prompt"],
    [{ ...base, prompt: [] }, "prompt"],
    [{ ...base, prompt: ["a", " "] }, "prompt.1"],
    [{ ...base, prompt: 7 }, "prompt"],
    [{ ...base, unknown: 1 }, ""],
    [{ ...base, workspaceId: "ws" }, ""],
    [{ ...base, idempotencyKey: " " }, "idempotencyKey"],
    [{ ...base, idempotencyKey: "k".repeat(256) }, "idempotencyKey"],
    [{ ...base, secrets: { openai: { apiKey: "short" } } }, "secrets.openai.apiKey"],
    [{ ...base, secrets: { nobody: { apiKey: "12345678" } } }, "secrets"],
    [
      { ...base, secrets: { openai: { apiKey: "12345678", address: "http://x" } } },
      "secrets.openai",
    ],
    [{ ...base, limits: { turns: 0 } }, "limits.turns"],
    [{ ...base, limits: { turns: 1.5 } }, "limits.turns"],
    [{ ...base, limits: { wallClockSeconds: -1 } }, "limits.wallClockSeconds"],
    [{ ...base, limits: { wallClockSeconds: Number.NaN } }, "limits.wallClockSeconds"],
    [{ ...base, limits: { money: 1 } }, "limits"],
    [{ ...base, files: [{ path: "a" }] }, "files.0"],
    [{ ...base, files: [{ path: "a", content: "x", slot: "s" }] }, "files.0"],
    [{ ...base, files: [{ path: "../a", content: "x" }] }, "files.0.path"],
    [{ ...base, files: [{ path: "a", contentBase64: "?" }] }, "files.0.contentBase64"],
    [{ ...base, outputDirs: ["out"] }, "outputDirs.0"],
    [{ ...base, metadata: { x: Number.POSITIVE_INFINITY } }, "metadata.x"],
    [
      { ...base, agent: { ...agent, capabilities: [{ type: "AgentSpawn", max_children: 0 }] } },
      "agent.capabilities.0.max_children",
    ],
    [
      { ...base, agent: { ...agent, capabilities: [{ type: "CodeExecution", patterns: [""] }] } },
      "agent.capabilities.0.patterns.0",
    ],
    [
      { ...base, agent: { ...agent, capabilities: [{ type: "PowerOfAttorney" }] } },
      "agent.capabilities.0.type",
    ],
    [
      { ...base, agent: { ...agent, remote_access: { approval_mode: "never" } } },
      "agent.remote_access.approval_mode",
    ],
    [{ ...base, agent: { ...agent, id: "a..b" } }, "agent.id"],
  ])("refuses %j and names the field", (submission, path) => {
    const issue = firstIssue(submission);
    expect(issue?.path).toBe(path);
    expect(issue?.message).not.toBe("");
  });

  it("never throws, whatever it is given", () => {
    fc.assert(
      fc.property(fc.anything(), (value) => {
        RunSubmission.safeParse(value);
      }),
    );
  });
});

describe("InputPath", () => {
  it("takes no path that leaves /workspace or means two things", () => {
    const part = fc.oneof(fc.constantFrom("", ".", "..", "a"), fc.string({ unit: "binary" }));
    fc.assert(
      fc.property(fc.array(part, { minLength: 1 }), (parts) => {
        const path = parts.join("/");
        if (!InputPath.safeParse(path).success) return;
        const resolved = new URL(
          `file:///workspace/${path.split("/").map(encodeURIComponent).join("/")}`,
        );
        expect(decodeURIComponent(resolved.pathname)).toBe(`/workspace/${path}`);
      }),
    );
  });

  it.each([
    "",
    "/a",
    "a/",
    "a//b",
    "./a",
    "a/../b",
    "a\\b",
    "a\0b",
    "a\nb",
    "a".repeat(513),
    "é".repeat(150),
  ])("refuses %j", (path) => {
    expect(InputPath.safeParse(path).success).toBe(false);
  });

  it.each(["a", "a/b/c.txt", ".hidden", "with space", "ünïcode/🚀.txt", "-rf"])(
    "takes %j",
    (path) => {
      expect(InputPath.parse(path)).toBe(path);
    },
  );
});
