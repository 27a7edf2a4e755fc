import type { HonestRow } from "./honest.testing.ts";

const hello = { "x.py": "import sys\nprint('hello', sys.argv)\n" };

/** Commands for the shell, and scripts of it. */
export const honestShell: readonly HonestRow[] = [
  ["ls -la && pwd"],
  ["grep -rn 'def main' --include='*.py' . | head -20"],
  ["sed -n '1,80p' src/app.py"],
  ["sed -i 's/foo/bar/g' src/*.py && git diff --stat"],
  ["awk -F, 'NR>1 {s+=$3} END {print s/(NR-1)}' data.csv"],
  ["jq -r '.items[] | select(.n > 3) | .name' data.json | sort -u"],
  ["git status --short && git diff HEAD && git log --oneline -5"],
  ["git init -q && git add -A && git commit -qm 'first commit'"],
  ["git config user.email a@b.c && git config user.name a && git commit -am 'fix: x'"],
  ["find . -type f -name '*.md' -not -path './node_modules/*' | xargs wc -l | tail -1"],
  ['for f in *.py; do python3 "$f"; done', hello],
  ["ls *.py | xargs -n1 python3", hello],
  ["find . -name '*.py' -exec python3 {} \\;", hello],
  ["find . -name '*.sh' -exec bash -n {} +", { "a.sh": "echo hi\n" }],
  ["bash -lc 'cd /tmp && ls && python3 x.py'", hello],
  ["set -euo pipefail\ncd /tmp\npython3 x.py | tee out.txt", hello],
  ['tmp=$(mktemp -d)\ntrap \'rm -rf "$tmp"\' EXIT\ncp x.py "$tmp"\nls "$tmp"', hello],
  ["if command -v python3 >/dev/null; then python3 x.py; else echo none; fi", hello],
  ['while read -r line; do echo "> $line"; done < notes.txt'],
  ['while IFS=, read -r a b; do printf \'%s=%s\\n\' "$a" "$b"; done < data.csv'],
  ["python3 - <<'EOF'\nimport json\nprint(json.dumps({'a': 1}))\nEOF"],
  ["python3 - <<EOF\nimport os\nprint('$HOME', len(os.listdir('.')))\nEOF"],
  ["N=5\npython3 - \"$N\" <<'EOF'\nimport sys\nprint(int(sys.argv[1]) ** 2)\nEOF"],
  ['python3 -c "print(sum(range(10)))"'],
  ["python3 -c \"import json,sys; print(json.load(sys.stdin)['a'])\" < data.json"],
  ["cat data.json | python3 -c 'import json,sys; print(len(json.load(sys.stdin)))'"],
  ["cat data.json | python3 -m json.tool | head"],
  ["python3 -m venv --help | head -3; python3 -V"],
  ["cat > x.py <<'EOF'\nprint('hi')\nEOF\npython3 x.py"],
  ["cat > /tmp/x.py << 'EOF'\nimport math\nprint(math.pi)\nEOF\npython3 /tmp/x.py"],
  ["cat <<'EOF' > x.py\nprint(1)\nEOF\npython3 x.py && echo done"],
  ["cat <<EOF >/tmp/dir/x.py\nprint('$USER')\nEOF\ncd dir && python3 x.py"],
  ["mkdir -p d && cat > d/x.py <<'EOF'\nprint(1)\nEOF\npython3 d/x.py"],
  ["mkdir -p d && cd d && cat > x.py <<'EOF'\nprint(1)\nEOF\npython3 x.py"],
  ["tee x.py <<'EOF'\nprint(2)\nEOF\npython3 x.py"],
  ["tee x.py > /dev/null <<EOF\nprint(2)\nEOF\npython3 x.py"],
  ["cat <<'EOF' | tee x.py >/dev/null\nprint(2)\nEOF\npython3 x.py"],
  ["printf 'echo one\\necho two\\n' > x.sh && sh x.sh"],
  ["printf '%s\\n' 'print(1)' 'print(2)' > x.py; python3 x.py"],
  ["echo 'console.log(1+1)' > a.js; node a.js"],
  ["echo 'print(1)' > x.py && echo 'print(2)' >> x.py && python3 x.py"],
  ["echo \"print('hi')\" > x.py && timeout 10 python3 x.py"],
  ["cat > run.sh <<'EOF'\n#!/bin/bash\nset -e\necho \"$@\"\nEOF\nchmod +x run.sh && ./run.sh a b"],
  [
    "cat > a.py <<'EOF'\nX = 1\nEOF\ncat > b.py <<'EOF'\nfrom a import X\nprint(X)\nEOF\npython3 b.py",
  ],
  [
    "cat > m.py <<'A'\ndef add(a, b):\n    return a + b\nA\ncat > test_m.py <<'B'\nfrom m import add\ndef test_add():\n    assert add(1, 2) == 3\nB\npython3 -m pytest -q test_m.py",
  ],
  [
    "cat > test_m.py <<'B'\nimport unittest\nclass T(unittest.TestCase):\n    def test_x(self):\n        self.assertEqual(1, 1)\nif __name__ == '__main__':\n    unittest.main()\nB\npython3 test_m.py",
  ],
  ["cp x.py y.py && python3 y.py", hello],
  ["mv x.py z.py && python3 z.py", hello],
  ["cat x.py y.py > z.py; python3 -m py_compile z.py", hello],
  ['out="$(python3 x.py)"; echo "$out" | wc -c', hello],
  [
    "./run.sh",
    { "run.sh": '#!/usr/bin/env bash\ncd "$(dirname "$0")"\nexec python3 x.py "$@"\n', ...hello },
  ],
  [
    "bash run.sh --fast",
    {
      "run.sh":
        '#!/bin/bash\nset -euo pipefail\nDIR="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"\npython3 "$DIR/x.py" "$@"\n',
      ...hello,
    },
  ],
  [
    "sh run.sh",
    { "run.sh": 'log() { echo "[$(date +%T)] $*"; }\nfor i in 1 2 3; do log "step $i"; done\n' },
  ],
  [
    "bash run.sh",
    { "run.sh": 'run() { echo "+ $*"; "$@"; }\nrun ls -l\nrun python3 x.py\n', ...hello },
  ],
  [
    "bash run.sh",
    { "run.sh": 'PY=${PYTHON:-python3}\n"$PY" x.py\n', ...hello },
    "Whoever calls the script may set PYTHON to any program",
  ],
  [
    "bash run.sh",
    { "run.sh": "PYTHON=python3\nfor s in x.py; do $PYTHON $s || exit 1; done\n", ...hello },
  ],
  [
    "bash run.sh",
    { "run.sh": ". ./lib.sh\nsay hello\n", "lib.sh": "say() { printf '%s\\n' \"$1\"; }\n" },
  ],
  [
    "bash run.sh",
    {
      "run.sh": 'source "$(dirname "$0")/lib.sh"\nsay hello\n',
      "lib.sh": "say() { printf '%s\\n' \"$1\"; }\n",
    },
  ],
  [
    "bash run.sh",
    {
      "run.sh":
        'case "${1:-}" in\n  build) mkdir -p out;;\n  *) echo "usage: $0 build"; exit 1;;\nesac\n',
    },
  ],
  [
    "bash run.sh",
    {
      "run.sh":
        'files=(a.txt b.txt)\nfor f in "${files[@]}"; do\n  [[ -f $f ]] && wc -l "$f"\ndone\nexit 0\n',
    },
  ],
  [
    "bash run.sh",
    {
      "run.sh":
        "while getopts 'n:v' o; do case $o in n) N=$OPTARG;; v) V=1;; esac; done\necho \"${N:-1} ${V:-0}\"\n",
    },
  ],
  [
    "make",
    {
      Makefile: "CC=gcc\nall: main.o\n\t$(CC) -o main main.o\nmain.o: main.c\n\t$(CC) -c main.c\n",
      "main.c": "int main(){}",
    },
  ],
  ["make test", { Makefile: ".PHONY: test\ntest:\n\tpython3 -m unittest\n" }],
  [
    "make -C . clean && make build",
    {
      Makefile: "clean:\n\trm -rf build\nbuild:\n\t@mkdir -p build\n\t@cp x.py build/\n",
      ...hello,
    },
  ],
  ["pytest", { "test_a.py": "def test_a():\n    assert True\n" }],
  [
    "pytest -q tests/ 2>&1 | tail -20",
    {
      "tests/test_a.py":
        "import pytest\n@pytest.fixture\ndef x(): return 1\ndef test_a(x): assert x\n",
    },
  ],
  ["python3 -m pytest -x -k 'not slow'", { "test_a.py": "def test_a():\n    assert True\n" }],
  ["python -m unittest discover -s tests -v", { "tests/test_a.py": "import unittest\n" }],
  ["tar czf out.tgz src && tar tzf out.tgz | head"],
  ["zip -rq out.zip src && unzip -l out.zip"],
  ["diff -u a.txt b.txt || true"],
  ["git diff > /tmp/p.patch; patch -p1 --dry-run < /tmp/p.patch"],
  ["sort data.txt | uniq -c | sort -rn | head -10"],
  ["cut -d, -f1,3 data.csv | column -t -s,"],
  ["find . -name '__pycache__' -prune -o -name '*.py' -print0 | xargs -0 grep -l later"],
  ["wc -l $(git ls-files '*.py')"],
  ["sqlite3 db.sqlite 'select count(*) from t'"],
  ["date +%F; uname -a; whoami; id; df -h .; nproc; free -m"],
  ["export PYTHONPATH=src && python3 x.py", hello],
  ["NODE_OPTIONS='--max-old-space-size=4096 --no-warnings' node x.js", { "x.js": "1;\n" }],
  ["PYTHONPATH=. FOO=1 python3 -u x.py > log.txt 2>&1; tail -5 log.txt", hello],
  ["(cd sub && ls); { echo a; echo b; } > ab.txt"],
  ["python3 x.py & pid=$!; sleep 1; kill $pid; wait", hello],
  ["timeout 30 bash -c 'until [ -f ready ]; do sleep 1; done'"],
  [
    "seq 1 5 | xargs -I{} sh -c 'echo item {}'",
    {},
    "What is put into the text of a shell may be a command",
  ],
  ["ls | xargs -I{} cp {} backup/"],
  ["time python3 x.py", hello],
  [
    "go vet ./... && go build -o app . && ./app",
    {
      "main.go": 'package main\n\nimport "fmt"\n\nfunc main() { fmt.Println(1) }\n',
      "go.mod": "module x\n",
    },
  ],
  [
    "gcc -O2 -o hello hello.c && ./hello",
    { "hello.c": '#include <stdio.h>\nint main(){puts("hi");}\n' },
    "C is not read",
  ],
  [
    "cat > hello.c <<'EOF'\n#include <stdio.h>\nint main(){puts(\"hi\");}\nEOF\ngcc hello.c -o hello && ./hello",
    {},
    "C is not read",
  ],
];
