import { type OptionTable, scanOptions } from "./command-options.ts";
import type { Frame, Reader, ShellWord } from "./shell-reading.ts";
import { isFoundFile, isStdinPath } from "./stdin-path.ts";

type Language = "python" | "javascript" | "other";

/** A program that runs code of a language, and how it is given to it. */
interface Interpreter {
  language: Language;
  options: OptionTable;
  /** Options whose value is code. */
  code: readonly string[];
  /** Options whose value is the name of a module that is run. */
  modules?: readonly string[];
  /** Options whose value is a file that is run. */
  files?: readonly string[];
  /** With these it runs nothing, or nothing that it reads. */
  idle?: readonly string[];
  /** Words before the file: `deno run x.ts`. */
  subcommands?: Readonly<Record<string, "file" | "code" | "none">>;
  /** It runs only what the options say. */
  noOperand?: boolean;
  /** Without a file it reads its input. */
  readsInput?: boolean;
}

const python: Interpreter = {
  language: "python",
  options: {
    flags: "bBdEhiIOPqRsSuvVx?",
    values: "WXcm",
    last: "cm",
    odd: /^--help(-\w+)?$/,
    longFlags: ["version"],
    longValues: ["check-hash-based-pycs"],
  },
  code: ["c"],
  modules: ["m"],
  idle: ["V", "h", "?", "version"],
  readsInput: true,
};

const node: Interpreter = {
  language: "javascript",
  options: {
    flags: "vhicps",
    values: "erC",
    longValues: [
      ...["eval", "require", "import", "loader", "experimental-loader", "conditions", "title"],
      ...["input-type", "env-file", "max-old-space-size", "stack-trace-limit"],
      ...["test-reporter", "test-name-pattern", "inspect-port"],
    ],
    manyLongFlags: true,
  },
  code: ["e", "eval", "p", "print"],
  files: ["r", "require", "import", "loader", "experimental-loader"],
  idle: ["v", "version", "h", "help", "test"],
  readsInput: true,
};

const deno: Interpreter = {
  language: "javascript",
  options: { flags: "qrALhVRWENS", values: "cp", manyLongFlags: true },
  code: [],
  idle: ["V", "version", "h", "help"],
  subcommands: { run: "file", eval: "code", test: "file", bench: "file", serve: "file" },
};

const bun: Interpreter = {
  language: "javascript",
  options: { flags: "hvbi", values: "erpcd", manyLongFlags: true, longValues: ["eval", "print"] },
  code: ["e", "eval", "p", "print"],
  files: ["r"],
  idle: ["v", "version", "h", "help"],
  subcommands: { run: "file", x: "none", install: "none", add: "none", test: "none" },
};

const perl: Interpreter = {
  language: "other",
  options: { flags: "acfnpsStTuUvwWXhgk", values: "eE", attached: "0CDFiIlmMxVd" },
  code: ["e", "E"],
  idle: ["v", "V", "h"],
  readsInput: true,
};

const ruby: Interpreter = {
  language: "other",
  options: {
    flags: "acdhlnpsSvwUy",
    values: "eIr",
    attached: "0CEFiKTWx",
    manyLongFlags: true,
  },
  code: ["e"],
  files: ["r"],
  idle: ["v", "version", "h", "help"],
  readsInput: true,
};

const withOption = (code: string, more: OptionTable = {}): Interpreter => ({
  language: "other",
  options: { values: code, flags: "hvqniw", manyLongFlags: true, ...more },
  code: [...code],
  idle: ["v", "h", "version", "help"],
});

const interpreters: Readonly<Record<string, Interpreter>> = {
  node,
  nodejs: node,
  deno,
  bun,
  tsx: node,
  "ts-node": node,
  perl,
  ruby,
  php: {
    ...withOption("rBRE", { values: "rBREfcdzSt", flags: "hvainmlsqwCH" }),
    files: ["f"],
  },
  lua: withOption("e", { values: "el", flags: "ivEW" }),
  luajit: withOption("e", { values: "elj", flags: "ivEO" }),
  Rscript: withOption("e"),
  julia: withOption("eE", { values: "eEpLJt", longValues: ["eval", "print"] }),
  osascript: withOption("e"),
  guile: withOption("c", { values: "cls" }),
  elixir: withOption("e", { values: "er", longValues: ["eval"] }),
  groovy: withOption("e"),
  tclsh: withOption(""),
};

