/** The first `most` UTF-16 code units of a text, without the half of a character that the cut may leave. */
export function cutText(text: string, most: number): string {
  const cut = text.slice(0, most);
  return cut.length < text.length && /[\ud800-\udbff]$/.test(cut) ? cut.slice(0, -1) : cut;
}

/**
 * A JSON value in which U+FFFD stands for every half of a character, in texts and in the names of members. JSON can say
 * half a character, but UTF-8, and so a row of the store, cannot.
 */
export function wholeText<T>(value: T): T;
export function wholeText(value: unknown): unknown {
  if (typeof value === "string") return value.toWellFormed();
  if (typeof value !== "object" || value === null) return value;
  if (Array.isArray(value)) return value.map((item) => wholeText(item));
  // `fromEntries` defines members; assigning them would lose one named `__proto__`.
  return Object.fromEntries(
    Object.entries(value).map(([name, member]) => [name.toWellFormed(), wholeText(member)]),
  );
}
