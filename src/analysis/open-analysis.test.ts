import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { limits } from "../base/limits.ts";
import type { RemoteAccess } from "../contract/remote-access.ts";
import { type Look, openAnalysis } from "./analysis.ts";
import { corpus } from "./corpus/corpus.testing.ts";

const analysis = openAnalysis();
const bytes = (text: string) => new TextEncoder().encode(text);

/** A sandbox that holds these files and nothing else. */
function lookAt(
  files: Record<string, string | Uint8Array> = {},
  remoteAccess?: RemoteAccess,
): Look {
  return {
    async read(path) {
      const content = files[path];
      return typeof content === "string" ? bytes(content) : content;
    },
    async list(path) {
      const below = Object.keys(files).filter((each) => each.startsWith(`${path}/`));
      const names = below.map((each) => each.slice(path.length + 1).split("/")[0] ?? "");
      return below.length === 0 ? undefined : [...new Set(names)];
    },
    remoteAccess,
    packageHosts: {
      python: ["pypi.org:443", "files.pythonhosted.org:443"],
      javascript: ["registry.npmjs.org:443"],
      go: [],
      rust: [],
      other: [],
    },
  };
}

async function found(command: string, files = {}, own?: RemoteAccess) {
  return (await analysis.command(command, lookAt(files, own))).findings;
}

async function hosts(command: string, files = {}) {
  const all = await found(command, files);
  return [...new Set(all.flatMap(({ host }) => (host === null ? [] : [host])))].sort();
}

describe("where a finding stands", () => {
  it("is the file and the line, in files that files load", async () => {
    const files = {
      "/tmp/main.py": "import os\nfrom pkg import helper\n\nhelper.go()\n",
      "/tmp/pkg/__init__.py": "from . import quiet\n",
      "/tmp/pkg/quiet.py": "x = 1\n",
      "/tmp/pkg/helper.py": "import os\n\ndef go():\n    os.system('sh run.sh')\n",
      "/tmp/run.sh":
        "#!/bin/sh\n# https://comment.org\n\ncurl -s \\\n  https://deep.example.org/x\n",
    };
    expect(await found("python3 main.py", files)).toEqual([
      {
        kind: "command",
        file: "/tmp/run.sh",
        line: 4,
        pattern: "curl -s https://deep.example.org/x",
        host: "deep.example.org:443",
        reason: "curl reaches the network",
      },
    ]);
  });

  it("is the line of the command for code that the command carries", async () => {
    const all = await found(
      "ls\npython3 -c '\nimport json\nimport socket\n'\nnode -e \"fetch(u)\"",
    );
    expect(all.map(({ file, line, kind }) => [file, line, kind])).toEqual([
      [null, 4, "import"],
      [null, 6, "call"],
    ]);
  });

  it("is the line of the text for code within code", async () => {
    const code = "a = 1\nexec('''\nimport socket\n''')\n";
    const [first] = await found("python3 x.py", { "/tmp/x.py": code });
    expect(first).toMatchObject({ file: "/tmp/x.py", line: 3, kind: "import" });
  });

  it("is cut where it would be long, and put on one line", async () => {
    const long = `requests.get(\n  'https://e.org/${"x".repeat(500)}')`;
    const all = await found("python3 x.py", { "/tmp/x.py": `import requests\n${long}\n` });
    for (const { pattern } of all) {
      expect(pattern.length).toBeLessThanOrEqual(limits.analysisPatternChars);
      expect(pattern).not.toContain("\n");
    }
  });
});

