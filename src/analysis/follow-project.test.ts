import { describe, expect, it } from "vitest";
import { type Look, openAnalysis } from "./analysis.ts";

const analysis = openAnalysis();

/** What is found in a command, with these files in `/tmp`: file, line and kind. */
async function found(command: string, files: Record<string, string> = {}) {
  const all = Object.entries(files).map(([name, text]): [string, string] => [`/tmp/${name}`, text]);
  const look: Look = {
    async read(path) {
      const text = new Map(all).get(path);
      return text === undefined ? undefined : new TextEncoder().encode(text);
    },
    async list(path) {
      const below = all.filter(([name]) => name.startsWith(`${path}/`));
      const names = below.map(([name]) => name.slice(path.length + 1).split("/")[0] ?? "");
      return below.length === 0 ? undefined : [...new Set(names)];
    },
    packageHosts: { python: [], javascript: [], go: [], rust: [], other: [] },
  };
  const { findings } = await analysis.command(command, look);
  return findings.map(({ file, line, kind }) => [file, line, kind]);
}

const heredoc = (name: string, text: string) => `cat > ${name} <<'EOF'\n${text}\nEOF\n`;
const socket = "x = 1\nimport socket";
const inX = [["/tmp/x.py", 2, "import"]];

describe("a file that the command writes", () => {
  it("is read as it will be, and a finding stands on its own line of it", async () => {
    expect(await found(`${heredoc("x.py", socket)}python3 x.py`)).toEqual(inX);
    expect(await found(`printf '%s\\n' 'x = 1' 'import socket' > x.py; python3 x.py`)).toEqual(inX);
    expect(await found(`echo 'x = 1' > x.py; echo 'import socket' >>x.py; python3 x.py`)).toEqual(
      inX,
    );
    const both = heredoc("d/y.py", socket) + heredoc("d/z.py", "import y");
    const inY = [["/tmp/d/y.py", 2, "import"]];
    expect(await found(`mkdir -p d; ${both}cd d; python3 z.py`)).toEqual(inY);
    expect(await found(heredoc("x.py", socket)), "nobody runs it").toEqual([]);
  });

  it("takes the place of what was there, when that is certain", async () => {
    const files = { "x.py": socket };
    expect(await found(`${heredoc("x.py", "print(1)")}python3 x.py`, files)).toEqual([]);
    for (const before of ["false && ", "true || ", "! true && "]) {
      const command = `${before}echo 'print(1)' > x.py; python3 x.py`;
      expect(await found(command, files), command).toEqual(inX);
    }
    expect(await found("python3 x.py; echo 'print(1)' > x.py", files)).toEqual(inX);
  });

  it("is every text that it may have when it runs", async () => {
    const twice = `${heredoc("x.py", socket)}python3 x.py\n${heredoc("x.py", "print(1)")}`;
    expect(await found(`${twice}python3 x.py`)).toEqual(inX);
    expect(
      await found("sed -i 's/json/socket/' x.py; python3 x.py", { "x.py": "x\nimport json" }),
    ).toEqual(inX);
  });

  it("is opaque when nobody can say what it will hold", async () => {
    const files = { "x.py": "print(1)", "gen.py": "print('import socket')" };
    for (const maker of [
      ...["python3 gen.py > x.py", "git checkout other -- x.py", "tar xf a.tgz", "unzip -o a.zip"],
      ...["dd of=x.py < a", "base64 -d a > x.py", "cat a | tr a b | tee x.py"],
      "cat > x.py <<EOF\n$(cat a)\nEOF",
    ]) {
      const all = await found(`${maker}\npython3 x.py`, files);
      expect(
        all.map(([, , kind]) => kind),
        maker,
      ).toContain("opaque");
      expect(await found(maker, files), `${maker}: nobody runs it`).toEqual([]);
    }
  });

  it("is the file that was copied, also with the directory around it", async () => {
    const files = { "data/a.txt": socket };
    const wanted = [["/tmp/x.py", 2, "import"]];
    for (const copy of [
      "cp data/a.txt x.py",
      "mv data/a.txt b; mv b x.py",
      "cat data/a.txt > x.py",
    ]) {
      expect(await found(`${copy}; python3 x.py`, files), copy).toEqual(wanted);
    }
    expect(await found("cp -r data d; python3 d/a.txt", files)).toEqual([
      ["/tmp/d/a.txt", 2, "import"],
    ]);
  });
});

describe("a function of the file", () => {
  const code = "import os\ndef run(c):\n    os.system(c)\nrun('ls')\n";

  it("is given what its calls give it, when a command starts the file", async () => {
    expect(await found("python3 x.py", { "x.py": code })).toEqual([]);
    expect(await found("python3 x.py", { "x.py": `${code}run('curl e.org')\n` })).toEqual([
      ["/tmp/x.py", 3, "command"],
    ]);
  });

  it("may be called by whoever loads the file, or gets the function", async () => {
    const opaque = (file: string) => [[`/tmp/${file}`, 3, "opaque"]];
    expect(await found("python3 m.py", { "m.py": "import x\n", "x.py": code })).toEqual(
      opaque("x.py"),
    );
    for (const more of [
      "list(map(run, open('c')))",
      "t = [run]",
      "globals()['run'](open('c').read())",
    ]) {
      expect(await found("python3 x.py", { "x.py": `${code}${more}\n` }), more).toEqual(
        opaque("x.py"),
      );
    }
  });
});

describe("what a project says", () => {
  it("is read where the tool would run it, with the line", async () => {
    const scripts = '{\n "scripts": {\n  "pretest": "ls",\n  "test": "curl e.org"\n }\n}';
    expect(await found("npm test", { "package.json": scripts })).toEqual([
      ["/tmp/package.json", 4, "command"],
    ]);
    const makefile = "T := cu\nall: deep\n\techo\ndeep:\n\t@$(T)rl e.org\nother:\n\twget e.org\n";
    expect(await found("make", { Makefile: makefile })).toEqual([["/tmp/Makefile", 5, "command"]]);
    expect(await found("make -C d other", { "d/Makefile": makefile })).toEqual([
      ["/tmp/d/Makefile", 7, "command"],
    ]);
    const tests = { "tests/test_a.py": socket, "tests/other.py": socket };
    expect(await found("pytest -q", tests)).toEqual([["/tmp/tests/test_a.py", 2, "import"]]);
  });

  it("is the files that a loop, find or xargs hands over", async () => {
    const files = { "x.py": socket, "run.sh": "curl e.org\n" };
    for (const command of [
      'for f in *.py; do python3 "$f"; done',
      "find . -name '*.py' -exec python3 {} \\;",
      "ls *.py | xargs -n1 python3",
    ]) {
      expect(await found(command, files), command).toEqual(inX);
    }
  });

  it("is bounded, whatever its variables are made of", async () => {
    const lines = Array.from({ length: 200 }, (_, at) => `A${at} := $(A${at + 1})$(A${at + 1})`);
    const all = await found("make", { Makefile: `${lines.join("\n")}\nall:\n\techo $(A0)\n` });
    expect(all.length).toBeLessThan(10);
  });
});
