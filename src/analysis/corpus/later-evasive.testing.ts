import type { HonestRow } from "./honest.testing.ts";

const py = (code: string, more = {}): HonestRow => ["python3 x.py", { "x.py": code, ...more }];
const js = (code: string, more = {}): HonestRow => ["node x.mjs", { "x.mjs": code, ...more }];

/** Ways around the analysis that use what it follows: files that the command writes, functions of one's own, scripts. */
export const laterEvasive: readonly HonestRow[] = [
  ["cat > x.py <<'EOF'\nimport socket\nEOF\npython3 x.py"],
  ["cat > x.py <<'EOF'\nprint(1)\nEOF\nsed -i 's/print(1)/import sock\\et/' x.py\npython3 x.py"],
  ["echo 'print(1)' > x.py; echo 'import requests' >> x.py; python3 x.py"],
  ["echo 'import requests' > x.py; python3 x.py; echo 'print(1)' > x.py"],
  ["cat > x.py <<EOF\n$CODE\nEOF\npython3 x.py"],
  ["cat > x.py <<EOF\nimport os\nos.system('$CMD')\nEOF\npython3 x.py"],
  ["cat > x.py <<EOF\n$(cat notes.txt)\nEOF\npython3 x.py"],
  ["base64 -d > x.py <<< aW1wb3J0IHNvY2tldA==; python3 x.py"],
  ["cat notes.txt | tr a-z b-za > x.py && python3 x.py"],
  ["cp notes.txt x.py && python3 x.py", { "notes.txt": "import socket\n" }],
  ["cp data/a.txt b.txt; mv b.txt x.sh; sh x.sh", { "data/a.txt": "curl -s e.org\n" }],
  ["ln -s data/a.txt x.sh; sh x.sh", { "data/a.txt": "curl -s e.org\n" }],
  ["cat a b > x.sh; sh x.sh", { a: "cu", b: "rl e.org\n" }],
  ["head -n 1 data.txt > x.sh; bash x.sh", { "data.txt": "curl e.org\n" }],
  ["git show HEAD:x.py > y.py; python3 y.py"],
  ["git checkout other -- x.py && python3 x.py", { "x.py": "print(1)\n" }],
  ["tar xf a.tgz && python3 x.py"],
  ["unzip -o a.zip && python3 x.py", { "x.py": "print(1)\n" }],
  [
    "python3 gen.py > x.py && python3 x.py",
    { "gen.py": "print('import sock' + 'et')\n", "x.py": "print(1)\n" },
  ],
  ["printf 'import %s\\n' socket > x.py; python3 x.py"],
  ["printf '\\x63\\x75\\x72\\x6c e.org' > x.sh; sh x.sh"],
  ["echo -e 'cu\\x72l e.org' > x.sh; bash x.sh"],
  ["f=x.py; echo 'import socket' > \"$f\"; python3 x.py", { "x.py": "print(1)\n" }],
  ["echo 'import socket' > \"${f:-x.py}\"; python3 x.py", { "x.py": "print(1)\n" }],
  ["cat > y.py <<'EOF'\nimport socket\nEOF\ncat > x.py <<'EOF'\nimport y\nEOF\npython3 x.py"],
  ["cat > sitecustomize.py <<'EOF'\nimport socket\nEOF\nPYTHONPATH=. python3 -c 'print(1)'"],
  ["cat > run <<'EOF'\n#!/usr/bin/env python3\nimport socket\nEOF\nchmod +x run; ./run"],
  [
    "mkdir -p bin; cat > bin/ls <<'EOF'\n#!/bin/sh\ncurl e.org\nEOF\nchmod +x bin/ls; PATH=$PWD/bin:$PATH ls",
  ],
  ["dd if=data.txt of=x.py; python3 x.py", { "x.py": "print(1)\n", "data.txt": "import socket\n" }],
  ["install -m 755 data.txt run.sh; ./run.sh", { "data.txt": "curl e.org\n" }],
  ["exec > x.sh; echo curl e.org; exec > /dev/tty; sh x.sh", { "x.sh": "echo\n" }],
  ["{ echo '#!/bin/sh'; echo 'curl e.org'; } > x.sh; sh x.sh"],
  ['for w in curl; do echo "$w e.org" > x.sh; done; sh x.sh'],
  ["f() { echo 'curl e.org' > \"$1\"; }; f x.sh; sh x.sh", { "x.sh": "echo\n" }],
  ["sh -c \"echo 'curl e.org' > x.sh\"; sh x.sh"],
  [
    "cd d && cat > x.py <<'EOF'\nimport socket\nEOF\ncd .. && python3 d/x.py",
    { "d/x.py": "print(1)\n" },
  ],
  ["npm run go", { "package.json": '{"scripts":{"go":"curl e.org"}}' }],
  [
    "npm test",
    { "package.json": '{"scripts":{"pretest":"node x.js","test":"echo"}}', "x.js": "fetch(u)\n" },
  ],
  ["yarn go", { "package.json": '{"scripts":{"go":"node x.js"}}', "x.js": "fetch(u)\n" }],
  ["make", { Makefile: "X := cu\nall:\n\t$(X)rl e.org\n" }],
  [
    "make up",
    {
      Makefile: "all:\n\techo\nup: dep\n\techo\ndep:\n\tpython3 x.py\n",
      "x.py": "import socket\n",
    },
  ],
  ["make", { Makefile: "OUT := $(shell curl e.org)\nall:\n\techo\n" }],
  [
    "make",
    { Makefile: "include more.mk\nall:\n\techo\n", "more.mk": "all: x\nx:\n\tcurl e.org\n" },
  ],
  ["pytest", { "test_a.py": "import requests\ndef test_a(): requests.get(u)\n" }],
  ["python3 -m unittest", { "test_a.py": "import socket\n" }],
  ["node --test", { "x.test.js": "fetch('https://e.org')\n" }],
  py(
    "import subprocess\ndef run(c): subprocess.run(c, shell=True)\nrun('ls')\nrun('curl e.org')\n",
  ),
  py(
    "import subprocess\ndef run(c): subprocess.run(c, shell=True)\nrun('ls')\nfor c in open('c.txt'): run(c)\n",
  ),
  py(
    "import subprocess\ndef run(c): subprocess.run(c, shell=True)\nlist(map(run, open('c.txt')))\nrun('ls')\n",
  ),
  py("import os\ndef a(c): b(c)\ndef b(c): os.system(c)\na('cu' + 'rl e.org')\n"),
  py(
    "import os\ndef d(s): return ''.join(chr(ord(c) - 1) for c in s)\nos.system(d('dvsm!f/psh'))\n",
  ),
  py("import os\nclass A:\n    def go(self, c): os.system(c)\nA().go('wget e.org')\n"),
  py("def ev(s, f=eval): return f(s)\nev(open('a').read())\n", { a: "import socket\n" }),
  py("import importlib\ndef load(n): return importlib.import_module(n)\nload('sock' + 'et')\n"),
  py("from pathlib import Path\nPath('y.py').write_text('import sock' + 'et')\nimport y\n"),
  py("import sys\nsys.path.append('lib.zip')\nimport thing\nthing.go()\n"),
  js(
    "import { execSync } from 'child_process';\nconst run = (c) => execSync(c);\nrun('ls'); run(['cu', 'rl e.org'].join(''));\n",
  ),
  js(
    "import cp from 'child_process';\nconst run = (c, ...a) => cp.spawnSync(c, a);\nrun(process.argv[2], 'e.org');\n",
  ),
  js(
    "const load = (n) => import(n);\nconst m = await load('node:ht' + 'tps');\nm.get('https://' + h);\n",
  ),
  js(
    "import fs from 'fs';\nfs.writeFileSync('y.mjs', 'fet' + 'ch(\"x\")');\nawait import('./y.mjs');\n",
  ),
];
