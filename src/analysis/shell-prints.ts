import type { WrittenPart } from "./analysis.ts";
import type { ShellWord } from "./shell-reading.ts";
import { isStdinPath } from "./stdin-path.ts";
import { unescapeText } from "./unescape.ts";

type Printed = WrittenPart[] | null;

/** `cat`: what it reads, or the files that it names. */
export function copied(given: readonly ShellWord[], input: Printed): Printed {
  const files = given.filter(({ text, dynamic }) => dynamic || !/^-./.test(text));
  if (given.some(({ text, dynamic }) => !dynamic && /^-\w*[AbeEnsTtv]/.test(text))) return null;
  if (files.length === 0) return input;
  const parts = files.map((file): Printed => (isStdinPath(file.text) ? input : [{ file }]));
  return parts.includes(null) ? null : parts.flatMap((each) => each ?? []);
}

/** `echo` with its options. */
export function echoed(given: readonly ShellWord[]): Printed {
  let words = given;
  let [end, escapes] = ["\n", false];
  for (;;) {
    const option = /^-([neE]+)$/.exec(words[0]?.text ?? "")?.[1];
    if (option === undefined) break;
    if (option.includes("n")) end = "";
    escapes = option.includes("e");
    words = words.slice(1);
  }
  const texts = words.map(textOf);
  if (texts.includes(undefined)) return null;
  const text = texts.join(" ");
  const shown = escapes ? unescapeText(text.replace(/\\0(?=[0-7])/g, "\\")) : text;
  return [{ text: shown + end, dynamic: words.some((word) => word.dynamic) }];
}

/** `printf`: the format is filled again and again until no argument is left. */
export function formatted(given: readonly ShellWord[]): Printed {
  const [format, ...rest] = given[0]?.text === "--" ? given.slice(1) : given;
  if (format === undefined || format.dynamic || format.text.startsWith("-v")) return null;
  const texts = rest.map(textOf);
  if (texts.includes(undefined)) return null;
  let [text, at] = ["", 0];
  do {
    const before = at;
    let known = true;
    // A percent sign that an escape makes would be filled as well, so what is left of one is unknown.
    text += unescapeText(format.text).replace(
      /%(%|[-+ #0]*[\d.]*([a-zA-Z]))/g,
      (all, _, letter) => {
        if (all === "%%") return "%";
        if (!/^[sdib]$/.test(letter)) known = false;
        const value = texts[at] ?? "";
        at += 1;
        return letter === "b" ? unescapeText(value) : value;
      },
    );
    if (!known) return null;
    if (at === before) break;
  } while (at < texts.length);
  return [{ text, dynamic: rest.some((word) => word.dynamic) }];
}

/** `base64 -d` of a text that is known. */
export function restored(given: readonly ShellWord[], input: Printed): Printed {
  const decodes = given.length === 1 && /^(-d|-D|--decode|-di)$/.test(given[0]?.text ?? "");
  const [only] = input ?? [];
  if (!decodes || input?.length !== 1 || only === undefined || "file" in only) return null;
  if (only.dynamic) return null;
  return [{ text: Buffer.from(only.text, "base64").toString("latin1"), dynamic: false }];
}

/** A word as it is printed, variables as they stand; undefined when a command or a pattern is part of it. */
function textOf(word: ShellWord): string | undefined {
  if (!word.dynamic) return word.text;
  return word.substituted ? undefined : (word.written ?? undefined);
}
