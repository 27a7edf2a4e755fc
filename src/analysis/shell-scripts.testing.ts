/** Scripts as people write them, with the programs that they start. Nobody runs them. */
export const realScripts: { text: string; programs: string[] }[] = [
  {
    text: `#!/usr/bin/env bash
set -euo pipefail
here=$(cd "$(dirname "\${BASH_SOURCE[0]}")" && pwd)
for file in "$here"/*.csv; do
  [[ -s $file ]] || continue
  name=\${file##*/}
  sort -u "$file" | tee "/tmp/\${name%.csv}.sorted" | wc -l
done
`,
    programs: ["set", "cd", "dirname", "pwd", "continue", "sort", "tee", "wc"],
  },
  {
    text: `if ! command -v jq >/dev/null 2>&1; then
  echo "jq is missing" >&2
  exit 1
fi
jq -r '.items[] | select(.size > 10) | .name' data.json |
  while IFS= read -r name; do
    case "$name" in
      *.gz) gunzip -k "$name" ;;
      *.zip | *.jar) unzip -o "$name" -d out/ ;;
      *) printf 'skipped %s\\n' "$name" ;;
    esac
  done
`,
    programs: ["command", "echo", "exit", "jq", "read", "gunzip", "unzip", "printf"],
  },
  {
    text: `retry() {
  local tries=$1; shift
  until make "$@"; do
    ((tries--)) || return 1
    sleep $((2 ** 3))
  done
}
retry 3 build > >(tee build.log) 2>&1
trap 'kill "$pid"; wait' EXIT INT
python3 -m http.server 8000 &
pid=$!
`,
    programs: [
      ...["local", "shift", "make", "return", "sleep", "retry", "tee"],
      ...["trap", "kill", "wait", "python3"],
    ],
  },
  {
    text: `cat > config.yaml <<EOF
version: $(git describe --tags)
user: \${USER:-nobody}
EOF
cat >> run.py <<'PY'
import os
os.system("rm -rf x")
PY
diff <(sort a) <(sort b) || true
env LC_ALL=C timeout 60 nice -n 10 python3 run.py --out "$(mktemp -d)"
find . -type f -name '*.log' -mtime +7 -exec gzip -9 {} +
find . -print0 | xargs -0 -P 4 -n 1 sha256sum > sums
`,
    programs: [
      ...["cat", "git", "cat", "diff", "sort", "sort", "true"],
      ...["python3", "mktemp", "find", "gzip", "find", "sha256sum"],
    ],
  },
  {
    text: `declare -A seen=([a]=1 [b]=$(date +%s))
for ((i = 0; i < 10; i++)); do
  { time curl_like "$i"; } 2>> times.txt
done
select choice in one two; do break; done < /dev/null
coproc READER { tail -f log; }
bash -c 'cd /tmp && ls -l | head -n "$1"' _ 5
(umask 077; mkdir -p private) && ln -sfn private current
exec 3< input.txt
read -r -u 3 line && echo "\${line^^}"
`,
    programs: [
      ...["declare", "date", "curl_like", "break", "tail", "bash", "cd", "ls", "head"],
      ...["umask", "mkdir", "ln", "exec", "read", "echo"],
    ],
  },
  {
    text: `awk -F'\\t' 'NR > 1 && $3 != "" { sum[$1] += $3 } END { for (k in sum) print k, sum[k] }' t.tsv \\
  | sort -k2,2nr | sed -n '1,10p; s/\\t/,/g' > top.csv
sed -i -e '/^#/d' -e 's|/old/path|/new/path|g' conf
tar -czf backup.tgz --exclude='*.tmp' src && tar -tzf backup.tgz > list
git -c user.name=bot -c user.email=bot@localhost commit -qam "Update $(date -I)"
`,
    programs: ["awk", "sort", "sed", "sed", "tar", "tar", "git", "date"],
  },
];

/** What bash does not take for a script. */
export const refused: string[] = [
  ...[
    "if true; then",
    "fi",
    "ls )",
    "( ls",
    "{ ls",
    "for in; do",
    "case x in a) ls",
    "ls 'x",
    'ls "x',
  ],
  ...["ls &&", "| ls", "ls ;;", "ls | | wc", "while do done", "done", "ls > ", "a() ", "function"],
  ...["[[ a", "((1", "if x; fi", "for x in a; ls; done", "echo `ls", "echo ${x", "then", "do", "}"],
  ...[
    "ls & & x",
    "; ls",
    "& ls",
    "case in esac",
    "until; do done",
    "echo $(ls",
    "select x; ls",
    "!(",
  ],
];
