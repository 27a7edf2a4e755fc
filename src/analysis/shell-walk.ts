import {
  type Assignment,
  type Command,
  type CommandNode,
  forEachChild,
  type ParsedScript,
  type Pipeline,
  type Redirection,
  type Statement,
  type SyntaxNode,
} from "unbash";
import { readAssignment } from "./command-settings.ts";
import { unusualCharacter } from "./shell-characters.ts";
import { constantsOf } from "./shell-constants.ts";
import { hasTwoSeparators, readReplacement, whyRefused } from "./shell-doubts.ts";
import { asStdin, outputOf, readOutputs, stdinOf } from "./shell-output.ts";
import type { Frame, Reader, ShellWord } from "./shell-reading.ts";
import { readOneWord, readWord } from "./shell-word.ts";

/** Finds every simple command of a script, in every nesting, and gives it to the reader. */
export function walkScript(script: ParsedScript, outer: Frame, reader: Reader): void {
  let frame = outer;
  if (script.source !== undefined) {
    // Back-ticks with escapes inside were unescaped: places in them are not places of the text.
    const offset = outer.offsetOf(0);
    const { source } = script;
    frame = { ...outer, source, offsetOf: () => offset, constants: new Map() };
  }
  for (const { message, pos } of script.errors ?? []) {
    reader.opaque({ text: "", offset: frame.offsetOf(pos) }, `Cannot be parsed: ${message}`);
  }
  checkSeparators(script.commands, frame, reader);
  for (const statement of script.commands) walk(statement, frame, reader);
}

/** The constants of a whole text, for the frame in which it is walked. */
export function constantsFor(script: ParsedScript, frame: Frame): Frame["constants"] {
  return constantsOf(script, ({ value }: Assignment, soFar) => {
    if (value.type !== "Word") return undefined;
    const word = readOneWord(value, { ...frame, constants: soFar });
    return word.dynamic ? undefined : word.text;
  });
}

function walk(node: SyntaxNode, frame: Frame, reader: Reader): void {
  switch (node.type) {
    case "Script":
      walkScript(node, frame, reader);
      return;
    case "Command":
      walkCommand(node, frame, reader);
      return;
    case "Pipeline":
      walkPipeline(node, frame, reader);
      return;
    case "Function": {
      const forwards = frame.forwarders.has(node.name.value);
      forEachChild(node, (child) => walk(child, { ...frame, forwards }, reader));
      return;
    }
    case "Redirected": {
      const inner = { ...frame, stdin: stdinOf(node.redirects, frame) };
      readOutputs(node, frame, reader);
      for (const redirect of node.redirects) walkRedirect(redirect, frame, reader);
      walk(node.command, inner, reader);
      return;
    }
    case "CommandExpansion":
    case "ProcessSubstitution":
    case "ArithmeticCommandExpansion":
      if (node.script === undefined) {
        const place = { text: node.text, offset: frame.offsetOf(node.pos) };
        reader.opaque(place, "Cannot be parsed: what is substituted has no end, or lies too deep");
      } else if (node.type === "CommandExpansion" && node.text.startsWith("${")) {
        const place = { text: node.text, offset: frame.offsetOf(node.pos) };
        reader.opaque(place, "Cannot be parsed: ${ is read by the newest bash only");
      }
      break;
    case "TestCommand":
    case "ArithmeticCommand":
      if (frame.dialect === "sh") {
        const place = { text: "", offset: frame.offsetOf(node.pos) };
        reader.opaque(place, "sh takes [[ and (( for commands, bash does not");
      }
      break;
    case "CompoundList":
      checkSeparators(node.commands, frame, reader);
      break;
    case "Word":
      checkCharacters(node, frame, reader);
      break;
    case "ParameterExpansion":
      if (readReplacement(node, frame, reader)) return;
      break;
    case "Statement":
    case "ArithmeticFor":
    case "For":
    case "Select":
      checkRefused(node, frame, reader);
      break;
    case "Assignment":
      checkAssignment(node, frame, reader);
      break;
    default:
  }
  forEachChild(node, (child) => walk(child, frame, reader));
}

