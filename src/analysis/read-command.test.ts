import { spawnSync } from "node:child_process";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { readCommand } from "./analysis.ts";
import { realScripts, refused } from "./shell-scripts.testing.ts";

const programs = (text: string) => readCommand(text).commands.map(({ program }) => program);

/** Whether bash takes the text for a script; it only reads it. */
function bashAccepts(text: string): boolean {
  const { status, error } = spawnSync("bash", ["-n"], { input: text });
  if (error) throw new Error("bash is missing: install the package bash", { cause: error });
  return status === 0;
}

const isUnread = (text: string) => {
  const { commands, opaque } = readCommand(text);
  return opaque.length > 0 || commands.length === 0;
};

describe("readCommand()", () => {
  it("finds every program of real scripts, in the order in which they stand", () => {
    for (const { text, programs: expected } of realScripts) {
      expect(programs(text), text).toEqual(expected);
      expect(readCommand(text).opaque, text).toEqual([]);
      expect(bashAccepts(text), text).toBe(true);
    }
  });

  it("says where each word stands in the whole command", () => {
    const text = "cd x && env A=1 'py'thon3 -c 'print(1)' \"$HOME\" | tee y";
    const [cd, python, tee] = readCommand(text).commands;
    expect(cd?.offset).toBe(0);
    expect(python?.offset).toBe(text.indexOf("'py'"));
    expect(python?.words.map(({ text: word }) => word)).toEqual([
      ...["python3", "-c", "print(1)", '"$HOME"'],
    ]);
    expect(python?.words.map(({ dynamic }) => dynamic)).toEqual([false, false, false, true]);
    expect(python?.via).toEqual(["env"]);
    expect(tee?.words.map(({ offset }) => text.slice(offset, offset + 3))).toEqual(["tee", "y"]);
  });

  it("knows in whose text a command stands", () => {
    const { commands } = readCommand("ls; bash -lc 'a; sh -c \"b\"'; c");
    expect(commands.map(({ program, inside, via }) => [program, inside, via])).toEqual([
      ["ls", null, []],
      ["bash", null, []],
      ["a", 1, ["bash -c"]],
      ["sh", 1, ["bash -c"]],
      ["b", 3, ["bash -c", "sh -c"]],
      ["c", null, []],
    ]);
  });

  it("hands over the code and the files that interpreters are given", () => {
    const text = [
      "python3 -uc 'import a'",
      "node --print 'b()'",
      "python3 - x <<'EOF'\nimport c\nEOF",
      "perl -ne 'd'",
      "python3 -m e.f",
      "./g.sh && . h.sh && bash i.sh && node --import ./j.mjs k.js && go run l.go",
    ].join("\n");
    const { payloads, scripts, opaque } = readCommand(text);
    expect(payloads.map(({ language, code, line }) => [language, code, line])).toEqual([
      ["python", "import a", 1],
      ["javascript", "b()", 2],
      ["python", "import c\n", 4],
      ["other", "d", 6],
    ]);
    expect(scripts.map(({ path, module }) => [path, module ?? false])).toEqual([
      ...[["e.f", true] as const, ["./g.sh", false] as const, ["h.sh", false] as const],
      ...[
        ["i.sh", false],
        ["./j.mjs", false],
        ["k.js", false],
        ["l.go", false],
      ],
    ]);
    expect(opaque).toEqual([]);
  });

  it("follows a variable only when nothing else can have set it", () => {
    expect(programs("A=ls; $A")).toEqual(["ls"]);
    expect(programs("A=ls\nB=$A-l && export C=x\n$B; ${C}")).toEqual(["export", "ls-l", "x"]);
    const unsure = [
      ...["$A; A=ls", "A=ls; A=rm; $A", "A=ls | $A", "A=ls & $A", "if x; then A=ls; fi; $A"],
      ...["A=ls; read A; $A", "A=ls; eval B=1; $A", "A=ls; . x; $A", "A=ls x; $A", "A+=ls; $A"],
      ...["A=ls; for A in rm; do $A; done", "A=ls; : ${A:=x}; $A", "A=ls; ((A=1)); $A"],
      ...["A=$B; $A", "RANDOM=ls; $RANDOM", "A=l*; $A", "f() { A=rm; }; A=ls; f; $A"],
      ...["x && A=ls; $A", "A=ls; printf -v A rm; $A", "A=ls; unset A; $A", "A=ls; sh -c '$A'"],
    ];
    for (const text of unsure) expect(readCommand(text).opaque, text).not.toEqual([]);
  });

  it("reads the same command once", () => {
    const text = "ls -l; echo once";
    expect(readCommand(text)).toBe(readCommand(text));
  });

  it("says that it is opaque when it is too much, too deep or too long", () => {
    const deep = Array.from({ length: 12 }).reduce<string>(
      (inner) => `sh -c ${JSON.stringify(inner).replaceAll("$", "\\$")}`,
      "ls",
    );
    const bad = [
      ...[deep, "ls;".repeat(30_000), `${"$(".repeat(3_000)}ls${")".repeat(3_000)}`],
      ...[`${"env ".repeat(50)}ls`, "(".repeat(20_000), `eval ${"x ".repeat(3_000_000)}`],
    ];
    for (const text of bad) expect(isUnread(text), text.slice(0, 40)).toBe(true);
  });
});

