/**
 * Text that a person decides on, so that what is seen is what is there: every character that has no shape of its own
 * (controls, marks that turn the direction, zero width, fillers, spaces that are no space, stacked marks) is spelt out,
 * and emptiness that would push the rest out of sight is told. Stricter than `plain`, which only protects the terminal.
 */

/** A run of blanks or of empty lines so long is told in words: nobody types it, and what follows would not be seen. */
const blanksMax = 200;
const emptyLinesMax = 20;

const unseen =
  /[^\P{C}\n\t]|[\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}\p{Me}\u2800]|[^\P{Zs} ]|\p{M}{3,}/gu;
const blanks = new RegExp(`[ \\t]{${blanksMax},}`, "g");
const emptyLines = new RegExp(`^(?:[ \\t]*\\n){${emptyLinesMax + 1},}`, "gm");

export interface Spelt {
  text: string;
  /** The characters that were spelt out, each once, as they are spelt: `\u{202e}`. */
  hidden: string[];
  /** What stands for emptiness in the text: `⟨10,000 blanks⟩`. */
  emptiness: string[];
}

/** Spells out what cannot be seen in a text. Keeps its lines. */
export function spell(text: string): Spelt {
  const hidden = new Set<string>();
  const emptiness: string[] = [];
  const told = (count: number, what: string) => {
    const words = `⟨${count.toLocaleString("en")} ${what}⟩`;
    emptiness.push(words);
    return words;
  };
  const spelt = text
    .replace(unseen, (found) =>
      [...found]
        .map((char) => {
          const word = `\\u{${(char.codePointAt(0) ?? 0).toString(16)}}`;
          hidden.add(word);
          return word;
        })
        .join(""),
    )
    .replace(emptyLines, (found) => `${told(found.split("\n").length - 1, "empty lines")}\n`)
    .replace(blanks, (found) => told(found.length, "blanks"));
  return { text: spelt, hidden: [...hidden], emptiness };
}

/** The same on one line, for what has a place in a row. */
export function spellLine(text: string): string {
  return spell(text).text.replace(/\n/g, "\\n").replace(/\t/g, "\\t");
}

const lookalikes = ["Cyrillic", "Greek", "Armenian", "Cherokee", "Coptic", "Lisu"] as const;
const scripts = lookalikes.map((name) => ({
  name,
  letter: new RegExp(`\\p{Script=${name}}`, "u"),
}));
const word = /[\p{L}\p{N}_.-]+/gu;

/** The scripts whose letters look like those of another, as far as they are in a text. */
export function lookalikeScripts(text: string): string[] {
  return scripts.filter(({ letter }) => letter.test(text)).map(({ name }) => name);
}

/**
 * Words that are not what they look like: Latin letters beside those of a script that has the same shapes, or letters
 * that are drawn like ASCII and are not (full width, mathematical). Each once.
 */
export function disguisedWords(text: string): string[] {
  const words = new Set(text.match(word));
  return [...words].filter((one) => {
    if (/^[\x20-\x7e]*$/.test(one)) return false;
    const isMixed = /\p{Script=Latin}/u.test(one) && lookalikeScripts(one).length > 0;
    return isMixed || /^[\x20-\x7e]+$/.test(one.normalize("NFKC"));
  });
}
