import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { readCommand } from "../analysis/analysis.ts";
import { corpus } from "./command-corpus.testing.ts";
import { type Decision, decide } from "./policy.ts";

const onlyPython = ["python3 "];
const allowed = "python3 x.py";

function verdict(command: string, patterns: readonly string[] = onlyPython): Decision {
  return decide(
    {
      ...{ type: "CodeExecution", command: readCommand(command), shown: command, findings: [] },
      ...{ network: "granted", installsFrom: null, secrets: [] },
    },
    { capabilities: [{ type: "CodeExecution", patterns: [...patterns] }] },
  );
}

/** Ways to put one command, or two, into a larger one. */
const around: ((one: string, other: string) => string)[] = [
  ...[";", "\n", " && ", " || ", " | ", " |& ", " & ", " # x\n", " ;\n\n\t"].map(
    (between) => (one: string, other: string) => `${one}${between}${other}`,
  ),
  (one, other) => `( ${one}; ${other} )`,
  (one, other) => `{ ${one}; ${other}; }`,
  (one, other) => `if ${one}; then ${other}; fi`,
  (one, other) => `if python3; then python3 a; elif ${one}; then ${other}; else python3 b; fi`,
  (one, other) => `while ${one}; do ${other}; done`,
  (one, other) => `until ${one}\ndo ${other}\ndone > /dev/null`,
  (one, other) => `for i in $( ${one} ); do ${other}; done`,
  (one, other) => `for ((i = 0; i < $( ${one} ); i++)); do ${other}; done`,
  (one, other) => `case $( ${one} ) in a | b) ${other} ;; *) python3 ;; esac`,
  (one, other) => `f() { ${one}; }; ${other}`,
  (one, other) => `python3 "a $( ${one} ) b" > x; ${other}`,
  (one, other) => `python3 <(${one}) >(${other})`,
  (one, other) => `A=$( ${one} ) B=\${C:-$( ${other} )} python3 x`,
  (one, other) => `python3 $((1 + $( ${one} ))) \${x/$( ${other} )/y}`,
  (one, other) => {
    const end = `E${one.length}_${other.length}`;
    return `python3 x <<${end}\n$( ${one} )\n${end}\n${other}`;
  },
  (one, other) => `python3 <<< "$( ${one} )" && ${other}`,
  (one, other) => `[[ -n $( ${one} ) && a == "$( ${other} )" ]]`,
  (one, other) => `(( $( ${one} ) )) || ! ${other}`,
  (one, other) => `A="\${x//$( ${one} )/'$( ${other} )'}"`,
  (one, other) => `A=\${x#$( ${one} )} B=\${x:$( ${other} ):1}`,
  (one, other) => `A=\${x[$( ${one} )]} B=\${x^^$( ${other} )} C="\${x%%"$( ${other} )"}"`,
  (one, other) => `A=([$( ${one} )]=$( ${other} )) b[$( ${one} )]=1`,
  (one, other) => `a=( $( ${one} ) "$( ${other} )" )`,
  (one, other) => `coproc ${one.includes("\n") ? `{ ${one}; }` : one}; ${other}`,
  (one, other) => `timeout 5 env A="$( ${one} )" python3 x; time -p ${other}`,
];

const evils = ["/a/evil 'x)' \"}\"", "evil ':' / } '`' # x\n", 'e""vil "\\"" \\)'];

/** A command of many parts; one of its leaves is given, all others may run. */
function nested(leaf: string): fc.Arbitrary<string> {
  return fc
    .array(fc.record({ way: fc.nat(around.length - 1), first: fc.boolean() }), {
      minLength: 1,
      maxLength: 4,
    })
    .map((ways) =>
      ways.reduce((inner, { way, first }) => {
        const build = around[way] ?? (() => inner);
        const harmless = "python3 y";
        return first ? build(inner, harmless) : build(harmless, inner);
      }, leaf),
    );
}

