import { partOf, type ShellWord } from "./shell-reading.ts";

/** The options of a program, so that what follows them can be found. Letters of short options stand together. */
export interface OptionTable {
  flags?: string;
  /** Followed by a value, in the same word or the next. */
  values?: string;
  /** Followed by a value in the same word, or by none. */
  attached?: string;
  longFlags?: readonly string[];
  /** Followed by a value, after `=` or in the next word. */
  longValues?: readonly string[];
  /** After this option nothing is an option any more. */
  last?: string;
  /** Options of no usual shape. */
  odd?: RegExp;
  /** Long options that the table does not have are flags: there are too many of them. */
  manyLongFlags?: boolean;
  /** A cluster may begin with `+` as well. */
  plus?: boolean;
  /** Long options may have a single dash. */
  singleDash?: boolean;
}

export interface Option {
  /** The letter, or the long name. */
  name: string;
  value: ShellWord | undefined;
}

export type Scanned =
  | { ok: true; options: Option[]; next: number }
  | { ok: false; word: ShellWord; options: Option[] };

/** Reads options from `words[from]` on, up to the first word that is none. Not ok: one that the table does not know. */
export function scanOptions(
  words: readonly ShellWord[],
  from: number,
  table: OptionTable,
): Scanned {
  const options: Option[] = [];
  let index = from;
  while (index < words.length) {
    const word = words[index];
    if (word === undefined) break;
    if (word.dynamic) {
      // What is known of it begins like no option, and it is one word: it is none.
      const isOperand = word.fixed !== "" && !/^[-+]/.test(word.fixed) && !word.splits;
      return isOperand ? { ok: true, options, next: index } : { ok: false, word, options };
    }
    const { text } = word;
    if (text === "--") return { ok: true, options, next: index + 1 };
    const isOption = text.length > 1 && (text[0] === "-" || (table.plus && text[0] === "+"));
    if (!isOption) break;
    index += 1;
    if (table.odd?.test(text)) continue;
    const read = text.startsWith("--")
      ? readLong(word, words[index], table)
      : readCluster(word, words[index], table);
    if (read === undefined) return { ok: false, word, options };
    options.push(...read.options);
    if (read.tookNext) index += 1;
    const taken = read.options.at(-1);
    if (taken !== undefined && table.last?.includes(taken.name)) break;
  }
  return { ok: true, options, next: index };
}

interface Read {
  options: Option[];
  tookNext: boolean;
}

function readLong(word: ShellWord, next: ShellWord | undefined, table: OptionTable) {
  const { text } = word;
  const equals = text.indexOf("=");
  const name = text.slice(2, equals === -1 ? undefined : equals);
  const given = equals === -1 ? undefined : partOf(word, text.slice(equals + 1));
  const takesValue = table.longValues?.includes(name);
  if (!takesValue && !table.longFlags?.includes(name) && !table.manyLongFlags) return undefined;
  if (given !== undefined || !takesValue) return one(name, given, false);
  return next === undefined || next.splits ? undefined : one(name, next, true);
}

function readCluster(
  word: ShellWord,
  next: ShellWord | undefined,
  table: OptionTable,
): Read | undefined {
  const { text } = word;
  const options: Option[] = [];
  if (table.singleDash) {
    const long = readLong({ ...word, text: `-${text}` }, next, { ...table, manyLongFlags: false });
    if (long !== undefined) return long;
  }
  for (let at = 1; at < text.length; at += 1) {
    const name = text[at] ?? "";
    const rest = text.slice(at + 1);
    if (table.attached?.includes(name)) {
      options.push({ name, value: rest === "" ? undefined : partOf(word, rest) });
      return { options, tookNext: false };
    }
    if (table.values?.includes(name)) {
      if (rest !== "") {
        options.push({ name, value: partOf(word, rest) });
        return { options, tookNext: false };
      }
      if (next === undefined || (next.splits && !table.last?.includes(name))) return undefined;
      options.push({ name, value: next });
      return { options, tookNext: true };
    }
    if (!table.flags?.includes(name)) return undefined;
    options.push({ name, value: undefined });
  }
  return { options, tookNext: false };
}

function one(name: string, value: ShellWord | undefined, tookNext: boolean): Read {
  return { options: [{ name, value }], tookNext };
}