describe("hosts", () => {
  it.each([
    ["curl https://Example.ORG./x", ["example.org:443"]],
    ["curl http://u:p@e.org:8080/x?y=https://no.org", ["e.org:8080"]],
    ["curl e.org/x ftp://f.org/y", ["e.org:80", "f.org:21"]],
    ["curl 'https://[2001:DB8::1]:8443/'", ["[2001:db8::1]:8443"]],
    ["curl http://1572395042/ http://0x5db8d822:81/", ["93.184.216.34:80", "93.184.216.34:81"]],
    ["curl https://bücher.example", ["xn--bcher-kva.example:443"]],
    ["git clone ssh://git@e.org/x.git", ["e.org:22"]],
    ["git clone git@e.org:x.git", ["e.org:22"]],
    ["ssh -p 2222 me@e.org", ["e.org:2222"]],
    ["scp a me@e.org:/b", ["e.org:22"]],
    ["nc e.org 4444", ["e.org:4444"]],
    ["exec 3<>/dev/tcp/e.org/80", ["e.org:80"]],
    ["openssl s_client -connect e.org:443", ["e.org:443"]],
    ["pip install x", ["files.pythonhosted.org:443", "pypi.org:443"]],
    ["npm ci", ["registry.npmjs.org:443"]],
  ])("are spelled as rules are: %s", async (command, expected) => {
    expect(await hosts(command)).toEqual(expected);
  });

  it.each([
    ["python", "requests.get('https://e.org/x')", "e.org:443"],
    ["python", "requests.get(url=BASE + '/x')", "base.org:8443"],
    ["python", "requests.get(f'{BASE}/{x}')", "base.org:8443"],
    ["python", "socket.create_connection(('e.org', 25))", "e.org:25"],
    ["python", "http.client.HTTPSConnection('e.org')", "e.org:443"],
    ["python", "http.client.HTTPConnection('e.org', 8080)", "e.org:8080"],
    ["python", "smtplib.SMTP('m.org', 587)", "m.org:587"],
    ["python", "redis.Redis(host='r.org', port=6380)", "r.org:6380"],
    ["javascript", "https.get({ hostname: 'e.org' })", "e.org:443"],
    ["javascript", "net.connect(25, 'e.org')", "e.org:25"],
    ["javascript", "net.connect({ host: 'e.org', port: 26 })", "e.org:26"],
    ["javascript", "fetch(new URL('/x', 'https://e.org'))", "e.org:443"],
  ])("are taken from the arguments of a call: %s %s", async (language, code, host) => {
    const head =
      language === "python"
        ? "import requests, socket, http.client, smtplib, redis\nBASE = 'https://base.org:8443'\n"
        : "const https = require('https'), net = require('net');\n";
    const [path, command] =
      language === "python" ? ["x.py", "python3 x.py"] : ["x.js", "node x.js"];
    expect(await hosts(command, { [`/tmp/${path}`]: head + code })).toContain(host);
  });

  it("that are this machine are no findings", async () => {
    const code = "import json\nU = 'http://localhost:8000'\nA = '127.0.0.1'\nB = 'http://[::1]/'\n";
    expect(
      await found("python3 x.py; curl localhost:80; curl http://2130706433/ http://0x7f.1/", {
        "/tmp/x.py": code,
      }),
    ).toEqual([]);
  });
});

