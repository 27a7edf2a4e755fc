import { type OptionTable, scanOptions } from "./command-options.ts";
import { carried, type Frame, partOf, type Reader, type ShellWord } from "./shell-reading.ts";
import { isFoundFile, isStdinPath } from "./stdin-path.ts";

const shellOptions: OptionTable = {
  flags: "abcefhiklmnprstuvxBCDEHPT",
  values: "oO",
  plus: true,
  odd: /^-$/,
  longFlags: [
    ...["login", "norc", "noprofile", "noediting", "posix", "restricted", "verbose", "debugger"],
    ...["dump-strings", "dump-po-strings", "help", "version", "pretty-print"],
  ],
};

const shells = new Set(["sh", "bash", "dash", "ash", "zsh", "ksh", "mksh", "rbash"]);

/**
 * Reads what a shell, or a builtin of one, will run: the text after `-c`, a script, its standard input; `eval`, `trap`,
 * `alias`. False when the program is no such thing.
 */
export function readShell(
  words: readonly ShellWord[],
  program: string,
  frame: Frame & { place?: number },
  reader: Reader,
): boolean {
  if (shells.has(program)) {
    readShellProgram(words, program, frame, reader);
    return true;
  }
  const read = Object.hasOwn(builtins, program) ? builtins[program] : undefined;
  read?.(words, frame, reader);
  return read !== undefined;
}

function readShellProgram(
  words: readonly ShellWord[],
  program: string,
  frame: Frame & { place?: number },
  reader: Reader,
): void {
  const dialect = program === "bash" || program === "rbash" ? "bash" : "sh";
  const scanned = scanOptions(words, 1, shellOptions);
  if (!scanned.ok) {
    const isText = scanned.options.some(({ name }) => name === "c");
    // With -n it reads, and runs nothing.
    if (!isText && scanned.options.some(({ name }) => name === "n")) return;
    if (!isText && scanned.word.dynamic && isFoundFile(scanned.word)) {
      reader.script(scanned.word, "any");
      return;
    }
    const what = isText ? `What ${program} -c runs is only known` : "Its options are only known";
    const reason = `${what} when it runs`;
    const isKnown = !scanned.word.dynamic;
    reader.opaque(scanned.word, isKnown ? `An option of ${program} is not understood` : reason);
    return;
  }
  const letters = new Set(scanned.options.map(({ name }) => name));
  const operand = words[scanned.next];
  if (letters.has("c")) {
    const inner = { ...frame, inside: frame.place ?? frame.inside };
    runText(operand, words[0], dialect, `${program} -c`, inner, reader);
    return;
  }
  if (letters.has("help") || letters.has("version")) return;
  if (operand !== undefined && !letters.has("s") && !isStdinPath(operand.text)) {
    if (letters.has("n")) return;
    if (!operand.dynamic) reader.script(operand);
    else if (isFoundFile(operand)) reader.script(operand, "any");
    else reader.opaque(operand, `Which script ${program} runs is not known`);
    return;
  }
  const { stdin } = frame;
  if (stdin.type === "file" && !stdin.word.dynamic) {
    reader.script(stdin.word);
    return;
  }
  if (stdin.type === "text" && !stdin.word.dynamic) {
    const inner = { ...frame, inside: frame.place ?? frame.inside };
    runText(stdin.word, words[0], dialect, program, inner, reader);
    return;
  }
  const [first] = words;
  if (first !== undefined) reader.opaque(first, `${program} runs what it reads from its input`);
}

/** Reads a text that a shell runs. */
function runText(
  text: ShellWord | undefined,
  shell: ShellWord | undefined,
  dialect: Frame["dialect"],
  via: string,
  frame: Frame,
  reader: Reader,
): void {
  if (text === undefined) {
    if (shell !== undefined) reader.opaque(shell, `${via} has no command`);
    return;
  }
  if (text.dynamic) {
    reader.opaque(text, `What ${via} runs is only known when it runs`);
    return;
  }
  const inner = carried(frame, text, via);
  reader.readText(text.text, { ...inner, dialect, stdin: { type: "unknown" } });
}

