/** What docs/approvals.md says is held against the limits; docs.test.ts does what it shows. */
import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { limits } from "../src/base/limits.ts";
import { spell } from "../src/cli/spell.ts";
import { approvalScopes } from "../src/contract/approval.ts";

const guide = readFileSync(new URL("../docs/approvals.md", import.meta.url), "utf8");
const words = guide.replaceAll(/\s+/g, " ");
const hour = 60 * 60_000;
const day = 24 * hour;

describe("docs/approvals.md", () => {
  it("names the limits that there are", () => {
    for (const said of [
      `A request waits for ${limits.approvalPendingMs / day} days`,
      `A refusal is remembered for ${limits.approvalRefusalMs / hour} hours`,
      `\`artifact\` and \`agent_revision\` reach for ${limits.approvalScopeMs / day} days, or until \`--expires\`, at most ${limits.approvalScopeMaxMs / day} days`,
      `asks at most ${limits.approvalsPerHour} times in an hour`,
    ]) {
      expect(words).toContain(said);
    }
    expect(spell(" ".repeat(199)).emptiness).toEqual([]);
    expect(spell(" ".repeat(200)).emptiness.length).toBe(1);
    expect(spell("\n".repeat(20)).emptiness).toEqual([]);
    expect(spell("\n".repeat(21)).emptiness.length).toBe(1);
    expect(words).toContain("200 blanks or more in a row, and more than 20 empty lines");
  });

  it("has a row for every scope", () => {
    for (const scope of approvalScopes) expect(guide).toContain(`\n| \`${scope}\` | `);
  });
});
