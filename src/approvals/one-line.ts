/**
 * Control characters, and those that make text look like another text: bidi overrides, zero-width and blank characters,
 * separators of lines, and spaces that no shell takes for one.
 */
const unseen = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}\p{DI}\u2800]|(?! )\p{Zs}/gu;

/**
 * Text as one line that a person can trust to be what it looks like. Of more than `max` characters the rest is counted,
 * so that nothing hides behind the end.
 */
export function oneLine(text: string, max = 200): string {
  const shown = text.replace(unseen, escaped);
  if (shown.length <= max) return shown;
  // Not between the two halves of one character.
  const head = [...shown.slice(0, max)].slice(0, -1).join("");
  return `${head}… (${shown.length - head.length} characters more)`;
}

function escaped(character: string): string {
  if (character === "\n") return "\\n";
  if (character === "\t") return "\\t";
  return `\\u{${(character.codePointAt(0) ?? 0).toString(16)}}`;
}