const piece = fc.constantFrom(
  ...[
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
    "[[",
    "]]",
    "<<A",
    "\nA\n",
  ],
  ...[
    " ",
    "\n",
    ";",
    "&&",
    "||",
    "|",
    "&",
    ">",
    "<",
    "<<<",
    "{",
    "if ",
    "then ",
    "fi",
    "case x in",
  ],
  ...["esac", "for x in", "do ", "done", "\\", "#", "=", "a=b", "eval ", "sh -c ", "env ", "find "],
  ...[
    "-exec ",
    "xargs ",
    "python3 -c ",
    "git -c ",
    "sed ",
    "awk ",
    "tar ",
    "\u0000",
    "\u00a0",
    "é",
  ],
);

describe("any text at all", () => {
  it("is read without an error, and every place lies inside it", () => {
    const anything = fc.oneof(
      fc.string({ unit: "binary", maxLength: 200 }),
      fc.array(piece, { maxLength: 30 }).map((pieces) => pieces.join("")),
    );
    fc.assert(
      fc.property(anything, (text) => {
        const read = readCommand(text);
        const places = [
          ...read.commands.flatMap(({ words }) => words),
          ...[...read.opaque, ...read.payloads, ...read.scripts, ...read.redirects],
          ...read.writes.map(({ path }) => path),
        ];
        for (const { offset } of places) {
          expect(offset).toBeGreaterThanOrEqual(0);
          expect(offset).toBeLessThanOrEqual(text.length);
        }
        for (const { inside } of read.commands) {
          expect(inside === null || inside < read.commands.length).toBe(true);
        }
        expect(read.opaque.every(({ reason }) => !reason.startsWith("Cannot be read"))).toBe(true);
      }),
      { numRuns: 3_000 },
    );
  });
});

describe("what bash refuses", () => {
  it("is opaque or starts nothing", () => {
    for (const text of refused) {
      expect(bashAccepts(text), text).toBe(false);
      expect(isUnread(text), text).toBe(true);
    }
  });

  it("is opaque or starts nothing, also when it was broken by chance", () => {
    const real = fc.constantFrom(...realScripts.map(({ text }) => text));
    const broken = fc
      .tuple(real, fc.nat(), fc.nat({ max: 8 }), piece)
      .map(([text, at, length, put]) => {
        const from = at % text.length;
        return text.slice(0, from) + put + text.slice(from + length);
      })
      .filter((text) => !text.includes("\u0000"));
    fc.assert(
      fc.property(broken, (text) => {
        fc.pre(!bashAccepts(text));
        expect(isUnread(text), text).toBe(true);
      }),
      // Always the same texts: the parser may be kinder than bash somewhere yet, which costs nothing, since bash then
      // runs nothing; a test that fails once in a while would.
      { numRuns: 200, seed: 20 },
    );
  });
});
