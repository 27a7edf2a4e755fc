import type { Word as SyntaxWord } from "unbash";

/**
 * A person and a shell read these differently: control characters, white space that is none to a shell, and marks that
 * turn the direction of writing or cannot be seen.
 */
const unusual =
  /[\u0000-\u0008\u000b-\u001f\u007f-\u00a0\u00ad\u061c\u1680\u180e\u2000-\u200f\u2028-\u202f\u205f-\u206f\u3000\ufeff]/u;

/** Anywhere, quotes or comments or not: they show a person another text than the shell reads. */
const deceiving = /[\u0000\u202a-\u202e\u2066-\u2069]/u;

/** Letters of other scripts that look like those of programs' names. */
const beyondAscii = /[^\u0021-\u007e]/u;

/** The first character of a whole command that makes it unreadable, with its place. */
export function deceivingCharacter(text: string): { offset: number; shown: string } | undefined {
  const found = deceiving.exec(text);
  return found === null ? undefined : { offset: found.index, shown: codePoint(found[0]) };
}

/** Such a character outside the quotes of a word. */
export function unusualCharacter({ parts, text }: SyntaxWord): string | undefined {
  const open =
    parts === undefined
      ? [text]
      : parts.flatMap((part) => (part.type === "Literal" ? [part.text] : []));
  for (const one of open) {
    const found = unusual.exec(one);
    if (found !== null) return codePoint(found[0]);
  }
  return undefined;
}

/** Whether the name of a program holds anything but what can be told apart by eye. */
export function isConfusable(program: string): boolean {
  return beyondAscii.test(program);
}

function codePoint(character: string): string {
  const hex = (character.codePointAt(0) ?? 0).toString(16).toUpperCase().padStart(4, "0");
  return `U+${hex}`;
}
