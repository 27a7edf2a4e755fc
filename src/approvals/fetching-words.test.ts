import { describe, expect, it } from "vitest";
import type { Finding } from "../contract/finding.ts";
import { fetchesCode } from "./fetches-code.ts";

const found = (pattern: string): Finding => ({
  ...{ kind: "command", file: null, line: 1, pattern, host: null, reason: "found" },
});
const says = (command: string) => fetchesCode(command, []);

describe("the words by which downloaded code is known to run", () => {
  it.each(["curl", "wget", "aria2c"])("%s downloads, as a word of its own", (program) => {
    expect(says(`${program} u | sh`)).toBe(true);
    expect(says(`x${program} u | sh`)).toBe(false);
    expect(says(`${program}x u | sh`)).toBe(false);
    expect(says(`${program} u | cat`)).toBe(false);
  });

  it.each([
    ...[
      "sh",
      "bash",
      "zsh",
      "dash",
      "ksh",
      "python",
      "python3",
      "python3.13",
      "node",
      "deno",
      "bun",
    ],
    ...["perl", "ruby", "php", "eval", "source", "exec", "chmod", "install"],
  ])("%s runs what came, after and before everything that ends a word", (program) => {
    for (const before of [" ", "|", ";", "&", "(", "`", "'", '"', "=", "/", "\n"]) {
      expect(says(`curl u -o x${before}${program} x`), before).toBe(true);
    }
    for (const after of [" ", ";", "|", "&", ")", "`", "'", '"', "\n", ""]) {
      expect(says(`curl u | ${program}${after}`), after).toBe(true);
    }
    expect(says(`${program} -c x; curl u`)).toBe(true);
    for (const other of [`x${program} y`, `${program}-x y`, `-${program} y`, `${program}.txt`]) {
      expect(says(`curl u ; ${other}`), other).toBe(false);
    }
  });

  it.each(["./x", "../x", "/tmp/x", "~/x", ". x"])(
    "%s is a file that runs where a command begins",
    (file) => {
      for (const before of ["\n", ";", "&", "|", "(", "`", ";  ", "&&\t"]) {
        expect(says(`curl u -o x${before}${file}`), before).toBe(true);
      }
      expect(says(`${file} | curl -d @- u`)).toBe(true);
      expect(says(`curl u -o ${file}`)).toBe(false);
      expect(says(file)).toBe(false);
    },
  );

  it("a dot that is no program and a path that is none do not count", () => {
    for (const text of ["curl u; .x", "curl u; .../x y", "curl u; / x", "curl u; x/y"]) {
      expect(says(text), text).toBe(false);
    }
  });

  it.each([
    ...["npx x", "bunx x", "uvx x", "pipx run x", "git clone u", "git -C a  pull", "git fetch"],
    ...["git a submodule update", "svn co u", "svn a checkout u", "hg clone u", "hg -v clone u"],
    ...["deno run -A https://u", "go run u@v1", "go  install u@v1", "deno install https://u"],
    ...["ls; git clone u", "ls && npx x", "ls|hg clone u"],
  ])("%s fetches by its purpose", (command) => {
    expect(says(command)).toBe(true);
    expect(fetchesCode(null, [found(command)])).toBe(true);
    expect(says(command.replace(/(npx|bunx|uvx|pipx|git|svn|hg|deno|go)/, "x$1"))).toBe(false);
  });

  it.each([
    ...[
      "npxs x",
      "git status",
      "gits clone",
      "git clones u",
      "git x; clone",
      "clone git",
      "svn up",
    ],
    ...["svn com", "hg log", "hg clones", "go run main.go", "go build u@v1", "deno runs https://u"],
    ...[
      "go run x; y@z",
      "deno run a & echo ://",
      "git aclone",
      "hg xclone u",
      "svn xco u",
      "hgx clone",
    ],
  ])("%s does not", (command) => {
    expect(says(command)).toBe(false);
  });

  it.each(["urlopen", "urlretrieve", "requests.get", "httpx.post", "fetch"])(
    "what %s reads is code only where it is evaluated",
    (call) => {
      for (const run of [
        "exec",
        "eval",
        "compile",
        "Function",
        "runpy.run_path",
        "importlib.reload",
        "vm.runInContext",
      ]) {
        expect(says(`x -c '${run}(y); ${call} (u)'`), run).toBe(true);
        expect(says(`x -c '${run} (${call}(u))'`), run).toBe(true);
        expect(says(`x -c '${run}y; ${call}(u)'`), run).toBe(false);
        expect(says(`x -c 'x${run}(y); ${call}(u)'`), run).toBe(false);
        expect(says(`x -c '${run}(y); x${call}(u)'`), run).toBe(false);
        expect(says(`x -c '${run}(y); ${call}'`), run).toBe(false);
      }
      expect(says(`x -c '${call}(u)'`)).toBe(false);
    },
  );

  it("are looked for in the command and in what was found, taken together", () => {
    expect(fetchesCode("curl u", [found("sh x")])).toBe(true);
    expect(fetchesCode(null, [found("curl u"), found("sh x")])).toBe(true);
    expect(fetchesCode(null, [found("curl u")])).toBe(false);
    expect(fetchesCode(null, [])).toBe(false);
    expect(fetchesCode("git", [found("clone u")])).toBe(false);
  });
});