const pythons = /^(python|pypy)\d*(\.\d+)?$/;

/** Reads the code that an interpreter is given. False when the program is none. */
export function readInterpreter(
  words: readonly ShellWord[],
  program: string,
  frame: Frame,
  reader: Reader,
): boolean {
  if (program === "go") return readGo(words, reader);
  const known = Object.hasOwn(interpreters, program) ? interpreters[program] : undefined;
  const interpreter = pythons.test(program) ? python : known;
  if (interpreter === undefined) return false;
  readWith(interpreter, words, frame, reader);
  return true;
}

function readWith(
  interpreter: Interpreter,
  words: readonly ShellWord[],
  frame: Frame,
  reader: Reader,
): void {
  const mode = interpreter.subcommands?.[words[1]?.text ?? ""];
  if (mode === "none") return;
  const scanned = scanOptions(words, mode === undefined ? 1 : 2, interpreter.options);
  const { options } = scanned;
  let carries = false;
  for (const { name, value } of options) {
    if (interpreter.code.includes(name)) {
      // `node -p CODE` and `node -pe CODE`: the code of -p is the first word that is no option.
      const code = value ?? (scanned.ok ? words[scanned.next] : undefined);
      carries = true;
      if (code !== undefined && !(name === "p" && options.some((o) => o.name === "e"))) {
        readCode(interpreter.language, code, reader);
      }
    } else if (interpreter.modules?.includes(name) && value !== undefined) {
      carries = true;
      reader.script(value, "module");
    } else if (interpreter.files?.includes(name) && value !== undefined) reader.script(value);
  }
  if (!scanned.ok) {
    // A word that is not known yet is an argument like any other; an option that is not known may be code.
    const { dynamic, substituted } = scanned.word;
    if (!dynamic) reader.opaque(scanned.word, "An option is not understood");
    else if (!carries && (scanned.word.text === "" || isFoundFile(scanned.word)))
      reader.script(scanned.word, "any");
    else if (substituted) reader.opaque(scanned.word, "Which code runs is not known");
    return;
  }
  if (carries || options.some(({ name }) => interpreter.idle?.includes(name))) return;
  readOperand(interpreter, words[scanned.next], mode, frame, reader, words);
}

function readOperand(
  interpreter: Interpreter,
  operand: ShellWord | undefined,
  mode: "file" | "code" | undefined,
  frame: Frame,
  reader: Reader,
  words: readonly ShellWord[],
): void {
  if (operand !== undefined && !isStdinPath(operand.text)) {
    if (mode === "code") readCode(interpreter.language, operand, reader);
    else if (!operand.dynamic) reader.script(operand);
    else if (isFoundFile(operand)) reader.script(operand, "any");
    else if (operand.substituted) reader.opaque(operand, "Which code runs is not known");
    return;
  }
  if (!interpreter.readsInput) return;
  const { stdin } = frame;
  if (stdin.type === "text") readCode(interpreter.language, stdin.word, reader);
  else if (stdin.type === "file" && !stdin.word.dynamic) reader.script(stdin.word);
  else {
    const [first] = words;
    if (first !== undefined) reader.opaque(first, "It runs the code that it reads from its input");
  }
}

/** Code that the shell completes is read as it stands, unless there is nothing of it or a command writes it. */
function readCode(language: Language, code: ShellWord, reader: Reader): void {
  if (code.dynamic && (code.substituted || !/\w\s*[(=;:{]|\w\s+\w/.test(code.fixed))) {
    reader.opaque(code, "The code is only known when it runs");
  }
  reader.payload(language, code);
}

/** `go run [flags] x.go` */
function readGo(words: readonly ShellWord[], reader: Reader): boolean {
  if (words[1]?.text !== "run") return true;
  for (const word of words.slice(2)) {
    if (word.dynamic || word.text.startsWith("-")) continue;
    if (word.text.endsWith(".go") || word.text.startsWith(".")) reader.script(word);
    else return true;
  }
  return true;
}
