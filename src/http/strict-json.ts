import { isUtf8 } from "node:buffer";
import { Problem } from "../contract/problem.ts";

export interface JsonBounds {
  /** Objects and arrays inside one another; a bare scalar has depth 0. */
  depth: number;
  /** Values in all. `[{},{},…]` costs thirty times its own length in memory, so bytes alone bound nothing. */
  values: number;
}

/**
 * Reads one JSON text the way a careful reader of RFC 8259 would, and refuses what `JSON.parse` lets pass but two
 * programs may understand differently: bytes that are not UTF-8, a byte order mark, two members of one name, half a
 * surrogate pair, a number beyond a double, the name `__proto__`; and anything outside `bounds`. Time and memory are
 * linear in the input and nothing recurses. Throws `invalid_request` with line and column; no value is ever quoted,
 * because it may be a secret.
 */
export function parseStrictJson(bytes: Uint8Array, bounds: JsonBounds): unknown {
  if (bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf) {
    throw new Problem("invalid_request", "The JSON text starts with a byte order mark: remove it");
  }
  if (!isUtf8(bytes)) {
    const offset = firstBadByte(bytes);
    throw new Problem("invalid_request", `The JSON text is not valid UTF-8 at byte ${offset}`, {
      offset,
    });
  }
  const text = new TextDecoder("utf-8", { ignoreBOM: true }).decode(bytes);
  scan(text, bounds);
  return JSON.parse(text);
}

type Wanted = "value" | "valueOrEnd" | "key" | "keyOrEnd" | "commaOrEnd" | "nothing";

/** One object or array that is still open. `keys` is made with the first member: empty objects are cheap. */
interface Open {
  object: boolean;
  keys: Set<string> | undefined;
  key: string;
}

function scan(text: string, bounds: JsonBounds): void {
  const open: Open[] = [];
  let wanted: Wanted = "value";
  let values = 0;
  let at = 0;
  const closed = () => (open.length === 0 ? "nothing" : "commaOrEnd");
  for (;;) {
    at = skipSpace(text, at);
    const char = text[at];
    if (wanted === "nothing") {
      if (char !== undefined) throw jsonProblem(text, at, "expected nothing after the value");
      return;
    }
    const top = open.at(-1);
    if (wanted === "commaOrEnd" || wanted === "valueOrEnd" || wanted === "keyOrEnd") {
      if (char === (top?.object ? "}" : "]")) {
        open.pop();
        at += 1;
        wanted = closed();
        continue;
      }
      if (wanted === "commaOrEnd") {
        if (char !== ",") throw jsonProblem(text, at, `expected , or ${top?.object ? "}" : "]"}`);
        at += 1;
        wanted = top?.object ? "key" : "value";
        continue;
      }
    }
    if (top?.object && (wanted === "key" || wanted === "keyOrEnd")) {
      at = scanKey(text, at, top, open[0]?.key === "secrets" && open.length > 1);
      wanted = "value";
      continue;
    }
    values += 1;
    if (values > bounds.values) {
      throw jsonProblem(text, at, `expected at most ${bounds.values} values in all`);
    }
    if (char === "{" || char === "[") {
      if (open.length === bounds.depth) {
        throw jsonProblem(text, at, `expected at most ${bounds.depth} levels of nesting`);
      }
      open.push({ object: char === "{", keys: undefined, key: "" });
      at += 1;
      wanted = char === "{" ? "keyOrEnd" : "valueOrEnd";
    } else {
      at = scanScalar(text, at);
      wanted = closed();
    }
  }
}

/** Reads `"name" :` and returns where the value starts. A name below `secrets` is not quoted in an error. */
function scanKey(text: string, at: number, object: Open, secret: boolean): number {
  if (text[at] !== '"') throw jsonProblem(text, at, "expected a member name in double quotes");
  const end = scanString(text, at);
  const key: string = JSON.parse(text.slice(at, end));
  if (key === "__proto__") throw jsonProblem(text, at, "a member named __proto__ is not accepted");
  object.keys ??= new Set();
  if (object.keys.has(key)) {
    const name = secret ? "a member name" : JSON.stringify(key.slice(0, 100));
    throw jsonProblem(text, at, `${name} appears twice in one object`);
  }
  object.keys.add(key);
  object.key = key;
  const colon = skipSpace(text, end);
  if (text[colon] !== ":") throw jsonProblem(text, colon, "expected : after a member name");
  return colon + 1;
}

const number = /-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?/y;
const literals = ["true", "false", "null"];

function scanScalar(text: string, at: number): number {
  if (text[at] === '"') return scanString(text, at);
  const literal = literals.find((word) => text.startsWith(word, at));
  if (literal !== undefined) return at + literal.length;
  number.lastIndex = at;
  if (!number.test(text)) throw jsonProblem(text, at, "expected a value");
  const end = number.lastIndex;
  if (!Number.isFinite(Number(text.slice(at, end)))) {
    throw jsonProblem(text, at, "a number is too large");
  }
  return end;
}

const quote = 0x22;
const backslash = 0x5c;
const escaped = /\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4})/y;

/** Returns the place after the closing quote of the string that starts at `at`. */
function scanString(text: string, at: number): number {
  let escapedSurrogate = false;
  let i = at + 1;
  for (; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code === quote) break;
    if (code < 0x20) throw jsonProblem(text, i, "a control character in a string must be escaped");
    if (code !== backslash) continue;
    escaped.lastIndex = i;
    if (!escaped.test(text)) throw jsonProblem(text, i, "an escape is not one of JSON's");
    escapedSurrogate ||= /[dD]/.test(text[i + 2] ?? "") && text[i + 1] === "u";
    i = escaped.lastIndex - 1;
  }
  if (i >= text.length) throw jsonProblem(text, at, "a string is not closed");
  if (escapedSurrogate && !JSON.parse(text.slice(at, i + 1)).isWellFormed()) {
    throw jsonProblem(text, at, "a string holds half of a surrogate pair");
  }
  return i + 1;
}

function skipSpace(text: string, from: number): number {
  let at = from;
  for (; at < text.length; at++) {
    const code = text.charCodeAt(at);
    if (code !== 0x20 && code !== 0x0a && code !== 0x0d && code !== 0x09) break;
  }
  return at;
}

function jsonProblem(text: string, at: number, reason: string): Problem {
  let line = 1;
  let lineStart = 0;
  for (let end = text.indexOf("\n"); end !== -1 && end < at; end = text.indexOf("\n", lineStart)) {
    line += 1;
    lineStart = end + 1;
  }
  const column = at - lineStart + 1;
  const where = `at line ${line}, column ${column}`;
  return new Problem("invalid_request", `Cannot read the JSON text ${where}: ${reason}`, {
    line,
    column,
  });
}

/** The bytes are known to hold a mistake: it is the first replacement character that the input itself does not hold. */
function firstBadByte(bytes: Uint8Array): number {
  const text = new TextDecoder("utf-8", { ignoreBOM: true }).decode(bytes);
  let offset = 0;
  for (let from = 0; ; ) {
    const found = text.indexOf("\ufffd", from);
    offset += Buffer.byteLength(text.slice(from, found));
    const own = bytes[offset] === 0xef && bytes[offset + 1] === 0xbf && bytes[offset + 2] === 0xbd;
    if (!own) return offset;
    offset += 3;
    from = found + 1;
  }
}
