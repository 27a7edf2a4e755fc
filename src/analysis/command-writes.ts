import type { Word, Write } from "./analysis.ts";
import { type OptionTable, scanOptions } from "./command-options.ts";
import { valuesOf } from "./command-runners.ts";
import { editOf } from "./sed-edits.ts";
import { inputOf } from "./shell-output.ts";
import type { Frame, ShellWord } from "./shell-reading.ts";

type Made = Pick<Write, "path" | "body"> & Partial<Write>;
type Writer = (words: readonly ShellWord[], frame: Frame) => Made[];

const copying: OptionTable = {
  flags: "abcdfHiLlnPpRrsTuvxZCD",
  values: "tSmog",
  manyLongFlags: true,
  longValues: ["target-directory", "suffix", "mode", "owner", "group"],
};

/** Programs that make files out of what they are given, or out of what nobody can read. */
const writers: Readonly<Record<string, Writer>> = {
  tee: (words, frame) => {
    const append = words.some(({ text }) => /^(-\w*a\w*|--append)$/.test(text));
    const files = words.slice(1).filter(({ text }) => !/^-./.test(text));
    return files.map((path) => ({ path: wordOf(path), body: inputOf(frame.stdin), append }));
  },
  cp: copy,
  mv: copy,
  install: copy,
  ln: copy,
  sed: edited,
  dd: (words) => {
    const named = (name: string) => {
      const word = words.find(({ text }) => text.startsWith(`${name}=`));
      return word && { ...wordOf(word), text: word.fixed.slice(name.length + 1) };
    };
    const [to, from] = [named("of"), named("if")];
    const isWhole = words.length === 3 && from !== undefined;
    return to === undefined ? [] : [{ path: to, body: isWhole ? [{ file: from }] : null }];
  },
  git: (words) => {
    const [verb, ...rest] = words.slice(1).filter(({ text }) => !text.startsWith("-"));
    const changes =
      /^(checkout|switch|restore|reset|stash|apply|am|merge|rebase|pull|cherry-pick|revert)$/;
    if (!changes.test(verb?.text ?? "")) return [];
    const isQuiet =
      words.some(({ text }) =>
        /^(-[bBcC]|--soft|--mixed|--orphan|--abort|--check|--stat)$/.test(text),
      ) ||
      (verb?.text === "reset" && !words.some(({ text }) => text === "--hard")) ||
      (verb?.text === "restore" && words.some(({ text }) => /^(--staged|-S)$/.test(text))) ||
      (verb?.text === "stash" && /^(list|show|drop|clear)$/.test(rest[0]?.text ?? ""));
    return isQuiet ? [] : [unpacked(words, ".")];
  },
  // What is compiled of files that are read says what they say.
  go: (words) => compiled(words, words[1]?.text === "build" && isHere(words.slice(2)), ".go"),
  rustc: (words) => compiled(words, true, ".rs"),
  patch: (words) => (words.some(({ text }) => text === "--dry-run") ? [] : [unpacked(words, ".")]),
  tar: (words) => {
    const isExtracting = words.some(
      ({ text }, at) =>
        text === "--extract" ||
        text === "--get" ||
        /^-\w*x/.test(text) ||
        (at === 1 && /^\w*x/.test(text)),
    );
    return isExtracting ? [unpacked(words, after(words, /^(-C|--directory)$/) ?? ".")] : [];
  },
  unzip: (words) =>
    words.some(({ text }) => /^-\w*[lptvZ]/.test(text))
      ? []
      : [unpacked(words, after(words, /^-d$/) ?? ".")],
  cpio: (words) => [unpacked(words, ".")],
  "7z": (words) => [unpacked(words, ".")],
  curl: (words) => downloaded(words, /^(-o|--output)$/, /^(-O|--remote-name)$/),
  wget: (words) => downloaded(words, /^(-O|--output-document)$/, /./),
};

