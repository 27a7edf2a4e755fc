import { parse } from "unbash";
import { limits } from "../base/limits.ts";
import type { ReadCommand } from "./analysis.ts";
import { resolveCommand } from "./command-resolve.ts";
import { deceivingCharacter } from "./shell-characters.ts";
import { forwardersOf } from "./shell-forwarders.ts";
import { sureCommands } from "./shell-output.ts";
import { type Frame, opaqueAt, type Reader } from "./shell-reading.ts";
import { constantsFor, walkScript } from "./shell-walk.ts";

/** The commands read last, oldest first: an agent repeats itself, and a decision is asked for more than once. */
const known = new Map<string, ReadCommand>();

/**
 * Reads a shell command: every program that it would start, in every nesting, and every place where that cannot be
 * said. Never throws, whatever the text is. The answer is shared: it must not be changed.
 */
export function readCommand(text: string): ReadCommand {
  const before = known.get(text);
  if (before !== undefined) {
    known.delete(text);
    known.set(text, before);
    return before;
  }
  const read = readAnew(text);
  if (text.length > limits.commandKeptCharacters) return read;
  known.set(text, read);
  for (const oldest of known.keys()) {
    if (known.size <= limits.commandsKept) break;
    known.delete(oldest);
  }
  return read;
}

function readAnew(text: string): ReadCommand {
  const found: ReadCommand = {
    commands: [],
    opaque: [],
    payloads: [],
    scripts: [],
    redirects: [],
    writes: [],
  };
  const reader = openReader(text, found);
  const frame: Frame = {
    source: text,
    offsetOf: (position) => position,
    via: [],
    inside: null,
    depth: 0,
    stdin: { type: "unknown" },
    dialect: "bash",
    constants: new Map(),
    sure: new Map(),
    forwarders: new Map(),
  };
  const deceiving = deceivingCharacter(text);
  if (deceiving !== undefined) {
    const { offset, shown } = deceiving;
    reader.opaque({ text: shown, offset }, `${shown} makes the text look like another`);
  }
  try {
    reader.readText(text, frame);
  } catch (error) {
    // Nested deeper than the stack goes, or a mistake of ours: either way nobody has read it all.
    const reason = error instanceof Error ? error.message : String(error);
    found.opaque.push(opaqueAt("", 0, `Cannot be read: ${reason}`));
  }
  return found;
}

function openReader(whole: string, found: ReadCommand): Reader {
  let left: number = limits.commandCharacters;
  let full = false;
  const lineAt = linesOf(whole);
  const opaque: Reader["opaque"] = ({ text, offset }, reason) => {
    const twin = found.opaque.some((one) => one.offset === offset && one.reason === reason);
    if (!twin && found.opaque.length < limits.commandOpaquePlaces) {
      found.opaque.push(opaqueAt(text, Math.min(offset, whole.length), reason));
    }
  };
  const reader: Reader = {
    found,
    opaque,
    readText(text, frame) {
      left -= text.length;
      const place = { text, offset: frame.offsetOf(0) };
      if (frame.depth > limits.commandDepth) opaque(place, "Commands within commands go too deep");
      else if (left < 0) opaque(place, "There is too much of it to be read");
      else {
        if (/(?<!\\)(\\\\)*\\$/.test(text.slice(-1_000))) {
          opaque(place, "Cannot be parsed: nothing follows the last backslash");
        }
        const script = parse(text);
        walkScript(
          script,
          {
            ...{ ...frame, source: text, constants: constantsFor(script, frame) },
            sure: frame.depth === 0 ? sureCommands(script) : new Map(),
            forwarders: forwardersOf(script),
          },
          reader,
        );
      }
    },
    resolve(words, frame) {
      full ||= found.commands.length >= limits.commandsRead;
      if (full) opaque({ text: "", offset: 0 }, "There are too many commands to be read");
      else resolveCommand(words, frame, reader);
    },
    payload(language, code) {
      const line = lineAt(code.offset);
      const text = code.dynamic ? code.text : code.fixed;
      found.payloads.push({ language, code: text, offset: code.offset, line });
    },
    script({ text, fixed, offset }, how) {
      if (how === undefined) found.scripts.push({ path: text, offset });
      else if (how === "module") found.scripts.push({ path: text, offset, module: true });
      else found.scripts.push({ path: fixed, offset, any: true });
    },
  };
  return reader;
}

/** The line of a place, from 1. The ends of lines are looked for once, however many places are asked for. */
function linesOf(text: string): (offset: number) => number {
  let ends: number[] | undefined;
  return (offset) => {
    ends ??= [...text.matchAll(/\n/g)].map(({ index }) => index);
    let [low, high] = [0, ends.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((ends[middle] ?? 0) < offset) low = middle + 1;
      else high = middle;
    }
    return low + 1;
  };
}
