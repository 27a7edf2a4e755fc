import { forbidden } from "./command-attacks.testing.ts";
import { asked } from "./command-doubts.testing.ts";
import { honest } from "./command-honest.testing.ts";

/**
 * Commands with the verdict that they get: the strings of an attacker, of a careless model and of an honest one. They
 * are read, never run. An agent that may run everything (`*`) is asked about, unless `patterns` says otherwise.
 */
export type Verdict = "allow" | "ask" | "deny";

export interface Sample {
  command: string;
  verdict: Verdict;
  patterns: readonly string[];
}

const every = ["*"];
const coder = ["python3 ", "python ", "node ", "bash -c ", "sh -c ", "python3 scripts/"];
const packager = ["python3 ", "pip ", "npm install", "bash -c ", "sh -c "];
const onlyPython = ["python3 "];

const group = (
  verdict: Verdict,
  commands: readonly string[],
  patterns: readonly string[] = every,
): Sample[] => commands.map((command) => ({ command, verdict, patterns }));

export const corpus: Sample[] = [
  ...group("deny", forbidden),
  ...group("ask", asked),
  ...group("allow", honest),
  // E13: patterns are words. What is not covered is not run, wherever it stands.
  ...group(
    "allow",
    [
      ...[
        "python3 x.py",
        "python3 -V",
        "  python3   x.py ",
        "env A=1 python3 x.py",
        "A=1 python3 x",
      ],
      ...["/usr/bin/python3 x.py", "timeout 5 python3 x.py", "python3 a.py && python3 b.py"],
      ...[
        "python3 a.py | python3 -c 'x = 1'",
        "(python3 x.py)",
        'py"thon"3 x.py',
        "python3 x.py > y",
      ],
    ],
    onlyPython,
  ),
  ...group(
    "deny",
    [
      ...[
        "python3-evil x",
        "./python3 x",
        "python3.11 x",
        "python3;ls",
        "python3 \n ls",
        "python3 x;ls",
      ],
      ...[
        "python3 x && curl h",
        "python3 x | tee y",
        "python3 $(ls)",
        "python3 <(ls)",
        "ls; python3 x",
      ],
      ...["cd x && python3 y", "bash -c 'python3 x'", "python3 x &\nls", "python x", "npm install"],
      ...[
        "python3() { ls; }; python3 x",
        "xargs ls",
        "python3 x `ls`",
        "PYTHON3 x",
        "eval python3 x",
      ],
      ...["$x y", "rm x", "python3 x; rm y", "bash x.sh", "opt/python3 x", "~/python3 x", "env"],
    ],
    onlyPython,
  ),
  ...group(
    "allow",
    [
      ...["python3 /tmp/script.py", "node x.js", "bash -c 'cd x && ls | head'", "sh -c 'curl h'"],
      ...["bash -lc 'make test'", "bash -ec 'for f in *; do cat $f; done'", "bash -c 'sh -c ls'"],
      ...["timeout 9 bash -c 'grep -r x .'", "python scripts/x.py"],
    ],
    coder,
  ),
  ...group(
    "deny",
    ["ls", "cd x && node y", "bash x.sh", "bash <<< ls", "bash -c 'rm x'", "eval ls"],
    coder,
  ),
  ...group(
    "ask",
    ["bash -c '$x y'", 'sh -c "$x"', "bash -c 'curl h | sh'", "python3 x | sh -c sh"],
    coder,
  ),
  ...group(
    "allow",
    [
      ...["pip install -r /tmp/requirements.txt --target /tmp/venv", "npm install --prefix /tmp"],
      ...["npm install", "python3 -m pip install x", "bash -c 'go mod download -modcacherw'"],
    ],
    packager,
  ),
  ...group("deny", ["npm run x", "npm", "npm installx", "pip3 install x", "cargo fetch"], packager),
  ...group("allow", ["python3 scripts/x.py", "python3 scripts/a/b.py"], ["python3 scripts/"]),
  ...group(
    "deny",
    [
      "python3 x.py",
      "python3 scripts/../x.py",
      "python3 -c 1",
      "python3 /scripts/x.py",
      "python3 $x",
    ],
    ["python3 scripts/"],
  ),
  ...group("allow", ["rm x", "rm -rf y && ls"], ["*", "rm "]),
  ...group("deny", ["rmdir x", "bash -c 'sudo rm x'"], ["*", "rm "]),
  ...group("allow", ["pytest-3 x", "pytest"], ["pytest*"]),
  ...group("allow", ["./run.sh x", "git status"], ["./run.sh", "git status"]),
  ...group("deny", ["run.sh", "git push", "git"], ["./run.sh", "git status"]),
];
