import { type OptionTable, scanOptions } from "./command-options.ts";
import { readAssignment } from "./command-settings.ts";
import { type Frame, partOf, type Reader, type ShellWord, unknownWord } from "./shell-reading.ts";

/** A program that starts the one named by its arguments. */
interface Wrapper {
  options: OptionTable;
  /** Its own words between the options and the program. */
  operands?: number;
  /** NAME=value before the program. */
  assignments?: boolean;
  /** With one of these options it starts nothing. */
  alone?: string;
  /** The program is kept as well, because it is asked for itself. */
  kept?: boolean;
}

const help = ["help", "version"];

/** Wrappers by name. One that is not here is a program like any other. */
const wrappers: Readonly<Record<string, Wrapper>> = {
  env: {
    options: {
      flags: "i0v",
      values: "uCSaP",
      longFlags: ["ignore-environment", "null", "debug", "list-signal-handling", ...help],
      longValues: ["unset", "chdir", "split-string", "argv0"],
      odd: /^--(block|default|ignore)-signal(=.*)?$|^-$/,
    },
    assignments: true,
  },
  command: { options: { flags: "pvV" }, alone: "vV" },
  exec: { options: { flags: "cl", values: "a" } },
  builtin: { options: {} },
  nice: { options: { values: "n", longValues: ["adjustment"], longFlags: help, odd: /^--?\d+$/ } },
  ionice: {
    options: {
      flags: "t",
      values: "cnpPu",
      longFlags: ["ignore", ...help],
      longValues: ["class", "classdata", "pid", "pgid", "uid"],
    },
  },
  nohup: { options: { longFlags: help } },
  time: {
    options: {
      flags: "apqvV",
      values: "fo",
      longFlags: ["append", "portability", "verbose", "quiet", ...help],
      longValues: ["format", "output"],
    },
  },
  timeout: {
    options: {
      flags: "vfp",
      values: "ks",
      longFlags: ["foreground", "preserve-status", "verbose", ...help],
      longValues: ["kill-after", "signal"],
    },
    operands: 1,
  },
  stdbuf: { options: { values: "ioe", longValues: ["input", "output", "error"], longFlags: help } },
  setsid: { options: { flags: "cfwhV", longFlags: ["ctty", "fork", "wait", ...help] } },
  chrt: {
    options: {
      flags: "abdfioRrmvGhV",
      values: "TPDp",
      longFlags: ["all-tasks", "batch", "deadline", "fifo", "idle", "other", "rr", "verbose"],
      longValues: ["sched-runtime", "sched-period", "sched-deadline", "pid"],
    },
    operands: 1,
    alone: "p",
  },
  taskset: {
    options: { flags: "achV", values: "p", longFlags: ["all-tasks", "cpu-list", ...help] },
    operands: 1,
    alone: "p",
  },
  flock: {
    options: {
      flags: "sxenuoFvhV",
      values: "wE",
      longFlags: [
        ...["shared", "exclusive", "nonblock", "nb", "unlock", "close", "no-fork", "verbose"],
        ...help,
      ],
      longValues: ["timeout", "wait", "conflict-exit-code"],
    },
    operands: 1,
  },
  busybox: { options: {}, operands: 0 },
  toybox: { options: {}, operands: 0 },
  sudo: {
    options: {
      flags: "AbBEeHiKklNnPSsVv",
      values: "aCcDghpRrTtUu",
      longFlags: ["askpass", "background", "preserve-env", "login", "non-interactive", "stdin"],
      longValues: ["user", "group", "host", "prompt", "chdir", "role", "type"],
      odd: /^--preserve-env=/,
    },
    assignments: true,
    kept: true,
  },
  doas: { options: { flags: "Lns", values: "Cau" }, kept: true },
  pkexec: { options: { longFlags: ["disable-internal-agent"], longValues: ["user"] }, kept: true },
  xargs: {
    options: {
      flags: "0trpxo",
      values: "InPLsdaEJR",
      attached: "ile",
      longFlags: ["null", "verbose", "interactive", "no-run-if-empty", "exit", "open-tty", ...help],
      longValues: [
        ...["arg-file", "delimiter", "max-args", "max-procs", "max-chars", "max-lines"],
        "process-slot-var",
      ],
      odd: /^--(replace|eof)(=.*)?$/,
    },
  },
  "ld.so": {
    options: {
      longFlags: ["list", "verify", "inhibit-cache", ...help],
      longValues: ["library-path", "inhibit-rpath", "audit", "preload", "argv0"],
    },
  },
};

