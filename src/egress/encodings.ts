import { withoutLineBreaks } from "./line-breaks.ts";

/** Shorter secrets are not looked for: cutting every `abc` out of a text would leave no text. In characters. */
export const secretCharsMin = 6;

/**
 * A longer spelling is looked for in pieces of this many bytes. So a stream never holds back more, a search never
 * compares more at one place, and a large part of a long secret, such as half a private key, is cut out as well.
 */
export const needleBytesMax = 256;

const shortBytesMax = 4 * 1024;

/** One way in which the world writes a secret down. Line breaks within it are ignored, up to 16 in a row. */
export interface Encoding {
  name: string;
  /** Not looked for in a secret of more than 4 KiB, whose spellings are millions of bytes: who writes a key file so? */
  isOfShortOnly?: true;
  /** Its usual dialects; one that does not change the secret gives the secret. */
  spell: (text: string) => (string | Buffer)[];
}

/**
 * Every encoding that is looked for. What is not listed is not found: two of these at once (base64 of hex), a cipher, a
 * compression, a secret with anything but line breaks between its characters.
 */
export const encodings: readonly Encoding[] = [
  { name: "raw", spell: (text) => [text] },
  { name: "json", spell: jsonSpellings },
  { name: "quoted", spell: quotedSpellings },
  { name: "json in json", spell: (text) => [jsonInner(jsonInner(text))] },
  { name: "percent", spell: percentSpellings },
  {
    name: "percent of every byte",
    isOfShortOnly: true,
    spell: (text) => bothCases((hex) => `%${hex}`, text),
  },
  { name: "form", spell: formSpellings },
  { name: "hex", spell: (text) => [hexOf(text)] },
  { name: "upper-case hex", spell: (text) => [hexOf(text).toUpperCase()] },
  // As JavaScript, Go and hex dumps show a buffer, and Python or JSON a list of bytes.
  {
    name: "spaced hex",
    isOfShortOnly: true,
    spell: (text) => bothCases((hex) => ` ${hex}`, text).map((all) => all.slice(1)),
  },
  {
    name: "decimal bytes",
    isOfShortOnly: true,
    spell: (text) => [",", ", ", " "].map((gap) => decimalBytes(text, gap)),
  },
  { name: "base64", spell: (text) => base64Spellings(text) },
  { name: "base64url", spell: (text) => base64Spellings(text).map(urlAlphabet) },
  { name: "base32", isOfShortOnly: true, spell: base32Spellings },
  { name: "reversed", isOfShortOnly: true, spell: (text) => [[...text].reverse().join("")] },
  { name: "html entities", isOfShortOnly: true, spell: htmlSpellings },
  { name: "numeric entities", isOfShortOnly: true, spell: numericEntities },
  { name: "unicode escapes", isOfShortOnly: true, spell: unicodeSpellings },
  {
    name: "hex escapes",
    isOfShortOnly: true,
    spell: (text) => bothCases((hex) => `\\x${hex}`, text),
  },
  { name: "quoted-printable", isOfShortOnly: true, spell: (text) => [quotedPrintable(text)] },
  { name: "utf-16", isOfShortOnly: true, spell: utf16Spellings },
];

/**
 * The bytes to look for, without line breaks, since `base64` wraps its lines. None for a secret of fewer than 6
 * characters.
 */
export function encodingsOf(secret: string): Buffer[] {
  const text = secret.toWellFormed();
  if (text.replace(/[\r\n]/g, "").length < secretCharsMin) return [];
  const needles = new Map<string, Buffer>();
  const isLong = Buffer.byteLength(text) > shortBytesMax;
  for (const { spell, isOfShortOnly } of encodings) {
    if (isLong && isOfShortOnly) continue;
    for (const spelling of spell(text)) {
      const whole = trimmed(withoutLineBreaks(Buffer.from(spelling)));
      if (whole.length < secretCharsMin) continue;
      for (const piece of piecesOf(whole)) needles.set(piece.toString("latin1"), piece);
    }
  }
  return [...needles.values()];
}

