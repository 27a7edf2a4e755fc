import { readGit } from "./command-git.ts";
import { sedRuns } from "./command-sed.ts";
import { runCarried } from "./command-shells.ts";
import { type Frame, partOf, type Reader, type ShellWord } from "./shell-reading.ts";

type Runner = (words: readonly ShellWord[], frame: Frame, reader: Reader) => void;

/** The values of an option, however it is spelt: `-x V`, `-xV`, `--long V`, `--long=V`. */
export function valuesOf(words: readonly ShellWord[], names: readonly string[]): ShellWord[] {
  const found: ShellWord[] = [];
  for (const [index, word] of words.entries()) {
    if (index === 0) continue;
    for (const name of names) {
      const { text } = word;
      const next = words[index + 1];
      if (text === name && next !== undefined) found.push(next);
      else if (name.startsWith("--") && text.startsWith(`${name}=`)) {
        found.push(partOf(word, text.slice(name.length + 1)));
      } else if (!name.startsWith("--") && text.startsWith(name) && text.length > name.length) {
        found.push(partOf(word, text.slice(name.length)));
      }
    }
  }
  return found;
}

/** Options whose value goes to a shell. */
const carrying =
  (via: string, ...names: string[]): Runner =>
  (words, frame, reader) => {
    for (const value of valuesOf(words, names)) runCarried(value, via, frame, reader);
  };

/** Starts what cannot be read from its words. */
const always =
  (why: string): Runner =>
  (words, _frame, reader) => {
    const [first] = words;
    if (first !== undefined && words.length > 1) reader.opaque(first, why);
  };

/** Starts what cannot be read, with certain options only. */
const options =
  (why: string, pattern: RegExp): Runner =>
  (words, _frame, reader) => {
    const word = words.slice(1).find(({ text }) => pattern.test(text));
    if (word !== undefined) reader.opaque(word, why);
  };

const editor = options("The editor runs commands", /^(-[a-zA-Z]*[csSu]|\+.+|--cmd|--eval|-f)/);
const starter = always("It starts a program that is not read from its options");
const awk: Runner = (words, _frame, reader) => readAwk(words, reader);

const runners: Readonly<Record<string, Runner>> = {
  find: readFind,
  sed: readSed,
  awk,
  gawk: awk,
  mawk: awk,
  nawk: awk,
  tar: readTar,
  bsdtar: readTar,
  git: readGit,
  ssh: readSsh,
  scp: readSsh,
  sftp: readSsh,
  rsync: carrying("rsync -e", "-e", "--rsh"),
  man: carrying("man -P", "-P", "--pager", "-H", "--html"),
  watch: readWatch,
  script: carrying("script -c", "-c", "-qc", "-qec", "-eqc", "--command"),
  su: carrying("su -c", "-c", "--command"),
  npx: carrying("npx -c", "-c", "--call"),
  npm: carrying("npm exec -c", "-c", "--call"),
  make: options("make runs what it is given", /^(--eval|SHELL=|-E)/),
  vim: editor,
  vi: editor,
  nvim: editor,
  ex: editor,
  view: editor,
  emacs: editor,
  ed: always("ed runs commands"),
  zip: options("zip -TT runs a command", /^(-TT|--unzip-command)/),
  split: carrying("split --filter", "--filter"),
  sort: carrying("sort --compress-program", "--compress-program"),
  curl: options("curl reads its options from a file", /^(-K|--config)/),
  wget: options("wget --use-askpass runs a program", /^(--use-askpass|-e|--execute)/),
  ...Object.fromEntries(
    [
      ...["parallel", "setpriv", "prlimit", "numactl", "strace", "ltrace", "gdb", "valgrind"],
      ...["socat", "expect", "tmux", "screen", "at", "batch", "crontab", "systemd-run", "chpst"],
      ...["start-stop-daemon", "run-parts", "xvfb-run", "proot", "fakeroot", "fakechroot"],
      ...["unbuffer", "entr", "dbus-run-session", "runuser", "perf", "setarch", "linux64"],
      ...["linux32", "i386", "x86_64", "runcon", "faketime", "ssh-agent", "gpg-agent", "rlwrap"],
    ].map((name) => [name, starter] as const),
  ),
};

/** Programs that run other programs when their options say so. */
export function readRunner(
  words: readonly ShellWord[],
  program: string,
  frame: Frame,
  reader: Reader,
): void {
  if (Object.hasOwn(runners, program)) runners[program]?.(words, frame, reader);
}

/** Each `-exec … ;` of find is a command; what it finds is only known when it runs. */
function readFind(words: readonly ShellWord[], frame: Frame, reader: Reader): void {
  for (let index = 1; index < words.length; index += 1) {
    const action = words[index]?.text ?? "";
    if (!/^-(exec|execdir|ok|okdir)$/.test(action)) continue;
    const inner: ShellWord[] = [];
    for (index += 1; index < words.length; index += 1) {
      const word = words[index];
      if (word === undefined || word.text === ";") break;
      if (word.text === "+" && inner.at(-1)?.fixed === "") break;
      const isFound = word.text.includes("{}");
      inner.push(isFound ? { ...word, dynamic: true, substituted: true, fixed: "" } : word);
    }
    reader.resolve(inner, { ...frame, via: [...frame.via, `find ${action}`] });
  }
}

