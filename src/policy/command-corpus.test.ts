import { describe, expect, it } from "vitest";
import { readCommand } from "../analysis/analysis.ts";
import { corpus } from "./command-corpus.testing.ts";
import { decide, type Need } from "./policy.ts";

const need = (command: string): Need => ({
  type: "CodeExecution",
  command: readCommand(command),
  shown: command,
  findings: [],
  network: "granted",
  installsFrom: null,
  secrets: [],
});

describe("the corpus of commands", () => {
  it("has more than 150 commands of every kind of attack", () => {
    expect(corpus.length).toBeGreaterThan(400);
  });

  it("gets the verdict that each of its commands deserves", () => {
    const wrong = corpus.flatMap(({ command, verdict, patterns }) => {
      const power = { capabilities: [{ type: "CodeExecution" as const, patterns: [...patterns] }] };
      const { decision, rule, reasons } = decide(need(command), power);
      const says = reasons.map((one) => `${one.rule} ${one.token ?? ""}`).join("; ");
      if (decision === verdict) return [];
      return [
        `${JSON.stringify(command)} with ${patterns.join("|")}: ${decision}, not ${verdict} (${rule}; ${says})`,
      ];
    });
    expect(wrong).toEqual([]);
  });

  it("gets a reason for each refusal that names the token, where it stands and the way out", () => {
    const wrong = corpus.flatMap(({ command, verdict, patterns }) => {
      const power = { capabilities: [{ type: "CodeExecution" as const, patterns: [...patterns] }] };
      const { rule, reasons, repairHint } = decide(need(command), power);
      if (verdict !== "deny") return [];
      const told = rule.startsWith("sandbox command denied by CodeExecution policy: ");
      const placed = reasons.every(
        ({ token, offset }) => token !== null && offset !== null && offset <= command.length,
      );
      return told && placed && repairHint ? [] : [`${JSON.stringify(command)}: ${rule}`];
    });
    expect(wrong).toEqual([]);
  });
});