/** Pieces that follow each other; the last one reaches back, so that none is short. */
function piecesOf(whole: Buffer): Buffer[] {
  const pieces: Buffer[] = [];
  for (let from = 0; from < whole.length; from += needleBytesMax) {
    const start = Math.max(0, Math.min(from, whole.length - needleBytesMax));
    pieces.push(whole.subarray(start, start + needleBytesMax));
  }
  return pieces;
}

/** Breaks around a secret are none of it: they may be among those that are left out, or not be there. */
function trimmed(bytes: Buffer): Buffer {
  let from = 0;
  let to = bytes.length;
  while (from < to && isBreak(bytes[from])) from += 1;
  while (from < to && isBreak(bytes[to - 1])) to -= 1;
  return bytes.subarray(from, to);
}

function isBreak(byte: number | undefined): boolean {
  return byte === 10 || byte === 13;
}

function hexOf(text: string): string {
  return Buffer.from(text).toString("hex");
}

/** Every byte as its two digits, in lower and in upper case. */
function bothCases(write: (hex: string) => string, text: string): string[] {
  const bytes = hexOf(text).match(/../g) ?? [];
  return [bytes.map(write).join(""), bytes.map((hex) => write(hex.toUpperCase())).join("")];
}

function decimalBytes(text: string, gap: string): string {
  return [...Buffer.from(text)].join(gap);
}

