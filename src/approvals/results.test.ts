import { describe, expect, it } from "vitest";
import { noon, sampleRequest } from "../../test/support/sample-approvals.ts";
import { bindingParts } from "../contract/approval.ts";
import type { Finding } from "../contract/finding.ts";
import {
  type ApprovalResult,
  approvalExpired,
  approvalMismatch,
  approvalNotFound,
  approvalRejected,
  approvalRequired,
  approvalRevoked,
  askedTooOften,
  refusedBefore,
  replayed,
} from "./results.ts";

const id = "apr_0123456789abcdef0123456789abcdef";
const until = new Date(noon).toISOString();
const refusal = { id, until, note: "Not that host" };
const refusals: [string, ApprovalResult][] = [
  ["rejected", approvalRejected(id, null)],
  ["expired", approvalExpired(id)],
  ["revoked", approvalRevoked(id)],
  ["mismatch", approvalMismatch(id, ["hosts"])],
  ["not found", approvalNotFound(id)],
  ["refused before", refusedBefore(refusal)],
  ["asked too often", askedTooOften(60, 60)],
];

describe("what a model reads of an approval", () => {
  it.each(refusals)("that lets nothing run (%s) says so, and what to do instead", (_, result) => {
    expect(result.ok).toBe(false);
    expect(result.error_type).toMatch(/^(permission|resource)$/);
    expect(String(result.message).toLowerCase()).toContain("nothing was run");
    expect(String(result.message)).toMatch(/^[A-Z].*[^.]$/s);
    expect(String(result.repair_hint)).toMatch(/^[A-Z].*[^.]$/s);
  });

  it("tells refusal, expiry, revocation and change apart", () => {
    const marks = [
      ...["approval_rejected", "approval_expired", "approval_revoked", "approval_mismatch"],
    ];
    const marksOf = (result: ApprovalResult) => marks.filter((mark) => result[mark] === true);
    expect(marksOf(approvalRejected(id, null))).toEqual(["approval_rejected"]);
    expect(marksOf(approvalExpired(id))).toEqual(["approval_expired"]);
    expect(marksOf(approvalRevoked(id))).toEqual(["approval_revoked"]);
    expect(marksOf(approvalMismatch(id, []))).toEqual(["approval_mismatch"]);
    expect(marksOf(refusedBefore(refusal))).toEqual(["approval_rejected"]);
    expect(approvalExpired(id).message).toContain("It was not refused");
  });

  it("that is asked for has all that the agent needs to go on later, and the patterns once", () => {
    const found = (pattern: string, line: number): Finding => ({
      ...{ kind: "call" as const, file: "/tmp/a.py", line, pattern },
      ...{ host: "api.example.org:443", reason: "requests" },
    });
    const findings = [found("requests.get", 1), found("requests.get", 2), found("urlopen", 3)];
    const request = { ...sampleRequest(), findings, intent: "Look up the weather" };
    const remote = {
      remote_access_detected: true,
      detected_patterns: ["requests.get", "urlopen"],
      hosts: ["api.example.org:443"],
    };
    expect(approvalRequired(request)).toEqual({
      ...{ ok: false, exit_code: null, stdout: "", stderr: "", suspended: true },
      ...{ approval_required: true, request_id: request.request_id },
      ...{ approval_ref: request.request_id, intent: "Look up the weather", ...remote },
      message: expect.stringContaining("Nothing was run"),
      approval: {
        ...{ kind: "sandbox_exec", reason: request.rule, summary: request.summary },
        ...{ requested_by_agent_id: null, retry_field: "approval_ref" },
        ...{ expires_at: request.expires_at, subject: { ...request.subject, ...remote } },
      },
    });
    expect(approvalRequired(sampleRequest()).remote_access_detected).toBe(false);
  });

  it("that was refused has the person's own words, quoted, so that they end where they end", () => {
    expect(approvalRejected(id, 'Use the "mirror"\nplease').message).toContain(
      ': "Use the \\"mirror\\"\\nplease". Nothing was run',
    );
    expect(approvalRejected(id, "  ").message).toBe(approvalRejected(id, null).message);
    expect(approvalRejected(id, null)).toMatchObject({ approval_rejected: true, request_id: id });
  });

  it("that was refused before names the refusal, and until when nobody is asked", () => {
    expect(refusedBefore(refusal)).toMatchObject({ request_id: id, remembered_until: until });
    expect(refusedBefore(refusal).message).toContain('"Not that host"');
    expect(refusedBefore(refusal).message).toContain(until);
  });

  it.each(bindingParts)("that is for something else names what changed: %s", (part) => {
    const result = approvalMismatch(id, [part]);
    expect(result).toMatchObject({ error: "approval_mismatch", changed: [part], request_id: id });
    expect(result).not.toHaveProperty("changed_names");
    expect(String(result.message)).toMatch(/since then (the|what) [a-z' /]+ changed/);
  });

  it("that is for something else names single things where they are known", () => {
    const result = approvalMismatch(id, ["staged", "tmp"], ["main.py"]);
    expect(result).toMatchObject({ changed: ["staged", "tmp"], changed_names: ["main.py"] });
    expect(result.message).toContain("the files of the run's content, the files in /tmp (main.py)");
  });

  it("that is not there quotes what was asked for, and no more than an id's length of it", () => {
    const result = approvalNotFound(`"\n${"x".repeat(1_000)}`);
    expect(result.error).toBe("approval_not_found");
    expect(String(result.message).length).toBeLessThan(160);
    expect(result.message).toContain('"\\"\\nxxx');
  });

  it("when people were asked too often is a limit and not a refusal (G13)", () => {
    const result = askedTooOften(61, 60);
    expect(result).toMatchObject({ error_type: "resource", error: "approval_rate_limited" });
    expect(result).toMatchObject({ asked: 61 });
    expect(result.message).toContain("61 times");
    expect(result.message).toContain("60 is the limit");
    expect(result).not.toHaveProperty("approval_rejected");
  });

  it("when it ran before is the result that it had then, marked as such", () => {
    const recorded = { ok: false, exit_code: 3, stdout: "", stderr: "no" };
    expect(replayed(recorded)).toEqual({ ...recorded, replayed: true });
    expect(replayed({ exit_code: 0 })).toEqual({ ok: true, exit_code: 0, replayed: true });
    expect(replayed({ replayed: false })).toEqual({ ok: true, replayed: true });
    expect(replayed("text")).toEqual({ ok: true, result: "text", replayed: true });
    expect(replayed(null)).toEqual({ ok: true, result: null, replayed: true });
  });
});
