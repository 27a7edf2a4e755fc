import { type Threads, threadBytesMin } from "../base/threads.ts";
import { encodingsOf, secretCharsMin } from "./encodings.ts";
import { openUnbroken } from "./line-breaks.ts";
import { openRedactStream, type RedactStream, redacted } from "./redact-stream.ts";
import { openScanner, type Scanner, type Span } from "./scan.ts";
import { keptBytesMax, openSecretSpans, pieceBytes, type SecretSpans } from "./secret-spans.ts";

/**
 * Cuts secrets out of what is about to be written down (I6), in every encoding of `encodings`. What holds no secret
 * comes back unchanged.
 */
export interface Redactor {
  text(text: string): string;
  /** Many bytes are searched on another thread, when there is one. */
  bytes(bytes: Uint8Array): Promise<Uint8Array>;
  /** Strings and member names at any depth of a JSON value, and numbers whose digits are a secret. */
  json(value: unknown): unknown;
  /** Starts on one sequence of bytes that comes piece by piece. */
  stream(): RedactStream;
}

/** A worthless secret that honest code has no reason to touch: who shows it, in any encoding, was looking for secrets. */
export interface Canary {
  canary?: string | undefined;
  /** Called whenever it is met, before what it was cut out of is given back; maybe several times. */
  onCanary?: (() => void) | undefined;
}

/** These secrets, made ready once for all who look for them: that takes as long as to search a megabyte. */
export interface SecretMask {
  redactor(options?: { threads?: Threads | undefined } & Pick<Canary, "onCanary">): Redactor;
  search(options?: Pick<Canary, "onCanary">): SecretSearch;
}

/** Those of fewer than 6 characters are left alone: they would shred the text. */
export function openMask(secrets: readonly string[], canary?: string): SecretMask {
  const scanner = scannerFor(secrets, canary);
  return {
    redactor({ threads, onCanary } = {}) {
      const here = redactorFor(scanner, onCanary);
      if (!threads || scanner.longest === 0) return here;
      return {
        ...here,
        async bytes(bytes) {
          if (bytes.byteLength < threadBytesMin) return here.bytes(bytes);
          const there = await threads.run(redactTask, { secrets, canary, bytes });
          if (there.isCanary) onCanary?.();
          return there.bytes ?? bytes;
        },
      };
    },
    search: ({ onCanary } = {}) => searchFor(scanner, { secrets, canary, onCanary }),
  };
}

/** A redactor for these secrets alone. */
export function redactor(
  secrets: readonly string[],
  options: Canary & { threads?: Threads | undefined } = {},
): Redactor {
  return openMask(secrets, options.canary).redactor(options);
}

/** Cuts out what the scanner finds, all on this thread; `onMarked` is called for what is marked. */
export function redactorFor(scanner: Scanner, onMarked?: () => void): Redactor {
  const spans = openSecretSpans(scanner);
  const text = (value: string) => (spans.isEmpty ? value : redactText(spans, value, onMarked));
  return {
    text,
    bytes: async (bytes) => (spans.isEmpty ? bytes : redactBytes(spans, bytes, onMarked)),
    json: (value) => (spans.isEmpty ? value : redactJson(value, text)),
    stream: () => openRedactStream(spans, onMarked),
  };
}

function scannerFor(secrets: readonly string[], canary: string | undefined): Scanner {
  return openScanner(secrets.flatMap(encodingsOf), canary === undefined ? [] : encodingsOf(canary));
}

/** For a thread: the bytes without these secrets, or none when they need not be sent back: nothing was cut out. */
export function redactLong(input: {
  secrets: readonly string[];
  canary: string | undefined;
  bytes: Uint8Array;
}): { bytes: Uint8Array | undefined; isCanary: boolean } {
  let isCanary = false;
  const spans = openSecretSpans(scannerFor(input.secrets, input.canary));
  const cleaned = redactBytes(spans, input.bytes, () => {
    isCanary = true;
  });
  return { bytes: cleaned === input.bytes ? undefined : cleaned, isCanary };
}

