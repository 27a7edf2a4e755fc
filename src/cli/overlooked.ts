import { rowsOf } from "./page.ts";
import { disguisedWords, spell, spellLine } from "./spell.ts";
import { count, shorten } from "./words.ts";

/** More of a command than this is more than one looks at without being told. */
const rowsMax = 60;
const namedMax = 8;

/** Reads texts for a person, and remembers what in them is easily overlooked. */
export interface Reading {
  /** The text as it can be shown, on its lines. */
  text(text: string): string;
  /** The same on one line. */
  line(text: string): string;
  /** Told in any case. */
  warn(warning: string): void;
  /** Tells when a text is long. */
  measure(what: string, text: string): void;
  /** What was found, as sentences. */
  overlooked(): string[];
}

export function openReading(): Reading {
  const hidden = new Set<string>();
  const emptiness = new Set<string>();
  const disguised = new Set<string>();
  const warnings = new Set<string>();
  const look = (text: string) => {
    const spelt = spell(text);
    for (const char of spelt.hidden) hidden.add(char);
    for (const gap of spelt.emptiness) emptiness.add(gap);
    for (const word of disguisedWords(text)) disguised.add(spellLine(word));
    return spelt.text;
  };
  return {
    text: look,
    line: (text) => look(text).replace(/\n/g, "\\n").replace(/\t/g, "\\t"),
    warn: (warning) => void warnings.add(warning),
    measure(what, text) {
      const rows = rowsOf(spell(text).text);
      if (rows <= rowsMax) return;
      warnings.add(`${what} is long: ${count(rows, "line")} of 80 columns`);
    },
    overlooked() {
      const found = [...warnings];
      if (hidden.size > 0) found.push(`Characters that nobody sees are spelt out: ${some(hidden)}`);
      if (emptiness.size > 0) found.push(`Emptiness is told in words: ${some(emptiness)}`);
      if (disguised.size > 0) {
        found.push(`Not the letters that they look like: ${some(disguised)}`);
      }
      return found;
    },
  };
}

function some(words: Set<string>): string {
  const shown = [...words].slice(0, namedMax).map((word) => shorten(word, 80));
  const more = words.size - shown.length;
  return `${shown.join("  ")}${more > 0 ? `  and ${more} more` : ""}`;
}
