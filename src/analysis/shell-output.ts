import type { CommandNode, ParsedScript, Redirection, Statement, SyntaxNode } from "unbash";
import type { WrittenPart } from "./analysis.ts";
import { programOf } from "./command-program.ts";
import { copied, echoed, formatted, restored } from "./shell-prints.ts";
import type { Frame, Reader, ShellWord, Stdin } from "./shell-reading.ts";
import { readHereDoc, readOneWord, readWord } from "./shell-word.ts";

/** What a command writes to its standard output; null when that is only known when it runs. */
export type Output = WrittenPart[] | null;

const unknownStdin: Stdin = { type: "unknown" };

/** What the command reads as its standard input; the last redirect wins. */
export function stdinOf(redirects: readonly Redirection[], frame: Frame): Stdin {
  let stdin = frame.stdin;
  for (const redirect of redirects) {
    const { descriptor } = redirect;
    const isStdin =
      descriptor === undefined || (descriptor.type === "FileDescriptor" && descriptor.value === 0);
    if (!isStdin) continue;
    if (redirect.type === "HereDoc") stdin = { type: "text", word: readHereDoc(redirect, frame) };
    else if (redirect.target === undefined) continue;
    else if (redirect.type === "HereString") {
      stdin = { type: "text", word: readOneWord(redirect.target, frame) };
    } else if (redirect.operator === "<") {
      stdin = { type: "file", word: readOneWord(redirect.target, frame) };
    } else if (redirect.operator === "<&" || redirect.operator === "<>") stdin = unknownStdin;
  }
  return stdin;
}

/** What a command gets from the one before it in a pipeline. */
export function asStdin(output: Output, offset: number): Stdin {
  if (output === null) return unknownStdin;
  const [first] = output;
  if (output.length === 1 && first !== undefined && "file" in first) {
    const { text, offset: at, dynamic } = first.file;
    const word = { text, fixed: text, offset: at, dynamic, splits: false, substituted: false };
    return dynamic ? unknownStdin : { type: "file", word };
  }
  let text = "";
  let dynamic = false;
  for (const part of output) {
    if ("file" in part) return unknownStdin;
    text += part.text;
    dynamic ||= part.dynamic;
  }
  const word = { text, fixed: text, offset, dynamic, splits: false, substituted: false };
  return { type: "text", word };
}

/** What comes out of a command when its own redirects are left aside. */
export function outputOf(node: SyntaxNode, frame: Frame): Output {
  switch (node.type) {
    case "Command": {
      if (writesElsewhere(node.redirects)) return [];
      return printedBy(node, { ...frame, stdin: stdinOf(node.redirects, frame) });
    }
    case "Redirected": {
      if (writesElsewhere(node.redirects)) return [];
      return outputOf(node.command, { ...frame, stdin: stdinOf(node.redirects, frame) });
    }
    case "Pipeline": {
      let { stdin } = frame;
      let output: Output = null;
      for (const command of node.commands) {
        output = outputOf(command, { ...frame, stdin });
        stdin = asStdin(output, frame.offsetOf(command.pos));
      }
      return output;
    }
    case "BraceGroup":
    case "Subshell":
      return outputOf(node.body, frame);
    case "CompoundList":
      return together(node.commands.map(({ command }) => outputOf(command, frame)));
    case "AndOr":
      if (node.operators.some((operator) => operator !== "&&")) return null;
      return together(node.commands.map((command) => outputOf(command, frame)));
    default:
      return null;
  }
}

function together(outputs: readonly Output[]): Output {
  return outputs.includes(null) ? null : outputs.flatMap((each) => each ?? []);
}

function writesElsewhere(redirects: readonly Redirection[]): boolean {
  return redirects.some((redirect) => toFile(redirect) !== undefined);
}

type CommandOf = Extract<CommandNode, { type: "Command" }>;