describe("a command that no pattern covers", () => {
  it("is found wherever it is hidden, with the place where it stands", () => {
    fc.assert(
      fc.property(nested("evil x"), (text) => {
        const { decision, reasons } = verdict(text);
        expect(decision, text).toBe("deny");
        const found = reasons.filter(({ token }) => token === "evil");
        expect(found, text).not.toEqual([]);
        // In a replacement with quotes the place is that of the whole expansion.
        for (const { offset } of found) {
          expect(text.slice(offset ?? 0), text).toMatch(/^(evil x|\$\{x\/)/);
        }
      }),
      { numRuns: 1_000 },
    );
  });

  it("is not run, whatever its words would end", () => {
    fc.assert(
      fc.property(fc.constantFrom(...evils).chain(nested), (text) => {
        expect(verdict(text).decision, text).not.toBe("allow");
      }),
      { numRuns: 1_000 },
    );
  });

  it("is not seen where there is none", () => {
    fc.assert(
      fc.property(nested(allowed), (text) => {
        const { reasons } = verdict(text);
        expect(
          reasons.filter(({ rule }) => rule !== "opaque_command"),
          text,
        ).toEqual([]);
      }),
      { numRuns: 500 },
    );
  });
});

describe("a command that is forbidden", () => {
  it("is found wherever it is hidden, for an agent that may run everything", () => {
    const evil = fc.constantFrom("rm x", "/bin/r\\m x", "env A=1 'rm' x", "sudo x", "busybox rm x");
    fc.assert(
      fc.property(
        evil.chain((leaf) => nested(leaf)),
        (text) => {
          expect(verdict(text, ["*"]).decision, text).toBe("deny");
        },
      ),
      { numRuns: 500 },
    );
  });
});

const separator = fc.constantFrom(";", "\n", "&&", "||", "|", "&", " ; ", "\n\n");
const piece = fc.constantFrom(
  ...[
    "python3 ",
    "python3",
    "ls",
    "rm",
    "$x",
    "'",
    '"',
    "`",
    "$(",
    ")",
    "${",
    "}",
    "((",
    "))",
    "-",
  ],
  ...[" ", "\n", ";", "&&", "||", "|", "&", ">", "<", "<<A", "\nA\n", "<<<", "{ ", "if ", "then "],
  ...["fi", "case x in", "esac", "for x in", "do ", "done", "\\", "#", "=", "A=b ", "env ", "-c "],
);
const anything = fc.array(piece, { maxLength: 12 }).map((pieces) => pieces.join(""));

describe("an allowed command", () => {
  it("lends nothing to what stands before it", () => {
    fc.assert(
      fc.property(anything, separator, (before, between) => {
        // A backslash makes the separator part of a word.
        fc.pre(!before.endsWith("\\"));
        if (verdict(before + between + allowed).decision !== "allow") return;
        expect(verdict(before).decision, before).not.toBe("deny");
      }),
      { numRuns: 2_000 },
    );
  });

  it("lends nothing to what stands after it", () => {
    fc.assert(
      fc.property(separator, anything, (between, after) => {
        // `&>` is a redirect.
        fc.pre(!(between.endsWith("&") && after.startsWith(">")));
        if (verdict(allowed + between + after).decision !== "allow") return;
        expect(verdict(after).decision, after).not.toBe("deny");
      }),
      { numRuns: 2_000 },
    );
  });

  it("is no longer the same when anything is substituted in it", () => {
    for (const more of ["$(", "`", "<(", ">(", '"$(', "${x:-$(", "$((1+$("]) {
      expect(verdict(`${allowed} ${more}`).decision, more).not.toBe("allow");
      expect(verdict(`${allowed} ${more}ls`).decision, more).not.toBe("allow");
    }
  });
});

describe("a verdict", () => {
  it("does not change with white space around it", () => {
    const blank = fc.stringMatching(/^[ \t\n]{0,4}$/);
    const sample = fc.constantFrom(...corpus.filter(({ command }) => !command.includes("<<")));
    fc.assert(
      fc.property(sample, blank, blank, ({ command, verdict: expected, patterns }, left, right) => {
        const after = command.endsWith("\\") ? "" : right;
        expect(verdict(`${left}${command}${after}`, patterns).decision).toBe(expected);
      }),
      { numRuns: 2_000 },
    );
  });

  it("does not change with white space between words", () => {
    const word = fc.constantFrom(
      "python3",
      "rm",
      "ls",
      "-c",
      "'a b'",
      '"$x"',
      "env",
      "A=1",
      "x;",
      "&&",
    );
    const blank = fc.constantFrom(" ", "  ", "\t", " \\\n ", "\t ");
    fc.assert(
      fc.property(fc.array(fc.tuple(word, blank), { maxLength: 10 }), (parts) => {
        const plain = parts.map(([text]) => text).join(" ");
        const wide = parts.map(([text, space]) => text + space).join("");
        expect(verdict(wide).decision).toBe(verdict(`${plain} `).decision);
        expect(verdict(wide, ["*"]).decision).toBe(verdict(`${plain} `, ["*"]).decision);
      }),
      { numRuns: 1_000 },
    );
  });
});
