import { type Threads, threadBytesMin } from "../base/threads.ts";
import { encodingsOf } from "./encodings.ts";
import { spansWithLineBreaks, withoutLineBreaks } from "./line-breaks.ts";
import { openScanner, type Scanner, type Span } from "./scan.ts";

/** What stands where a secret was. */
export const redacted = "[redacted]";

/**
 * Cuts secrets out of what is about to be written down (I6), in every encoding of `encodingsOf`. What holds no secret
 * comes back unchanged.
 */
export interface Redactor {
  text(text: string): string;
  /** Many bytes are searched on another thread, when there is one. */
  bytes(bytes: Uint8Array): Promise<Uint8Array>;
  /** Strings and member names at any depth of a JSON value, and numbers whose digits are a secret. */
  json(value: unknown): unknown;
}

/** Makes a redactor for these secrets. Those of fewer than 6 characters are left alone: they would shred the text. */
export function redactor(secrets: readonly string[], threads?: Threads): Redactor {
  const scanner = openScanner(secrets.flatMap(encodingsOf));
  const text = (value: string) => redactText(scanner, value);
  return {
    text,
    async bytes(bytes) {
      if (scanner.longest === 0) return bytes;
      if (!threads || bytes.byteLength < threadBytesMin) return redactBytes(scanner, bytes);
      return (await threads.run(redactTask, { secrets, bytes })) ?? bytes;
    },
    json: (value) => (scanner.longest === 0 ? value : redactJson(value, text)),
  };
}

/** For a thread: the bytes without these secrets, or undefined when they need not be sent back: there are none. */
export function redactLong(input: {
  secrets: readonly string[];
  bytes: Uint8Array;
}): Uint8Array | undefined {
  const cleaned = redactBytes(openScanner(input.secrets.flatMap(encodingsOf)), input.bytes);
  return cleaned === input.bytes ? undefined : cleaned;
}

const redactTask = { module: import.meta.url, work: redactLong };

/** The same object when nothing is cut out. */
function redactBytes(scanner: Scanner, value: Uint8Array): Uint8Array {
  const bytes = Buffer.from(value.buffer, value.byteOffset, value.byteLength);
  const spans = findSpans(scanner, bytes);
  return spans.length === 0 ? value : Buffer.concat(cutOut(bytes, spans));
}

export interface SecretSearch {
  /** Starts on one sequence of bytes. `push` is true from the first piece on with which a secret was complete. */
  start(): { push(chunk: Uint8Array): boolean };
  /** What another thread needs to make itself the same search: this module's function, and the secrets. */
  recipe: { module: string; name: string; secrets: readonly string[] };
}

/** Looks for secrets in bytes that come piece by piece, however they are cut; holds no more than the longest encoding. */
export function containsSecret(secrets: readonly string[]): SecretSearch {
  const scanner = openScanner(secrets.flatMap(encodingsOf));
  return {
    recipe: { module: import.meta.url, name: containsSecret.name, secrets },
    start() {
      let carried = Buffer.alloc(0);
      let found = false;
      return {
        push(chunk) {
          if (found || scanner.longest === 0) return found;
          const view = Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength);
          const bytes = Buffer.concat([carried, withoutLineBreaks(view)]);
          found = scanner.has(bytes);
          // A copy, so that a small remainder does not keep a large piece in memory.
          carried = Buffer.from(bytes.subarray(Math.max(0, bytes.length - scanner.longest + 1)));
          return found;
        },
      };
    },
  };
}

function findSpans(scanner: Scanner, bytes: Buffer): Span[] {
  const plain = withoutLineBreaks(bytes);
  const spans = scanner.find(plain);
  return plain === bytes || spans.length === 0 ? spans : spansWithLineBreaks(bytes, spans);
}

function cutOut(bytes: Buffer, spans: readonly Span[]): Buffer[] {
  const parts: Buffer[] = [];
  let from = 0;
  for (const span of spans) {
    parts.push(bytes.subarray(from, span.from), Buffer.from(redacted));
    from = span.to;
  }
  return [...parts, bytes.subarray(from)];
}

/** Slices the string, not its bytes: a lone surrogate elsewhere in the text would not survive the way there and back. */
function redactText(scanner: Scanner, text: string): string {
  if (scanner.longest === 0) return text;
  const bytes = Buffer.from(text);
  const spans = findSpans(scanner, bytes);
  let result = "";
  let at = 0;
  let byte = 0;
  const isAscii = bytes.length === text.length;
  const moveTo = (place: number): number => {
    if (isAscii) at = Math.max(at, place);
    // Steps from character to character: each says with its first byte how long it is, here and in the string.
    else {
      for (; byte < place; at++) {
        const lead = bytes[byte] ?? 0;
        if (lead >= 0xf0) at += 1;
        byte += lead < 0x80 ? 1 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
      }
    }
    return at;
  };
  for (const span of spans) {
    result += text.slice(at, moveTo(span.from)) + redacted;
    moveTo(span.to);
  }
  return spans.length === 0 ? text : result + text.slice(at);
}

function redactJson(value: unknown, text: (value: string) => string): unknown {
  if (typeof value === "string") return text(value);
  if (typeof value === "number") return text(String(value)) === String(value) ? value : redacted;
  if (typeof value !== "object" || value === null) return value;
  if (Array.isArray(value)) return value.map((item) => redactJson(item, text));
  const members = new Map<string, unknown>();
  for (const [key, member] of Object.entries(value)) {
    members.set(freeName(text(key), members), redactJson(member, text));
  }
  return Object.fromEntries(members);
}

/** Two names may become one by redaction; neither member may be lost for that. */
function freeName(name: string, members: ReadonlyMap<string, unknown>): string {
  if (!members.has(name)) return name;
  let count = 2;
  while (members.has(`${name} ${count}`)) count += 1;
  return `${name} ${count}`;
}