describe("files", () => {
  it("are followed as each language finds them, once each, circles too", async () => {
    const mark = (name: string) => `https://${name}.example.org`;
    const python = {
      "/tmp/a/main.py": "import b\nimport pack.sub as s\nfrom pack import other\n",
      "/tmp/a/b.py": `import main\nU = '${mark("b")}'\n`,
      "/tmp/a/pack/__init__.py": "from .near import x\n",
      "/tmp/a/pack/near.py": `U = '${mark("near")}'\n`,
      "/tmp/a/pack/sub.py": `from .. import b\nU = '${mark("sub")}'\n`,
      "/tmp/a/pack/other.py": `U = '${mark("other")}'\n`,
    };
    expect(await hosts("python3 a/main.py", python)).toEqual(
      ["b", "near", "other", "sub"].map((name) => `${name}.example.org:443`),
    );
    const javascript = {
      "/tmp/m.ts": "import './a.js'; export * from './b'; require('./c'); import('./d.mjs');",
      "/tmp/a.ts": `const u = '${mark("a")}'; import './m';`,
      "/tmp/b/index.js": `const u = '${mark("b")}';`,
      "/tmp/c/package.json": '{"main": "lib/x.js"}',
      "/tmp/c/lib/x.js": `const u = '${mark("c")}';`,
      "/tmp/d.mjs": `const u = '${mark("d")}';`,
    };
    expect(await hosts("node m.ts", javascript)).toEqual(
      ["a", "b", "c", "d"].map((name) => `${name}.example.org:443`),
    );
    const go = {
      "/tmp/go.mod": "module example.org/app\n",
      "/tmp/main.go": 'package main\nimport "example.org/app/inner"\nfunc main() { inner.F() }\n',
      "/tmp/beside.go": `package main\nconst u = "${mark("beside")}"\n`,
      "/tmp/inner/f.go": `package inner\nconst u = "${mark("inner")}"\n`,
    };
    expect(await hosts("go run main.go", go)).toEqual(
      ["beside", "inner"].map((name) => `${name}.example.org:443`),
    );
    const rust = {
      "/tmp/src/main.rs": "mod a;\nmod b;\nfn main() {}\n",
      "/tmp/src/a.rs": `const U: &str = "${mark("a")}";\nmod c;\n`,
      "/tmp/src/b/mod.rs": `const U: &str = "${mark("b")}";\n`,
      "/tmp/src/a/c.rs": `const U: &str = "${mark("c")}";\n`,
    };
    expect(await hosts("cargo run", rust)).toEqual(
      ["a", "b", "c"].map((name) => `${name}.example.org:443`),
    );
  });

  it("that are no text, too long or of a language nobody reads are opaque", async () => {
    const elf = new Uint8Array([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1, 0]);
    const long = `x = 1\n${"#".repeat(limits.analysisFileBytes)}`;
    const cases: [string, Record<string, string | Uint8Array>][] = [
      ["./tool", { "/tmp/tool": elf }],
      ["python3 x.py", { "/tmp/x.py": "import fast\n", "/tmp/fast.so": elf }],
      ["python3 x.py", { "/tmp/x.py": long }],
      ["./x", { "/tmp/x": "#!/usr/bin/env perl\nprint 1;\n" }],
      ["ruby x.rb", { "/tmp/x.rb": "puts 1" }],
      ["node x.js", { "/tmp/x.js": "require('./y')", "/tmp/y.node": elf }],
      ["python3 gen.py > x.py; python3 x.py", { "/tmp/gen.py": "print(1)" }],
    ];
    for (const [command, files] of cases) {
      const kinds = (await found(command, files)).map(({ kind }) => kind);
      expect(kinds, command).toContain("opaque");
    }
  });

  it("are read up to a limit, and what is over it is said", async () => {
    const files: Record<string, string> = {};
    for (let at = 0; at < limits.analysisFiles + 10; at += 1) {
      files[`/tmp/m${at}.py`] = `import m${at + 1}\n`;
    }
    const wide = Array.from({ length: limits.analysisFiles + 10 }, (_, at) => `import m${at}\n`);
    const all = await found("python3 x.py", { ...files, "/tmp/x.py": wide.join("") });
    expect(all.at(0)).toMatchObject({
      kind: "opaque",
      reason: "There is more than is looked through",
    });
    const deep = await found("python3 m0.py", files);
    expect(deep).toMatchObject([{ kind: "opaque", file: `/tmp/m${limits.analysisDepth - 1}.py` }]);
  });
});

describe("a program of an artifact", () => {
  it("is read by its first line, with its arguments and the files beside it", async () => {
    const files = {
      "/tmp/bin/tool": "#!/usr/bin/env -S python3 -u\nimport near\n",
      "/tmp/bin/near.py": "import ftplib\n",
    };
    const { command, findings } = await analysis.program(
      "bin/tool",
      ["--to=https://e.org/x", "plain"],
      lookAt(files),
    );
    expect(command).toBeNull();
    expect(findings.map(({ kind, file, host }) => [kind, file, host])).toEqual([
      ["url", null, "e.org:443"],
      ["import", "/tmp/bin/near.py", null],
    ]);
  });

  it("that is compiled, or not there, is opaque", async () => {
    const elf = new Uint8Array([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1, 0]);
    for (const files of [{ "/tmp/x": elf }, {}]) {
      const { findings } = await analysis.program("x", [], lookAt(files));
      expect(findings.map(({ kind }) => kind)).toEqual(["opaque"]);
    }
  });
});