/** Text that other programs give to a shell, such as the value of an option. */
export function runCarried(
  text: ShellWord | undefined,
  via: string,
  frame: Frame,
  reader: Reader,
): void {
  if (text !== undefined) runText(text, undefined, "sh", via, frame, reader);
}

type Builtin = (words: readonly ShellWord[], frame: Frame, reader: Reader) => void;

const builtins: Readonly<Record<string, Builtin>> = {
  eval: readEval,
  ".": readSource,
  source: readSource,
  trap: readTrap,
  alias: readAlias,
  hash: readHash,
  enable: (words, _frame, reader) => loads(words, "f", "enable -f loads code", reader),
  mapfile: (words, _frame, reader) => loads(words, "C", "mapfile -C runs a command", reader),
  readarray: (words, _frame, reader) => loads(words, "C", "readarray -C runs a command", reader),
  complete: (words, _frame, reader) => loads(words, "CF", "complete runs commands", reader),
  compgen: (words, _frame, reader) => loads(words, "CF", "compgen runs commands", reader),
  bind: (words, _frame, reader) => loads(words, "x", "bind -x runs commands", reader),
};

function readEval(words: readonly ShellWord[], frame: Frame, reader: Reader): void {
  const [first] = words;
  const given = words.slice(words[1]?.text === "--" ? 2 : 1);
  const [start] = given;
  if (first === undefined || start === undefined) return;
  const dynamic = given.find((word) => word.dynamic);
  if (dynamic !== undefined) {
    reader.opaque(dynamic, "What eval runs is only known when it runs");
    return;
  }
  const text = given.map((word) => word.text).join(" ");
  reader.readText(text, { ...carried(frame, partOf(start, text), "eval") });
}

function readSource(words: readonly ShellWord[], frame: Frame, reader: Reader): void {
  const path = words[words[1]?.text === "--" ? 2 : 1];
  if (path === undefined) return;
  if (path.dynamic && isFoundFile(path)) reader.script(path, "any");
  else if (path.dynamic) reader.opaque(path, "Which script is read is not known");
  else if (!isStdinPath(path.text)) reader.script(path);
  else if (frame.stdin.type === "text" && !frame.stdin.word.dynamic) {
    reader.readText(frame.stdin.word.text, carried(frame, frame.stdin.word, "source"));
  } else reader.opaque(path, "What is read from the input is not known");
}

function readTrap(words: readonly ShellWord[], frame: Frame, reader: Reader): void {
  const action = words[words[1]?.text === "--" ? 2 : 1];
  if (action === undefined || /^(-[lpP]*|\d+|)$/.test(action.text)) return;
  if (action.dynamic) reader.opaque(action, "What trap runs is only known when it runs");
  else reader.readText(action.text, carried(frame, action, "trap"));
}

function readAlias(words: readonly ShellWord[], frame: Frame, reader: Reader): void {
  for (const word of words.slice(1)) {
    const equals = word.text.indexOf("=");
    if (word.dynamic) reader.opaque(word, "What the alias stands for is not known");
    else if (equals > 0) {
      const value = partOf(word, word.text.slice(equals + 1));
      reader.readText(value.text, carried(frame, value, "alias"));
    }
  }
}

/** `hash -p PATH NAME`: the name starts that program from now on. */
function readHash(words: readonly ShellWord[], frame: Frame, reader: Reader): void {
  const at = words.findIndex((word) => /^-\w*p$/.test(word.text));
  const path = at === -1 ? undefined : words[at + 1];
  if (path !== undefined) reader.resolve([path], { ...frame, via: [...frame.via, "hash -p"] });
  else if (words.some((word) => /^-\w*p./.test(word.text) || word.splits)) {
    reader.opaque(words[0] ?? { text: "hash", offset: 0 }, "hash -p is not understood");
  }
}

/** An option, whichever way it is spelt, makes the builtin run something that cannot be followed. */
function loads(words: readonly ShellWord[], letters: string, why: string, reader: Reader): void {
  const option = new RegExp(`^-\\w*[${letters}]`);
  const word = words.slice(1).find(({ text, dynamic }) => !dynamic && option.test(text));
  if (word !== undefined) reader.opaque(word, why);
}