function printedBy(node: CommandOf, frame: Frame): Output {
  if (node.name === undefined) return [];
  const words = [node.name, ...node.args].flatMap((each): ShellWord[] => {
    if (each.type === "Word") return readWord(each, frame);
    const value = each.value.type === "Word" ? readOneWord(each.value, frame) : undefined;
    const text = `${each.name}=${value?.fixed ?? ""}`;
    const dynamic = value?.dynamic ?? true;
    const place = { offset: frame.offsetOf(each.pos), splits: false, substituted: false };
    return [{ ...place, text, fixed: text, dynamic, written: each.text }];
  });
  const [first, ...given] = words;
  if (first === undefined || first.dynamic) return null;
  switch (programOf(first.text)) {
    case "cat":
      return copied(given, inputOf(frame.stdin));
    case "tee":
      return inputOf(frame.stdin);
    case "echo":
      return echoed(given);
    case "printf":
      return formatted(given);
    case "base64":
      return restored(given, inputOf(frame.stdin));
    case ":":
    case "true":
    case "cd":
    case "mkdir":
      return [];
    default:
      return null;
  }
}

/** What a command reads, as what one that copies it writes. */
export function inputOf(stdin: Stdin): Output {
  if (stdin.type === "unknown") return null;
  const { word } = stdin;
  if (stdin.type === "file") return [{ file: word }];
  if (word.substituted) return null;
  return [{ text: word.dynamic ? (word.written ?? word.text) : word.fixed, dynamic: word.dynamic }];
}

interface ToFile {
  append: boolean;
  /** It takes what the command prints, and not what it complains about. */
  prints: boolean;
}

function toFile(redirect: Redirection): ToFile | undefined {
  if (redirect.type !== "Redirect" || redirect.target === undefined) return undefined;
  const { operator, descriptor, target } = redirect;
  if (operator === "<" || operator === "<&") return undefined;
  if (operator === ">&" && /^(\d+|-)$/.test(target.value)) return undefined;
  const number = descriptor?.type === "FileDescriptor" ? descriptor.value : undefined;
  const prints = descriptor === undefined || number === 1;
  if (operator === "<>" || !prints) return { append: true, prints: false };
  return { append: operator.endsWith(">>"), prints };
}

/** Writes down the files that the redirects of a command make. */
export function readOutputs(
  node: Extract<SyntaxNode, { type: "Command" | "Redirected" }>,
  frame: Frame,
  reader: Reader,
): void {
  for (const redirect of node.redirects) {
    const into = toFile(redirect);
    if (into === undefined || redirect.type !== "Redirect" || !redirect.target) continue;
    const { text, dynamic, offset, fixed } = readOneWord(redirect.target, frame);
    if (/^\/dev\//.test(text) || !into.prints) continue;
    const path = { text: dynamic ? fixed : text, dynamic, offset };
    const inner = { ...frame, stdin: stdinOf(node.redirects, frame) };
    const body = node.type === "Redirected" ? outputOf(node.command, inner) : printed(node, inner);
    const sureUntil = frame.sure.get(node) ?? -1;
    reader.found.writes.push({ path, body, append: into.append, below: false, sureUntil });
  }
}

/** After `exec > x` everything goes there that comes later. */
function printed(node: CommandOf, frame: Frame): Output {
  return node.name?.value === "exec" ? null : printedBy(node, frame);
}

/** The commands that run whenever the text does, and up to where that is so. */
export function sureCommands({ commands }: ParsedScript): Map<SyntaxNode, number> {
  const sure = new Map<SyntaxNode, number>();
  const add = (node: SyntaxNode, until: number) => {
    sure.set(node, until);
    if (node.type === "Pipeline") for (const each of node.commands) sure.set(each, until);
  };
  for (const { command, background, end } of commands as readonly Statement[]) {
    if (background) continue;
    if (command.type !== "AndOr") add(command, Number.POSITIVE_INFINITY);
    else {
      for (const [index, link] of command.commands.entries()) {
        if (index > 0 && command.operators[index - 1] !== "&&") break;
        add(link, index === 0 ? Number.POSITIVE_INFINITY : end);
      }
    }
  }
  return sure;
}
