/** What a script agent is started by, and what would never end: refused with the reason. */

import { describe, expect, it } from "vitest";
import { cpuMs } from "../../test/support/cpu-ms.ts";
import type { AgentProblem } from "../contract/installed-agent.ts";
import { Problem } from "../contract/problem.ts";
import { type AgentFileHead, parseAgent } from "./agents.ts";

const script = `---
name: word-count
description: Counts words.
metadata:
  airlock:
    agent: {id: word-count}
    execution_mode: script
    script_entry: main.py
    capabilities: []
---
`;

const head = (first: string): AgentFileHead => ({
  ...{ path: "main.py", executable: true, firstBytes: Buffer.from(first) },
});
const good = "#!/usr/bin/env python3\nprint(1)\n";

/** The same for script agents, with the first bytes of `main.py`. */
type ScriptRow = [name: string, from: string, to: string, first: string, at: string, says: string];

const scripts: ScriptRow[] = [
  ["no entry", "    script_entry: main.py\n", "", good, "execution_mode", "script_entry: "],
  [
    "an interpreter before it",
    "entry: main.py",
    "entry: python3 main.py",
    good,
    "script_entry",
    "main.py",
  ],
  [
    "an interpreter with options",
    "entry: main.py",
    "entry: python3 -u main.py",
    good,
    "script_entry",
    "script_entry: main.py",
  ],
  ["a file that is not there", "entry: main.py", "entry: mian.py", good, "script_entry", "main.py"],
  [
    "another file that is not there",
    "entry: main.py",
    "entry: start.sh",
    good,
    "script_entry",
    "beside SKILL.md",
  ],
  ["an absolute path", "entry: main.py", "entry: /main.py", good, "script_entry", "without /"],
  [
    "a path that leads out",
    "entry: main.py",
    "entry: ../main.py",
    good,
    "script_entry",
    "without /",
  ],
  ["a path with a dot", "entry: main.py", "entry: ./main.py", good, "script_entry", "main.py"],
  ["no shebang", "", "", "print(1)\n", "script_entry", "#!/usr/bin/env python3"],
  ["an empty file", "", "", "", "script_entry", "#!/usr/bin/env python3"],
  ["a shebang of nothing", "", "", "#!\nprint(1)\n", "script_entry", "#!/usr"],
  ["a shebang without a path", "", "", "#!python3\n", "script_entry", "#!/usr"],
  [
    "a shebang whose program is misspelt",
    "",
    "",
    "#!/usr/bin/env pyhton3\n",
    "script_entry",
    "python3",
  ],
  ["a shebang that no sandbox has", "", "", "#!/opt/acme/acme-run\n", "script_entry", "python3"],
  [
    "env with two words",
    "",
    "",
    "#!/usr/bin/env python3 -u\n",
    "script_entry",
    "env -S python3 -u",
  ],
  ["env with nothing", "", "", "#!/usr/bin/env\n", "script_entry", "#!/usr"],
  ["line ends of Windows", "", "", "#!/usr/bin/env python3\r\n", "script_entry", "LF"],
  [
    "a byte order mark",
    "",
    "",
    "\uFEFF#!/usr/bin/env python3\n",
    "script_entry",
    "without the mark",
  ],
  [
    "an endless first line",
    "",
    "",
    `#!/usr/bin/env ${"x".repeat(400)}\n`,
    "script_entry",
    "#!/usr",
  ],
];

function problemsOf(skill: string, files: AgentFileHead[] = []): AgentProblem[] {
  try {
    parseAgent({ skill, files });
  } catch (error) {
    if (error instanceof Problem && error.code === "agent_invalid") {
      return error.details?.problems as AgentProblem[];
    }
    throw error;
  }
  return [];
}

describe("a script agent", () => {
  it("that is right has no problem", () => {
    expect(problemsOf(script, [head(good)])).toEqual([]);
  });

  it.each([
    "#!/bin/sh",
    "#! /usr/bin/python3",
    "#!/usr/bin/env -S python3 -u",
    "#!/usr/bin/env node",
    "#!/usr/bin/python3.12 -B",
  ])("may begin with %s", (line) => {
    expect(problemsOf(script, [head(`${line}\n`)])).toEqual([]);
    expect(problemsOf(script, [head(line)])).toEqual([]);
  });

  it.each(scripts)(
    "with %s is refused, on the line that says it",
    (_, from, to, first, at, says) => {
      expect(script).toContain(from);
      const skill = script.replace(from, () => to);
      const [problem, ...more] = problemsOf(skill, [head(first)]);
      expect(more).toEqual([]);
      const lines = skill.split("\n");
      expect(problem?.line).toBe(lines.findIndex((line) => line.includes(at)) + 1);
      expect(problem?.remedy).toContain(says);
    },
  );
});

describe("what would hold the gateway up", () => {
  const laughs = ["a: &a [x, x, x, x, x, x, x, x, x]"];
  for (let at = 1; at < 9; at++) {
    const before = String.fromCharCode(96 + at);
    const here = String.fromCharCode(97 + at);
    laughs.push(`${here}: &${here} [${Array(9).fill(`*${before}`).join(", ")}]`);
  }

  it.each([
    ["aliases that double", laughs.join("\n")],
    ["lists that are nested", `a: ${"[".repeat(50_000)}`],
    ["mappings that are nested", `a: ${"{a: ".repeat(20_000)}`],
    ["JSON that is nested", `metadata: '{"airlock": ${"[".repeat(50_000)}${"]".repeat(50_000)}}'`],
    ["lists below lists", "- ".repeat(20_000)],
    ["a million characters", `a: ${"x".repeat(1_000_000)}`],
    ["many keys", Array.from({ length: 20_000 }, (_, at) => `k${at}: 1`).join("\n")],
    ["one key again and again", "k: 1\n".repeat(5_000)],
  ])("is refused soon: %s", async (_, yaml) => {
    const look = () => expect(problemsOf(`---\n${yaml}\n---\nGo.\n`).length).toBeGreaterThan(0);
    expect(await cpuMs(look)).toBeLessThan(10_000);
  });
});