/** All but the first of a pipeline read what the one before writes. */
function walkPipeline(node: Pipeline, frame: Frame, reader: Reader): void {
  let { stdin } = frame;
  for (const command of node.commands) {
    walk(command, { ...frame, stdin }, reader);
    const output = outputOf(command, { ...frame, stdin });
    stdin = asStdin(output, frame.offsetOf(command.pos));
  }
}

function walkCommand(node: Command, frame: Frame, reader: Reader): void {
  checkRefused(node, frame, reader);
  for (const part of node.prefix) walkPart(part, frame, reader);
  const words: ShellWord[] = [];
  if (node.name !== undefined) {
    words.push(...readWord(node.name, frame));
    for (const argument of node.args) {
      if (argument.type === "Word") words.push(...readWord(argument, frame));
      else words.push(assignmentWord(argument, frame));
    }
    if (frame.dialect === "sh" && hasDollarQuote(node)) {
      reader.opaque(words[0] ?? node0(node, frame), "sh does not read $'…' as bash does");
    }
    const sureUntil = frame.sure.get(node) ?? -1;
    reader.resolve(words, { ...frame, stdin: stdinOf(node.redirects, frame), sureUntil });
    walk(node.name, frame, reader);
  }
  readOutputs(node, frame, reader);
  for (const part of node.suffix) walkPart(part, frame, reader);
}

function node0(node: CommandNode, frame: Frame): Pick<ShellWord, "text" | "offset"> {
  return { text: "", offset: frame.offsetOf(node.pos) };
}

function hasDollarQuote({ name, suffix }: Command): boolean {
  return [name, ...suffix].some(
    (one) => one?.type === "Word" && one.parts?.some((part) => part.type === "AnsiCQuoted"),
  );
}

function walkPart(part: Command["suffix"][number], frame: Frame, reader: Reader): void {
  if (part.type === "Word" || part.type === "Assignment") walk(part, frame, reader);
  else walkRedirect(part, frame, reader);
}

function walkRedirect(redirect: Redirection, frame: Frame, reader: Reader): void {
  if (redirect.type === "HereDoc") checkRefused(redirect, frame, reader);
  if (redirect.type === "Redirect" && redirect.target !== undefined) {
    const { text, dynamic, offset } = readOneWord(redirect.target, frame);
    reader.found.redirects.push({ text, dynamic, offset });
  }
  forEachChild(redirect, (child) => walk(child, frame, reader));
}

function assignmentWord(assignment: Assignment, frame: Frame): ShellWord {
  const { value, name, text, pos } = assignment;
  const offset = frame.offsetOf(pos);
  if (value.type !== "Word") {
    return { text, fixed: name, offset, dynamic: true, splits: false, substituted: false };
  }
  const word = readOneWord(value, frame);
  const shown = word.dynamic ? text : `${name}=${word.text}`;
  return { ...word, text: shown, fixed: `${name}=${word.fixed}`, offset };
}

function checkSeparators(statements: readonly Statement[], frame: Frame, reader: Reader): void {
  if (!hasTwoSeparators(statements, frame.source)) return;
  const place = { text: "", offset: frame.offsetOf(statements[0]?.pos ?? 0) };
  reader.opaque(place, "Cannot be parsed: two signs separate commands");
}

function checkRefused(node: Parameters<typeof whyRefused>[0], frame: Frame, reader: Reader): void {
  const why = whyRefused(node, frame.source);
  const place = { text: "", offset: frame.offsetOf(node.pos) };
  if (why !== undefined) reader.opaque(place, `Cannot be parsed: ${why}`);
}

function checkAssignment(node: Assignment, frame: Frame, reader: Reader): void {
  if (node.value.type !== "Word") return;
  readAssignment(node.name, readOneWord(node.value, frame), frame, reader);
}

function checkCharacters(node: SyntaxNode & { type: "Word" }, frame: Frame, reader: Reader): void {
  const character = unusualCharacter(node);
  if (character === undefined) return;
  const place = { text: node.text, offset: frame.offsetOf(node.pos) };
  reader.opaque(place, `${character} outside quotes is not what it looks like`);
}
