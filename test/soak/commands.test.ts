/**
 * Any text at all, held against any patterns: deciding never fails, always gives a reason with a no, and never lends the
 * permission of one command to what stands before or after it. `npm test` tries some hundred texts, a soak some hundred thousand.
 */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { readCommand } from "../../src/analysis/analysis.ts";
import { type Decision, decide, explain, type Need } from "../../src/policy/policy.ts";
import { isSoak, times } from "../support/soak.ts";

const seed = Number(process.env.AIRLOCK_SOAK_SEED ?? (isSoak ? Date.now() % 1_000_000 : 1));
const allowed = "python3 x.py";
const minutes = times(30, 2) * 60_000;

function needOf(command: string): Need {
  return {
    ...{ type: "CodeExecution", command: readCommand(command), shown: command, findings: [] },
    ...{ network: "granted", installsFrom: null, secrets: [] },
  };
}
const powerOf = (patterns: string[]) => ({
  capabilities: [{ type: "CodeExecution" as const, patterns }],
});
const verdict = (command: string, patterns = ["python3 "]): Decision =>
  decide(needOf(command), powerOf(patterns));

const piece = fc.constantFrom(
  ...["python3 ", "evil ", "rm ", "env ", "sh -c ", "eval ", "find . -exec ", "xargs ", "A=b "],
  ...[" ", "\n", "\t", ";", "&", "&&", "|", "||", "!", ">", "<", "<<A", "\nA\n", "<<<", ">&", "\\"],
  ...["'", '"', "`", "$(", "$((", "${", "$x", "$'", "<(", "(", ")", "((", "))", "{ ", "}", "[[ "],
  ...[
    "]]",
    "if ",
    "then ",
    "else ",
    "fi",
    "while ",
    "until ",
    "do ",
    "done",
    "for x in ",
    "case x",
  ],
  ...[" in ", "esac", ";;", "a)", "f() ", "#", "=", "*", "?", "[", "]", "~", "-", "--", "\r", "\0"],
  ...["é", "\u00a0", "\u200b", "\u202e", "\ud800", "😀"],
);
const shell = fc.array(piece, { maxLength: 24 }).map((pieces) => pieces.join(""));
const anything = fc.oneof(fc.string({ unit: "binary", maxLength: 300 }), shell, shell);
const someRuns = (soak: number) => ({ numRuns: times(soak, 500), seed });

describe(`any text, as a command (seed ${seed})`, () => {
  it(
    "gets a verdict and never an error, whatever the patterns are, and a no with what is wrong",
    () => {
      const pattern = fc.oneof(
        fc.constantFrom("*", "python3 ", "sh -c ", "sh ", "./x/", "rm", "e*"),
        shell,
      );
      fc.assert(
        fc.property(anything, fc.array(pattern, { maxLength: 4 }), (text, patterns) => {
          const need = needOf(text);
          const { decision, reasons, rule, hosts } = decide(need, powerOf(patterns));
          expect(reasons.length === 0).toBe(decision === "allow");
          expect(rule).not.toBe("");
          expect(hosts).toEqual([]);
          for (const { token, offset } of reasons) {
            expect(typeof token === "string" && offset !== null && offset <= text.length).toBe(
              true,
            );
          }
          expect(explain(need, powerOf(patterns)).decision).toBe(decision);
        }),
        someRuns(300_000),
      );
    },
    minutes,
  );

  it(
    "lends nothing to what stands after it, and gets nothing from what stands before it",
    () => {
      // Here-documents take what follows as their text, and a backslash takes the line end.
      const whole = anything.filter((text) => !text.includes("<<") && !text.endsWith("\\"));
      fc.assert(
        fc.property(whole, (text) => {
          for (const larger of [`${allowed}${text}`, `${text}\n${allowed}`]) {
            const { decision } = verdict(larger);
            if (decision !== "allow") continue;
            expect(verdict(`${larger}\nevil x`).decision, larger).toBe("deny");
            expect(verdict(`evil x\n${larger}`).decision, larger).toBe("deny");
            expect(verdict(`${larger}\nrm x`, ["*"]).decision, larger).toBe("deny");
          }
        }),
        someRuns(200_000),
      );
    },
    minutes,
  );

  it(
    "is allowed behind an allowed command only where it is allowed alone",
    () => {
      const between = fc.constantFrom(";", "\n", " && ", " || ", " | ", " & ");
      fc.assert(
        fc.property(anything, between, (text, separator) => {
          fc.pre(!text.endsWith("\\") && !text.startsWith(">"));
          const ways = [`${allowed}${separator}${text}`, `${text}${separator}${allowed}`];
          if (ways.every((way) => verdict(way).decision !== "allow")) return;
          expect(verdict(text).decision, text).not.toBe("deny");
        }),
        someRuns(200_000),
      );
    },
    minutes,
  );
});
