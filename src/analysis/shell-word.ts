import type { DoubleQuotedChild, HereDoc, Word as SyntaxWord, WordPart } from "unbash";
import type { Constants } from "./shell-constants.ts";
import type { Frame, ShellWord } from "./shell-reading.ts";

/** What a word is being put together from. */
interface Building {
  text: string;
  written: string;
  dynamic: boolean;
  splits: boolean;
  substituted: boolean;
  constants: Constants;
}

/**
 * A word as the program will get it: quotes and escapes are gone, and variables that are certain have their value. A
 * variable without quotes may hold several words, which come back as several.
 */
export function readWord(word: SyntaxWord, frame: Frame): ShellWord[] {
  const building = start(frame.constants);
  const { parts } = word;
  if (parts === undefined) building.text = word.value;
  else for (const part of parts) addPart(building, part);
  const offset = frame.offsetOf(word.pos);
  const only = parts?.length === 1 ? parts[0] : undefined;
  const held = only === undefined ? undefined : heldBy(only, frame.constants);
  if (held !== undefined && /\s/.test(held) && !/[*?[\]\\]/.test(held)) {
    return held.split(/\s+/).flatMap((text) => (text === "" ? [] : [known(text, offset)]));
  }
  return [finished(building, word.text, offset)];
}

/** A word that stays one word, such as what is assigned to a variable. */
export function readOneWord(word: SyntaxWord, frame: Frame): ShellWord {
  const building = start(frame.constants);
  if (word.parts === undefined) building.text = word.value;
  else for (const part of word.parts) addPart(building, part, true);
  return finished(building, word.text, frame.offsetOf(word.pos));
}

/** The text of a here-document as the command reads it. */
export function readHereDoc({ body, delimiter, operator }: HereDoc, frame: Frame): ShellWord {
  const building = start(frame.constants);
  const quoted = delimiter?.quoted ?? false;
  if (body.parts !== undefined) for (const part of body.parts) addPart(building, part, true);
  else building.text = quoted ? body.text : body.text.replace(/\\([$`\\])|\\\n/g, "$1");
  if (operator === "<<-") {
    building.text = building.text.replace(/^\t+/gm, "");
    building.written = building.written.replace(/^\t+/gm, "");
  }
  return finished(building, body.text, frame.offsetOf(body.pos));
}

export function known(text: string, offset: number): ShellWord {
  return { text, fixed: text, offset, dynamic: false, splits: false, substituted: false };
}

function start(constants: Constants): Building {
  return {
    ...{ text: "", written: "", dynamic: false, splits: false, substituted: false, constants },
  };
}

function finished(building: Building, source: string, offset: number): ShellWord {
  const { text, written, dynamic, splits, substituted } = building;
  const word = { fixed: text, offset, dynamic, splits, substituted };
  return dynamic ? { ...word, text: source, written } : { ...word, text };
}

function addPart(building: Building, part: WordPart | DoubleQuotedChild, isQuoted = false): void {
  switch (part.type) {
    case "Literal":
    case "SingleQuoted":
    case "AnsiCQuoted":
      building.text += part.value;
      building.written += part.value;
      return;
    case "DoubleQuoted":
    case "LocaleString":
      for (const child of part.parts) addPart(building, child, true);
      return;
    default: {
      const held = heldBy(part, building.constants);
      // Without quotes the shell would look for files and cut it into words.
      if (held !== undefined && (isQuoted || !/[\s*?[\]\\]/.test(held))) {
        building.text += held;
        building.written += held;
        return;
      }
      building.dynamic = true;
      building.written += part.text;
      building.substituted ||= part.type === "CommandExpansion";
      building.substituted ||= part.type === "ProcessSubstitution";
      const manyAnyway = /^\$(@|\{@|\{\w+\[@)/.test(part.text);
      building.splits ||= manyAnyway || (!isQuoted && part.type !== "ProcessSubstitution");
    }
  }
}

/** The value of a plain `$x` or `${x}`, when it is certain here. */
function heldBy(part: WordPart | DoubleQuotedChild, constants: Constants): string | undefined {
  let name: string | undefined;
  if (part.type === "SimpleExpansion") name = part.text.slice(1);
  if (part.type === "ParameterExpansion") {
    const isPlain = !part.prefix && !part.index && !part.operation;
    if (isPlain) name = part.parameter;
  }
  const constant = name === undefined ? undefined : constants.get(name);
  return constant !== undefined && constant.from <= part.pos ? constant.value : undefined;
}