/** The files that a program makes by what its words say. */
export function writesBy(
  words: readonly ShellWord[],
  program: string,
  frame: Frame & { sureUntil?: number },
): Write[] {
  const writer = Object.hasOwn(writers, program) ? writers[program] : undefined;
  const rest = { append: false, below: false, sureUntil: frame.sureUntil ?? -1 };
  return writer === undefined ? [] : writer(words, frame).map((made) => ({ ...rest, ...made }));
}

/** The last word is where to; when that is a directory, each file lies in it under its own name. */
function copy(words: readonly ShellWord[]): Made[] {
  const scanned = scanOptions(words, 1, copying);
  if (!scanned.ok) return [];
  const into = scanned.options.find(({ name }) => /^(t|target-directory)$/.test(name))?.value;
  const operands = words.slice(scanned.next).filter(({ text }) => !/^-./.test(text));
  const to = into ?? operands.pop();
  if (to === undefined) return [];
  return operands.flatMap((from): Made[] => {
    // A copy may fail or go into a directory: what was there before still counts.
    const made = { body: [{ file: wordOf(from) }], below: true, sureUntil: -1 };
    const own = from.fixed.replace(/\/+$/, "").split("/").at(-1) ?? "";
    const inside = { ...wordOf(to), text: `${to.fixed.replace(/\/+$/, "")}/${own}` };
    return operands.length > 1
      ? [{ path: inside, ...made }]
      : [
          { path: wordOf(to), ...made },
          { path: inside, ...made },
        ];
  });
}

/** `sed -i 's/a/b/' file …` */
function edited(words: readonly ShellWord[]): Made[] {
  if (!words.some(({ text }) => /^(-[nErsuz]*i|--in-place)/.test(text))) return [];
  const scripts = valuesOf(words, ["-e", "--expression"]);
  const operands = words.slice(1).filter(({ text, dynamic }, at) => {
    return dynamic || (!text.startsWith("-") && !/^(-e|--expression)$/.test(words[at]?.text ?? ""));
  });
  const [script] = scripts.length > 0 ? scripts : operands.splice(0, 1);
  const edit = script === undefined || script.dynamic ? undefined : editOf(script.text);
  if (scripts.length > 1 || edit === undefined) return [];
  return operands.map((file) => ({ path: wordOf(file), body: [{ file: wordOf(file) }], edit }));
}

function compiled(words: readonly ShellWord[], isRead: boolean, end: string): Made[] {
  const source = words.find(({ text }) => text.endsWith(end))?.text;
  const stem = source?.replace(/^.*\//, "").slice(0, -end.length);
  const path = after(words, /^-o$/) ?? stem;
  if (!isRead || path === undefined) return [];
  const offset = words[0]?.offset ?? 0;
  return [{ path: { text: path, dynamic: false, offset }, body: [{ text: "", dynamic: false }] }];
}

/** `go build` of the package in this directory, or of files. */
function isHere(words: readonly ShellWord[]): boolean {
  return words.every(
    ({ text, dynamic }, at) =>
      !dynamic && (/^-/.test(text) || words[at - 1]?.text === "-o" || /^\.\/?$|\.go$/.test(text)),
  );
}

function unpacked(words: readonly ShellWord[], below: string): Made {
  const offset = words[0]?.offset ?? 0;
  return { path: { text: below, dynamic: false, offset }, body: null, below: true, sureUntil: -1 };
}

function downloaded(words: readonly ShellWord[], named: RegExp, all: RegExp): Made[] {
  const path = after(words, named);
  if (path !== undefined) return [{ ...unpacked(words, path), below: false }];
  return words.slice(1).some(({ text }) => all.test(text)) ? [unpacked(words, ".")] : [];
}

function after(words: readonly ShellWord[], option: RegExp): string | undefined {
  const at = words.findIndex(({ text }) => option.test(text));
  return at < 0 ? undefined : words[at + 1]?.fixed;
}

function wordOf({ fixed, dynamic, offset }: ShellWord): Word {
  return { text: fixed, dynamic, offset };
}