function jsonSpellings(text: string): string[] {
  const once = jsonInner(text);
  const ascii = once.replace(/[^\x20-\x7e]/g, (char) => unicodeEscape(char));
  const upper = once.replace(/[^\x20-\x7e]/g, (char) => unicodeEscape(char, true));
  // As Go, Django and .NET write it, so that it can stand in a page.
  const inPage = [false, true].map((isUpper) =>
    (isUpper ? upper : ascii).replace(/[<>&]/g, (char) => unicodeEscape(char, isUpper)),
  );
  const careful = upper
    .replaceAll('\\"', '"')
    .replace(/["&'+<>`]/g, (char) => unicodeEscape(char, true));
  return [once, once.replaceAll("/", "\\/"), ascii, upper, ...inPage, careful];
}

/** As a shell shows it with `set -x` or `%q`, and Python with `repr`. */
function quotedSpellings(text: string): string[] {
  return [
    text.replaceAll("'", "'\\''"),
    text.replaceAll("'", `'"'"'`),
    text.replace(/[ \t'"\\|&;()<>!{}*[?\]^$`,]/g, "\\$&"),
    text.replaceAll("\\", "\\\\").replaceAll("'", "\\'"),
    text.replaceAll("\\", "\\\\"),
  ];
}

function jsonInner(text: string): string {
  return JSON.stringify(text).slice(1, -1);
}

/** Of one UTF-16 unit. */
function unicodeEscape(char: string, upper = false): string {
  const hex = char.charCodeAt(0).toString(16).padStart(4, "0");
  return `\\u${upper ? hex.toUpperCase() : hex}`;
}

function unicodeSpellings(text: string): string[] {
  const units = text.split("");
  return [false, true].map((upper) => units.map((unit) => unicodeEscape(unit, upper)).join(""));
}

function percentSpellings(text: string): string[] {
  const component = encodeURIComponent(text);
  const strict = component.replace(/[!'()*]/g, (char) => percent(char));
  const dialects = [
    component,
    strict,
    encodeURI(text),
    // What a URL keeps of itself when it is parsed: what need not be encoded is not.
    text.replace(/[^\x21-\x7e]+|["#<>']/g, (part) =>
      part === "'" ? percent(part) : encodeURIComponent(part),
    ),
    ...[component, strict].map((each) => each.replaceAll("%2F", "/")),
  ];
  return dialects.flatMap(lowerCodes);
}

function formSpellings(text: string): string[] {
  const component = encodeURIComponent(text);
  const strict = component.replace(/[!'()*]/g, (char) => percent(char));
  const dialects = [
    component.replaceAll("%20", "+"),
    strict.replaceAll("%20", "+"),
    new URLSearchParams([["", text]]).toString().slice(1),
  ];
  return dialects.flatMap(lowerCodes);
}

function lowerCodes(spelling: string): string[] {
  return [spelling, spelling.replace(/%[0-9A-F]{2}/g, (code) => code.toLowerCase())];
}

function percent(char: string): string {
  return `%${char.charCodeAt(0).toString(16).toUpperCase()}`;
}

/**
 * The characters of a base64 text that only the secret decides, when 0, 1 or 2 bytes of something else (modulo 3) come
 * before it and anything comes after it. What is left on either side tells at most 4 bits of it.
 */
function base64Spellings(text: string): string[] {
  const bytes = Buffer.from(text);
  return [0, 1, 2].map((offset) => {
    const whole = Buffer.concat([Buffer.alloc(offset), bytes]).toString("base64");
    return whole.slice(Math.ceil((offset * 8) / 6), Math.floor(((offset + bytes.length) * 8) / 6));
  });
}

function urlAlphabet(base64: string): string {
  return base64.replaceAll("+", "-").replaceAll("/", "_");
}

const base32Digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

/** As for base64; there are five ways to come after something else. */
function base32Spellings(text: string): string[] {
  const bits = [...Buffer.from(text)].map((byte) => byte.toString(2).padStart(8, "0")).join("");
  return [0, 1, 2, 3, 4].flatMap((offset) => {
    const groups = bits.slice((5 - ((offset * 8) % 5)) % 5).match(/.{5}/g) ?? [];
    const spelling = groups.map((group) => base32Digits[Number.parseInt(group, 2)]).join("");
    return [spelling, spelling.toLowerCase()];
  });
}

/** What the libraries of the larger languages make of the same text; they differ in quotes. */
const htmlDialects: readonly Record<string, string>[] = [
  { "&": "&amp;", "<": "&lt;", ">": "&gt;" },
  { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;" },
  { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#39;" },
  { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#039;" },
  { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#x27;" },
  { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&apos;" },
  { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&#34;", "'": "&#39;" },
  { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&#34;", "'": "&#39;", "+": "&#43;" },
  {
    ...{ "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#39;" },
    ...{ "/": "&#x2F;", "`": "&#x60;", "=": "&#x3D;" },
  },
];

function htmlSpellings(text: string): string[] {
  return htmlDialects.flatMap((entities) => {
    const spelling = [...text].map((char) => entities[char] ?? char).join("");
    return [spelling, spelling.replace(/[^\x00-\x7f]/gu, (char) => `&#${char.codePointAt(0)};`)];
  });
}

function numericEntities(text: string): string[] {
  const points = [...text].map((char) => char.codePointAt(0) ?? 0);
  const hex = points.map((point) => point.toString(16));
  return [
    points.map((point) => `&#${point};`).join(""),
    hex.map((digits) => `&#x${digits};`).join(""),
    hex.map((digits) => `&#x${digits.toUpperCase()};`).join(""),
  ];
}

/** Soft line breaks are not among the breaks that are ignored: this is the secret within one line. */
function quotedPrintable(text: string): string {
  return [...Buffer.from(text)]
    .map((byte) => {
      const isPlain = byte === 9 || (byte >= 32 && byte <= 126 && byte !== 61);
      if (isPlain || isBreak(byte)) return String.fromCharCode(byte);
      return `=${byte.toString(16).toUpperCase().padStart(2, "0")}`;
    })
    .join("");
}

function utf16Spellings(text: string): Buffer[] {
  const little = Buffer.from(text, "utf16le");
  return [little, Buffer.from(little).swap16()];
}
