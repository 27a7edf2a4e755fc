import { spawnSync } from "node:child_process";
import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { typed } from "../../test/support/terminal.ts";

/** The words of a line so far, the last one unfinished, and what a shell offers for it. */
const lines: [words: string[], offered: string[]][] = [
  [["ag"], ["agents", "agents-md"]],
  [["compl"], ["completion"]],
  [
    ["agents", "in"],
    ["init", "install"],
  ],
  [
    ["--json", "secrets", "ro"],
    ["rotate", "rotate-key"],
  ],
  [["--url", "list", "agents", "va"], ["validate"]],
  [["skills", "upload", "--if"], ["--if-changed"]],
  [
    ["run", "--mcp"],
    ["--mcp", "--mcp-auth"],
  ],
  [["run", "--json", "--data"], ["--data-dir"]],
  [
    ["run", "--cleanup", ""],
    ["delete", "retain"],
  ],
  [["run", "--network", "o"], ["open"]],
  [
    ["approvals", "approve", "apr_x", "--scope", "a"],
    ["agent_revision", "artifact"],
  ],
  [["list", "--status", "ca"], ["cancelled"]],
  [["serve", "--log-level", "s"], ["silent"]],
  [
    ["download", "run_x", "--only", ""],
    ["events", "metadata", "outputs"],
  ],
  [
    ["token", "create", "--scope", ""],
    ["admin", "approve", "runs"],
  ],
  [["completion", "z"], ["zsh"]],
  [["status", ""], []],
  [["run", "--model", ""], []],
  // Files and directories, as the person has them.
  [
    ["run", "--config", "wo"],
    ["work.json", "work-dir/"],
  ],
  [
    ["run", "--agents-md", "wo"],
    ["work.json", "work-dir/"],
  ],
  [["skills", "upload", "work."], ["work.json"]],
  [["run", "--skill", "wo"], ["work-dir/"]],
];

const scripts: Record<string, string> = {};
let dir: string;

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), "airlock-completion-"));
  mkdirSync(join(dir, "work-dir"));
  writeFileSync(join(dir, "work.json"), "{}");
  for (const shell of ["bash", "zsh", "fish"]) {
    const { code, out, err } = await typed(["completion", shell], { url: "http://127.0.0.1:9" });
    expect([code, err]).toEqual([0, ""]);
    scripts[shell] = join(dir, `airlock.${shell}`);
    writeFileSync(scripts[shell], out);
  }
});
afterAll(() => rm(dir, { recursive: true }));

/** Whether this host has a shell. bash comes with every host that we support. */
const isInstalled = (shell: string) =>
  (process.env.PATH ?? "")
    .split(delimiter)
    .some((path) => spawnSync(join(path, shell), ["-c", ":"]).status === 0);

function runs(file: string, argv: string[]): string {
  const env = { PATH: process.env.PATH ?? "", HOME: dir, LC_ALL: "C.UTF-8" };
  const { status, stdout, stderr } = spawnSync(file, argv, { cwd: dir, encoding: "utf8", env });
  expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
  return stdout;
}

/** What `_airlock` puts into COMPREPLY; a directory is shown as bash shows it. */
function offeredByBash(words: string[]): string[] {
  const program = `source "$1"; shift; COMP_WORDS=(airlock "$@"); COMP_CWORD=$#; COMPREPLY=(stale)
    _airlock 2>/dev/null; for one in "\${COMPREPLY[@]}"; do [ -d "$one" ] && one=$one/; echo "$one"; done`;
  return linesOf(runs("bash", ["-c", program, "bash", scripts.bash ?? "", ...words]));
}

/** The function as it is, with the parts of zsh that need a terminal played by ones that print. */
function offeredByZsh(words: string[]): string[] {
  const program = `compdef() { :; }; source "$1"; shift
    compset() { current=\${current#*=}; }
    compadd() { shift; for one in "$@"; do [[ $one == $current* ]] && print -r -- $one; done; }
    _files() { if [[ $1 == -/ ]]; then print -rl -- $current*(N/M); else print -rl -- $current*(NM); fi }
    words=(airlock "$@"); CURRENT=$#words; current=$words[CURRENT]; _airlock; true`;
  return linesOf(runs("zsh", ["-c", program, "zsh", scripts.zsh ?? "", ...words]));
}

function offeredByFish(words: string[]): string[] {
  const said = runs("fish", [
    "-c",
    "source $argv[1]; complete -C (string join -- ' ' airlock $argv[2..-1])",
    scripts.fish ?? "",
    ...words,
  ]);
  return linesOf(said).map((line) => line.split("\t")[0] ?? "");
}

function linesOf(text: string): string[] {
  return text.split("\n").filter((line) => line !== "");
}

const shells = { bash: offeredByBash, zsh: offeredByZsh, fish: offeredByFish };

describe("completion", () => {
  for (const [shell, offered] of Object.entries(shells).filter(
    ([name]) => name === "bash" || isInstalled(name),
  )) {
    it(`offers commands, flags, values and files in a real ${shell}`, () => {
      for (const [words, wanted] of lines) {
        expect([words, offered(words).sort()]).toEqual([words, [...wanted].sort()]);
      }
    });
  }

  it("understands --flag=value, and what stands behind --", () => {
    // bash hands over the sign as a word of its own.
    expect(offeredByBash(["run", "--cleanup", "=", "re"])).toEqual(["retain"]);
    expect(offeredByBash(["run", "--cleanup", "="]).sort()).toEqual(["delete", "retain"]);
    expect(offeredByBash(["policy", "explain", "--", "a"])).toEqual([]);
    if (isInstalled("zsh")) expect(offeredByZsh(["run", "--cleanup=re"])).toEqual(["retain"]);
  });

  it("leaves nothing behind that the file system decides", () => {
    rmSync(join(dir, "work.json"));
    writeFileSync(join(dir, "work and $(touch owned) `x`.json"), "");
    expect(offeredByBash(["run", "--config", "work a"])).toEqual([
      "work and $(touch owned) `x`.json",
    ]);
    expect(linesOf(runs("ls", [dir]))).not.toContain("owned");
    rmSync(join(dir, "work and $(touch owned) `x`.json"));
    writeFileSync(join(dir, "work.json"), "{}");
  });

  it("knows every command and every flag there is", async () => {
    const script = runs("cat", [scripts.bash ?? ""]);
    const { out } = await typed(["run", "--help"], { url: "http://127.0.0.1:9" });
    const flags = [...out.matchAll(/^ {2}(--[a-z-]+)/gm)].map(([, flag]) => flag);
    expect(flags.length).toBeGreaterThan(40);
    for (const flag of flags) expect(script).toContain(flag);
  });

  it("refuses a shell that it does not know", async () => {
    const { code, err } = await typed(["completion", "tcsh"], { url: "http://127.0.0.1:9" });
    expect(code).toBe(2);
    expect(err).toContain("Expected one of bash, zsh, fish");
  });
});
