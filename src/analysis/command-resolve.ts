import { limits } from "../base/limits.ts";
import { readInterpreter } from "./command-interpreters.ts";
import { isPath, programOf } from "./command-program.ts";
import { readRunner } from "./command-runners.ts";
import { checkNames } from "./command-settings.ts";
import { readShell, runCarried } from "./command-shells.ts";
import { takeOff } from "./command-wrappers.ts";
import { writesBy } from "./command-writes.ts";
import { isConfusable } from "./shell-characters.ts";
import type { Frame, Reader, ShellWord } from "./shell-reading.ts";

/** Functions that hand on what functions hand on: honest ones do it once or twice. */
const mostForwards = 4;

/** Takes the wrappers off a simple command, keeps what is left, and reads what it carries. */
export function resolveCommand(
  given: readonly ShellWord[],
  outer: Frame & { sureUntil?: number },
  reader: Reader,
): void {
  let words = given;
  let frame = outer;
  for (let round = 0; ; round += 1) {
    const [first] = words;
    if (first === undefined) return;
    if (round > limits.commandWrappers) {
      reader.opaque(first, "Too many wrappers around one command");
      return;
    }
    if (first.dynamic && frame.forwards === true && /^("\$@"|\$@|\$\*)$/.test(first.text)) return;
    if (first.dynamic) {
      reader.opaque(first, "Which program this starts is only known when it runs");
      keep(words, null, frame, reader);
      return;
    }
    if (isConfusable(first.text)) {
      reader.opaque(first, "The name of the program has characters that can be mistaken");
    }
    const program = programOf(first.text);
    const taken = takeOff(words, program, frame, reader);
    if (taken.type === "unknown") {
      keep(words, null, frame, reader);
      return;
    }
    if (taken.type !== "inner") {
      finish(words, program, frame, reader);
      return;
    }
    if (taken.kept) keep(words, program, frame, reader);
    if (taken.name === "flock" && taken.words[0]?.text === "-c") {
      keep(words, program, frame, reader);
      runCarried(taken.words[1], "flock -c", frame, reader);
      return;
    }
    words = taken.words;
    frame = { ...frame, via: [...frame.via, taken.name] };
  }
}

function finish(
  words: readonly ShellWord[],
  program: string,
  frame: Frame & { sureUntil?: number },
  reader: Reader,
): void {
  const place = keep(words, program, frame, reader);
  checkNames(words, program, reader);
  const before = frame.forwarders.get(program);
  const isDeep = frame.via.length > mostForwards && frame.forwarders.has(frame.via.at(-1) ?? "");
  if (before !== undefined && isDeep && words[0] !== undefined) {
    reader.opaque(words[0], "Functions hand commands on too often to be followed");
  } else if (before !== undefined) {
    // What it is given runs inside it, where it is called.
    const inner = { ...frame, via: [...frame.via, program], sureUntil: -1 };
    reader.resolve(words.slice(1 + before), inner);
  }
  reader.found.writes.push(...writesBy(words, program, frame));
  const [first] = words;
  if (isPath(program) && first !== undefined) reader.script(first);
  const inner = { ...frame, place };
  if (readShell(words, program, inner, reader)) return;
  if (readInterpreter(words, program, frame, reader)) return;
  readRunner(words, program, frame, reader);
}

/** Writes a simple command down; its place among the commands. */
function keep(
  words: readonly ShellWord[],
  program: string | null,
  frame: Frame,
  reader: Reader,
): number {
  const { commands } = reader.found;
  const offset = words[0]?.offset ?? 0;
  commands.push({
    words: words.map(({ text, dynamic, offset: at }) => ({ text, dynamic, offset: at })),
    ...{ program, via: [...frame.via], inside: frame.inside, offset },
  });
  return commands.length - 1;
}