function readSed(words: readonly ShellWord[], _frame: Frame, reader: Reader): void {
  const given = valuesOf(words, ["-e", "--expression"]);
  const cluster = words.findIndex(({ text }) => /^-[nErsuz]+e$/.test(text));
  if (cluster > 0) given.push(...words.slice(cluster + 1, cluster + 2));
  const isFile = words.some(({ text }) => /^(-[nErsuz]*f|--file)/.test(text));
  const operand = words.slice(1).find(({ text, dynamic }) => dynamic || !text.startsWith("-"));
  if (given.length === 0 && !isFile && operand !== undefined) given.push(operand);
  for (const script of given) {
    // What a variable puts there is most often a name or a number; what is known of it must be harmless.
    const text = script.dynamic ? script.fixed : script.text;
    if (text !== "" && sedRuns(text)) reader.opaque(script, "sed runs commands with e");
  }
}

function readAwk(words: readonly ShellWord[], reader: Reader): void {
  const file = words.some(({ text }) => /^(-f|--file)/.test(text));
  const given = valuesOf(words, ["-e", "--source"]);
  for (let index = 1; !file && given.length === 0 && index < words.length; index += 1) {
    const word = words[index];
    if (word === undefined) break;
    if (/^-[vF]$/.test(word.text)) index += 1;
    else if (word.dynamic || !word.text.startsWith("-")) given.push(word);
  }
  for (const code of given) {
    const text = (code.dynamic ? code.fixed : code.text).replace(/\|\|/g, "");
    if (
      /\bsystem\b|\||@load|\/inet/.test(
        text.replace(/"([^"\\]|\\.)*"/g, (s) => s.replace(/\|/g, "")),
      )
    ) {
      reader.opaque(code, "awk starts programs");
    }
    reader.payload("other", code);
  }
}

function readTar(words: readonly ShellWord[], frame: Frame, reader: Reader): void {
  const actions = valuesOf(words, ["--checkpoint-action"]);
  for (const action of actions) {
    if (action.text.startsWith("exec=")) {
      runCarried(partOf(action, action.text.slice(5)), "tar --checkpoint-action", frame, reader);
    } else if (action.dynamic) reader.opaque(action, "What tar runs is not known");
  }
  const names = ["--to-command", "--use-compress-program", "--rsh-command", "--info-script"];
  const more = ["--new-volume-script", "--rmt-command", "-I"];
  for (const value of valuesOf(words, [...names, ...more])) {
    runCarried(value, "tar --to-command", frame, reader);
  }
  const abbreviated = /^--(to-co|checkpoint-a|use-comp|rsh|info-s|new-v|rmt)[^=]*=?/;
  const known = new RegExp(`^(${[...names, ...more, "--checkpoint-action"].join("|")})(=|$)`);
  const odd = words.find(({ text }) => abbreviated.test(text) && !known.test(text));
  if (odd !== undefined) reader.opaque(odd, "An option of tar is not understood");
}

/** `-o ProxyCommand=…` and the like, and the program that scp and sftp start for the connection. */
function readSsh(words: readonly ShellWord[], frame: Frame, reader: Reader): void {
  for (const option of valuesOf(words, ["-o"])) {
    const setting = /^\s*(\w+)\s*[=\s]\s*(.*)$/s.exec(option.text);
    const runs = /^(proxycommand|localcommand|knownhostscommand|match|include|pkcs11provider)$/i;
    if (option.dynamic || (setting?.[1] !== undefined && runs.test(setting[1]))) {
      const value = setting?.[2] ?? "";
      if (option.dynamic) reader.opaque(option, "What ssh is told is not known");
      else runCarried(partOf(option, value), `ssh -o ${setting?.[1]}`, frame, reader);
    }
  }
  for (const value of valuesOf(words, ["-S", "-F"])) {
    if (words[0]?.text !== "ssh")
      reader.opaque(value, "It starts a program, or reads what to start");
  }
}

/** watch gives its words to a shell. */
function readWatch(words: readonly ShellWord[], frame: Frame, reader: Reader): void {
  let index = 1;
  while (words[index]?.text.startsWith("-")) {
    index += /^(-n|--interval)$/.test(words[index]?.text ?? "") ? 2 : 1;
  }
  const [start, ...more] = words.slice(index);
  if (start === undefined) return;
  const dynamic = [start, ...more].some((word) => word.dynamic);
  const text = [start, ...more].map((word) => word.text).join(" ");
  runCarried({ ...partOf(start, text), dynamic }, "watch", frame, reader);
}
