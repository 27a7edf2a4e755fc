import { describe, expect, it } from "vitest";
import { readCommand } from "../analysis/analysis.ts";
import { readPatterns } from "./command-patterns.ts";

/** The pattern that lets the last command of a text run. */
function admitting(text: string, ...patterns: string[]): string | undefined {
  const read = readCommand(text);
  return readPatterns(patterns).admits(read, read.commands.length - 1);
}

describe("a pattern of words", () => {
  it.each<[string, string[], string[]]>([
    [
      "python3 ",
      ["python3", "python3 x.py -v", "/usr/bin/python3 x", "python3 $x"],
      ["python3.11 x", "./python3 x", "python", "ls"],
    ],
    [
      "npm install",
      ["npm install", "npm install left-pad", "npm 'install' x"],
      ["npm", "npm installer", "npm -g install", "npm $x", "npx install", "install npm"],
    ],
    ["  npm \t install ", ["npm install x"], ["npm ci"]],
    ["npm *", ["npm", "npm x"], ["npmx"]],
    ["npm run test*", ["npm run test", "npm run test:unit"], ["npm run tes", "npm test x"]],
    ["scripts/", ["scripts/a.sh", "scripts/b/c x"], ["other/a.sh", "scripts/../a.sh", "scripts"]],
    ["python3 scripts/", ["python3 scripts/a.py x"], ["python3 a.py", "python3 scripts/../../a"]],
    ["pyth*", ["python3 x", "python"], ["ruby", "pyt"]],
    ["./run", ["./run", "./run x"], ["run", "/usr/bin/run", "./runner"]],
    ["/usr/bin/make", ["/usr/bin/make x"], ["./make", "make x"]],
    ["", [], ["ls", "python3"]],
    ["   ", [], ["ls"]],
  ])("%j lets run what it says and nothing else", (pattern, may, mayNot) => {
    for (const text of may) expect(admitting(text, pattern), text).toBe(pattern);
    for (const text of mayNot) expect(admitting(text, pattern), text).toBeUndefined();
  });

  it("is the first of the list that fits, and a star before all of them", () => {
    expect(admitting("npm install x", "ls ", "npm ", "npm install")).toBe("npm ");
    expect(admitting("npm install x", "npm ", " * ")).toBe(" * ");
    expect(admitting("$x", "*")).toBe("*");
    expect(admitting("$x y", "x ", "y ")).toBeUndefined();
  });

  it("lets no command run where there is none", () => {
    const read = readCommand("ls");
    expect(readPatterns(["ls "]).admits(read, 7)).toBeUndefined();
    expect(readPatterns(["ls "]).texts).toEqual(["ls "]);
  });
});

describe("what a pattern names", () => {
  it("is the very program, never everything", () => {
    const names = (text: string, ...patterns: string[]) => {
      const [command] = readCommand(text).commands;
      return command !== undefined && readPatterns(patterns).names(command);
    };
    expect(names("rm x", "rm ")).toBe(true);
    expect(names("rm -r x", "ls ", "rm -r")).toBe(true);
    expect([names("rm x", "*"), names("rm x", " * "), names("rm x", "ls ")]).toEqual([
      ...[false, false, false],
    ]);
  });
});

describe("a shell that is given its commands as text", () => {
  it.each([
    ...["bash -c ls", "bash -lc ls", "bash -ec ls", "bash -e -c ls", "bash +x -c ls"],
    ...["bash -o pipefail -c ls", "bash -eo pipefail -c ls", "bash +O extglob -c ls"],
  ])("is covered by its -c, however it is spelt: %s", (text) => {
    expect(admitting(text, "bash -c ")).toBe("bash -c ");
    expect(admitting(text, "bash -c")).toBe("bash -c");
    expect(admitting(text, "bash ")).toBe("bash ");
    expect(admitting(text, "sh -c ")).toBeUndefined();
    expect(admitting(text, "ls ")).toBe("ls ");
  });

  it.each(["sh", "bash", "dash", "ash", "zsh", "ksh"])("may be %s", (shell) => {
    expect(admitting(`${shell} -c 'x; y'`, `${shell} -c `)).toBe(`${shell} -c `);
  });

  it("is not covered by it where a file is run, or an option only looks like it", () => {
    for (const text of [
      "bash run.sh",
      "bash run.sh -c ls",
      "bash -- -c",
      "bash",
      "bash -x",
      "bash -",
    ]) {
      const read = readCommand(text);
      expect(readPatterns(["bash -c "]).admits(read, 0), text).toBeUndefined();
    }
  });

  it("opens what is inside only where the whole shell was meant", () => {
    const inner = "bash -c 'evil x'";
    expect(admitting(inner, "bash -c ")).toBe("bash -c ");
    expect(admitting(inner, "bash ")).toBe("bash ");
    expect(admitting(inner, "bash -x -c ")).toBeUndefined();
    expect(admitting(inner, "bas*")).toBeUndefined();
    expect(admitting(inner, "bash -c evil")).toBeUndefined();
    expect(admitting("bash -c 'sh -c \"evil x\"'", "bash -c ")).toBe("bash -c ");
    expect(admitting("python3 -c 'evil'; evil", "python3 -c ")).toBeUndefined();
    expect(admitting("env evil x", "env ")).toBeUndefined();
  });
});