const redactTask = { module: import.meta.url, work: redactLong };

/** The same object when nothing is cut out. */
function redactBytes(search: SecretSpans, value: Uint8Array, onCanary?: () => void): Uint8Array {
  const bytes = Buffer.from(value.buffer, value.byteOffset, value.byteLength);
  const spans = findSpans(search, bytes, onCanary);
  return spans.length === 0 ? value : Buffer.concat(cutOut(bytes, spans));
}

export interface SecretSearch {
  /** Starts on one sequence of bytes. `push` is true from the first piece on with which a secret was complete. */
  start(): {
    push(chunk: Uint8Array): boolean;
    /** What was found is the canary. */
    isCanary(): boolean;
  };
  /** What another thread needs to make itself the same search: this module's function, and the secrets. */
  recipe: { module: string; name: string; secrets: readonly string[]; canary: string | undefined };
  /** To be called when the search on another thread has found the canary. */
  onCanary: (() => void) | undefined;
}

/**
 * Looks for secrets in bytes that come piece by piece, however they are cut; holds no more than the longest encoding. It
 * stops at the first: a canary behind another secret is not told.
 */
export function containsSecret(secrets: readonly string[], options: Canary = {}): SecretSearch {
  return openMask(secrets, options.canary).search(options);
}

function searchFor(
  scanner: Scanner,
  { secrets, canary, onCanary }: Canary & { secrets: readonly string[] },
): SecretSearch {
  // Shared by all that is searched: a piece is done with before the next one is looked at.
  const unbroken = openUnbroken(pieceBytes + keptBytesMax);
  return {
    recipe: { module: import.meta.url, name: containsSecret.name, secrets, canary },
    onCanary,
    start() {
      let carried = Buffer.alloc(0);
      let found: "none" | "some" | "marked" = "none";
      return {
        push(chunk) {
          if (found !== "none") return true;
          if (scanner.longest === 0) return false;
          const view = Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength);
          for (let from = 0; from < view.length && found === "none"; from += pieceBytes) {
            const piece = view.subarray(from, from + pieceBytes);
            const bytes = carried.length === 0 ? piece : Buffer.concat([carried, piece]);
            const plain = unbroken.read(bytes);
            found = scanner.has(plain);
            // A copy, so that a small remainder does not keep a large piece in memory.
            carried = Buffer.from(bytes.subarray(unbroken.placeOf(scanner.openFrom(plain))));
          }
          if (found === "marked") onCanary?.();
          return found !== "none";
        },
        isCanary: () => found === "marked",
      };
    },
  };
}

function findSpans(search: SecretSpans, bytes: Buffer, onCanary?: () => void): Span[] {
  const spans = search.all(bytes);
  if (onCanary && spans.some(({ isMarked }) => isMarked)) onCanary();
  return spans;
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
function redactText(search: SecretSpans, text: string, onCanary?: () => void): string {
  const bytes = Buffer.from(text);
  const spans = findSpans(search, bytes, onCanary);
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
  if (Array.isArray(value)) {
    if (isSecretBytes(value, text)) return [redacted];
    return value.map((item) => redactJson(item, text));
  }
  const members = new Map<string, unknown>();
  for (const [key, member] of Object.entries(value)) {
    members.set(freeName(text(key), members), redactJson(member, text));
  }
  return Object.fromEntries(members);
}

/** As `JSON.stringify` writes a buffer: no number of it is a secret, and all of them together are. */
function isSecretBytes(items: readonly unknown[], text: (value: string) => string): boolean {
  if (items.length < secretCharsMin || typeof items[0] !== "number") return false;
  const list = items.join(",");
  return text(list) !== list;
}

/** Two names may become one by redaction; neither member may be lost for that. */
function freeName(name: string, members: ReadonlyMap<string, unknown>): string {
  if (!members.has(name)) return name;
  let count = 2;
  while (members.has(`${name} ${count}`)) count += 1;
  return `${name} ${count}`;
}