describe("an agent's own words", () => {
  it("add to what is known, for imports, calls and commands", async () => {
    const files = { "/tmp/x.py": "import mynet as m\nimport lib\nlib.dial('e.org')\nm.x()\n" };
    const own: RemoteAccess = {
      python_imports: ["mynet"],
      function_calls: ["lib.dial"],
      shell_commands: ["beam up"],
      package_manager_commands: ["fetcher -S"],
    };
    const command = "python3 x.py; beam --fast up; beam down; fetcher -S x; fetcher -Q x";
    expect(await found(command, files)).toEqual([]);
    const all = await found(command, files, own);
    expect(all.map(({ kind, pattern }) => [kind, pattern])).toEqual([
      ["command", "beam --fast up"],
      ["package_manager", "fetcher -S x"],
      ["import", "mynet as m"],
      ["call", "lib.dial('e.org')"],
      ["call", "m.x()"],
    ]);
  });

  it("say which languages are looked through; the shell always is", async () => {
    const files = { "/tmp/x.py": "import socket\n", "/tmp/x.js": "fetch(u)" };
    const own: RemoteAccess = { enabled_languages: ["javascript"] };
    const all = await found("python3 x.py; node x.js; curl e.org", files, own);
    expect(all.map(({ kind }) => kind)).toEqual(["command", "call"]);
  });
});

describe("whatever it is given", () => {
  const languages = ["x.py", "x.js", "x.ts", "x.tsx", "x.go", "x.rs", "x.sh", "x"];
  const sound = async (content: Uint8Array, command: string, path: string) => {
    const all = await found(command, { [path]: content });
    for (const finding of all) {
      expect(finding.line).toBeGreaterThanOrEqual(1);
      expect(finding.reason).not.toBe("");
    }
    return all;
  };

  it("never throws on bytes of any kind", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.uint8Array({ maxLength: 300 }),
        fc.constantFrom(...languages),
        async (content, name) => {
          await sound(
            content,
            `./${name}; python3 ${name}; node ${name}; sh ${name}`,
            `/tmp/${name}`,
          );
        },
      ),
      { numRuns: 200 },
    );
  });

  it("never throws on code with pieces cut out, doubled or exchanged", async () => {
    const codes = corpus.filter((each) => each.language !== "shell");
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom(...codes),
        fc.constantFrom(...codes),
        fc.nat(),
        fc.nat(),
        async (one, other, cut, from) => {
          const head = one.code.slice(0, cut % (one.code.length + 1));
          const text = head + other.code.slice(from % (other.code.length + 1)) + head;
          for (const name of ["x.py", "x.ts", "x.go", "x.rs"]) {
            await sound(bytes(text), `./${name}`, `/tmp/${name}`);
          }
        },
      ),
      { numRuns: 200 },
    );
  });

  it("says that code is opaque which is nested too deeply or never ends", async () => {
    const deep = 50_000;
    const cases: [string, string][] = [
      ["x.py", `x = ${"(".repeat(deep)}1${")".repeat(deep)}`],
      ["x.py", `x = ${"[".repeat(deep)}`],
      ["x.js", `x = ${"[".repeat(deep)}${"]".repeat(deep)}`],
      ["x.js", `${"{".repeat(deep)}${"}".repeat(deep)}`],
      ["x.js", `x = ${"a => ".repeat(deep)}1`],
      ["x.js", `x${".y()".repeat(deep)}`],
      ["x.go", `package main\nvar x = ${"(".repeat(deep)}1${")".repeat(deep)}`],
      ["x.rs", `fn main() { ${"{".repeat(deep)}${"}".repeat(deep)} }`],
      ["x.rs", `fn main() { m!${"(".repeat(deep)}${")".repeat(deep)} }`],
      ["x.py", `${"x = -".repeat(1)}${"-".repeat(deep)}1`],
    ];
    for (const [name, code] of cases) {
      const all = await sound(bytes(code), `./${name}`, `/tmp/${name}`);
      expect(
        all.map(({ kind }) => kind),
        code.slice(0, 20),
      ).toContain("opaque");
    }
  });

  it("is not held up by texts that double, or names that chase each other", async () => {
    const doubling = Array.from({ length: 60 }, (_, at) => `x${at + 1} = x${at} + x${at}`).join(
      "\n",
    );
    const chasing = "a = b + c\nb = c + a\nc = a + b\n__import__(a)\n";
    const choosing = Array.from({ length: 200 }, (_, at) => `m = m + n if q else '${at}'`).join(
      "\n",
    );
    for (const code of [`x0 = 'ab'\n${doubling}\nexec(x60)`, chasing, `${choosing}\nexec(m)`]) {
      const all = await sound(bytes(code), "./x.py", "/tmp/x.py");
      expect(all.map(({ kind }) => kind)).toContain("opaque");
    }
  });
});
