/** Shorter secrets are not looked for: cutting every `abc` out of a text would leave no text. In characters. */
export const secretCharsMin = 6;

/**
 * Every spelling of a secret that is looked for, as bytes without line breaks: raw; escaped for JSON (also twice, with
 * `\/`, and in ASCII only); percent-encoded in its usual dialects with upper- and lower-case digits; hex in both cases;
 * base64 at its three alignments in both alphabets. Line breaks are left out on both sides, because `base64` wraps its
 * lines. Empty for a secret of fewer than 6 characters.
 */
export function encodingsOf(secret: string): Buffer[] {
  const text = secret.toWellFormed();
  if (text.replace(/[\r\n]/g, "").length < secretCharsMin) return [];
  const bytes = Buffer.from(text);
  const hex = bytes.toString("hex");
  const spellings = [
    text,
    ...jsonSpellings(text),
    ...percentSpellings(text),
    hex,
    hex.toUpperCase(),
    ...[0, 1, 2].flatMap((offset) => base64Spellings(bytes, offset)),
  ];
  return [...new Set(spellings.map((spelling) => spelling.replace(/[\r\n]/g, "")))]
    .filter((spelling) => spelling.length >= secretCharsMin)
    .map((spelling) => Buffer.from(spelling));
}

function jsonSpellings(text: string): string[] {
  const once = jsonInner(text);
  const ascii = once.replace(/[^\x20-\x7e]/g, (char) => unicodeEscape(char));
  const upper = once.replace(/[^\x20-\x7e]/g, (char) => unicodeEscape(char, true));
  return [once, jsonInner(once), once.replaceAll("/", "\\/"), ascii, upper];
}

function jsonInner(text: string): string {
  return JSON.stringify(text).slice(1, -1);
}

function unicodeEscape(char: string, upper = false): string {
  const hex = char.charCodeAt(0).toString(16).padStart(4, "0");
  return `\\u${upper ? hex.toUpperCase() : hex}`;
}

function percentSpellings(text: string): string[] {
  const component = encodeURIComponent(text);
  const strict = component.replace(/[!'()*]/g, (char) => percent(char));
  const dialects = [
    component,
    strict,
    component.replaceAll("%2F", "/"),
    strict.replaceAll("%2F", "/"),
    strict.replaceAll("%20", "+"),
    new URLSearchParams([["", text]]).toString().slice(1),
  ];
  return dialects.flatMap((spelling) => [
    spelling,
    spelling.replace(/%[0-9A-F]{2}/g, (code) => code.toLowerCase()),
  ]);
}

function percent(char: string): string {
  return `%${char.charCodeAt(0).toString(16).toUpperCase()}`;
}

/**
 * The characters of a base64 text that only the secret decides, when `offset` bytes of something else (modulo 3) come
 * before it and anything comes after it. What is left on either side tells at most 4 bits of it.
 */
function base64Spellings(bytes: Buffer, offset: number): string[] {
  const text = Buffer.concat([Buffer.alloc(offset), bytes]).toString("base64");
  const first = Math.ceil((offset * 8) / 6);
  const end = Math.floor(((offset + bytes.length) * 8) / 6);
  const inner = text.slice(first, end);
  return [inner, inner.replaceAll("+", "-").replaceAll("/", "_")];
}