const loader = /^(ld(-linux|-musl)?[\w.-]*\.so(\.\d+)*|ld-\d[\d.]*\.so)$/;

export type TakenOff =
  | { type: "none" }
  /** It starts nothing. */
  | { type: "itself" }
  /** Nobody can say what it starts. */
  | { type: "unknown" }
  | { type: "inner"; name: string; words: ShellWord[]; kept: boolean };

/** Takes one wrapper off a command. What it cannot follow is opaque. */
export function takeOff(
  words: readonly ShellWord[],
  program: string,
  frame: Frame,
  reader: Reader,
): TakenOff {
  const base = program.slice(program.lastIndexOf("/") + 1);
  const name = loader.test(base) ? "ld.so" : program;
  const wrapper = Object.hasOwn(wrappers, name) ? wrappers[name] : undefined;
  if (wrapper === undefined) return { type: "none" };
  const scanned = scanOptions(words, 1, wrapper.options);
  if (!scanned.ok) {
    reader.opaque(scanned.word, `${name} has an option that is not understood`);
    return { type: "unknown" };
  }
  const { options } = scanned;
  if (options.some((option) => wrapper.alone?.includes(option.name))) return { type: "itself" };
  const split = options.find((option) => /^(S|split-string)$/.test(option.name))?.value;
  let inner = words.slice(scanned.next);
  if (name === "env" && split !== undefined) {
    const parts = splitString(split);
    if (parts === undefined) {
      reader.opaque(split, "env -S is not understood");
      return { type: "unknown" };
    }
    // What stands there may begin with options of env again.
    return { type: "inner", name, words: [known0(words), ...parts, ...inner], kept: false };
  }
  if (wrapper.assignments) inner = takeAssignments(inner, frame, reader);
  for (let left = wrapper.operands ?? 0; left > 0; left -= 1) {
    const operand = inner[0];
    if (operand?.splits) {
      reader.opaque(operand, `${name} may start what this becomes`);
      return { type: "unknown" };
    }
    inner = inner.slice(1);
  }
  if (name === "xargs") inner = fromInput(inner, scanned.options, words);
  if (inner.length === 0) return { type: "itself" };
  if (inner[0]?.text.startsWith("-") && (name === "busybox" || name === "toybox")) {
    return { type: "itself" };
  }
  return { type: "inner", name, words: inner, kept: wrapper.kept ?? false };
}

function known0(words: readonly ShellWord[]): ShellWord {
  const [first] = words;
  return first === undefined ? unknownWord(0, "env") : partOf(first, "env");
}

function takeAssignments(words: readonly ShellWord[], frame: Frame, reader: Reader): ShellWord[] {
  let index = 0;
  for (; index < words.length; index += 1) {
    const word = words[index];
    const assigned = word === undefined ? null : /^([^=]+)=(.*)$/s.exec(word.fixed);
    if (word === undefined || assigned === null) break;
    const [, name = "", value = ""] = assigned;
    const part = word.dynamic ? { ...word, fixed: value } : partOf(word, value);
    readAssignment(name, part, frame, reader);
  }
  return words.slice(index);
}

/** The words of `env -S`: quotes and escapes are close to those of a shell, so only what has none is read. */
function splitString(word: ShellWord): ShellWord[] | undefined {
  if (word.dynamic || /["'\\$#]/.test(word.text)) return undefined;
  return word.text.split(/\s+/).flatMap((text) => (text === "" ? [] : [partOf(word, text)]));
}

/** `xargs` adds what it reads, or puts it in the place of the text that `-I` names. */
function fromInput(
  inner: readonly ShellWord[],
  options: readonly { name: string; value: ShellWord | undefined }[],
  words: readonly ShellWord[],
): ShellWord[] {
  const [xargs] = words;
  const offset = xargs?.offset ?? 0;
  const start = inner.length > 0 ? inner : [partOf(xargs ?? unknownWord(0, ""), "echo")];
  const replaced = options.find(({ name }) => name === "I" || name === "i" || name === "J");
  const isReplacing = replaced !== undefined || words.some(({ text }) => /^--replace/.test(text));
  if (!isReplacing) return [...start, unknownWord(offset, "")];
  const mark = replaced?.value?.text ?? "{}";
  return start.map((word) => (word.text.includes(mark) ? unknown(word) : word));
}

function unknown(word: ShellWord): ShellWord {
  return { ...word, dynamic: true, substituted: true, fixed: "" };
}
