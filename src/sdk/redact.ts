import { redacted } from "./secret-string.ts";

export interface RedactOptions {
  /**
   * Also cut out what merely looks random, by its entropy: for free text of unknown origin. Ids, digests, dates, names of
   * models and paths stay. Off unless asked for, because a text that is not free is full of things that look random.
   */
  entropy?: boolean;
}

/** Shorter ones are parts of ordinary words. */
const knownCharsMin = 4;

/**
 * A text without what looks like a credential: every literal of `known` with at least four characters, then addresses with a
 * password, `Authorization` headers (their name stays), keys in the shapes that providers give them, tokens in JSON Web form,
 * private keys, and values behind words like `api_key=`. Ids, digests, dates and paths are not taken for secrets.
 */
export function redactString(
  text: string,
  known: readonly string[] = [],
  { entropy = false }: RedactOptions = {},
): string {
  let bare = withoutKnown(text, known);
  for (const { pattern, keep } of shapes) {
    bare =
      keep === undefined
        ? bare.replace(pattern, redacted)
        : bare.replace(pattern, (_, head: string, value: string) => keep(head, value));
  }
  return entropy ? bare.replace(randomRun, (run) => (looksRandom(run) ? redacted : run)) : bare;
}

/** Longer ones first: one may be a part of another. */
function withoutKnown(text: string, known: readonly string[]): string {
  const literals = known.filter(({ length }) => length >= knownCharsMin);
  let bare = text;
  for (const literal of literals.sort((a, b) => b.length - a.length)) {
    bare = bare.replaceAll(literal, redacted);
  }
  return bare;
}

interface Shape {
  pattern: RegExp;
  /** What takes the place of a match, given its two groups: what stands before the secret, and the secret. */
  keep?: (head: string, value: string) => string;
}

const headStays = (head: string) => `${head}${redacted}`;
/** Nothing that belongs to a word before it. */
const start = `(?<![A-Za-z0-9_-])`;
const words = `(?![a-z]+(?:[_-][a-z]+)+(?![A-Za-z0-9_-]))`;

const shapes: Shape[] = [
  {
    pattern:
      /-----BEGIN [A-Z ]{0,40}PRIVATE KEY-----[\s\S]*?(?:-----END [A-Z ]{0,40}PRIVATE KEY-----|$)/g,
  },
  { pattern: /\bpostgres(?:ql)?:\/\/[^\s"'<>`]+/gi },
  // Any other address keeps all but its user and password.
  {
    pattern: /(\b[a-z][a-z0-9+.-]{1,30}:\/\/)([^\s/@:"'<>`]{0,256}:[^\s/@"'<>`]{1,1024})(?=@)/gi,
    keep: headStays,
  },
  {
    pattern:
      /(\b(?:proxy-)?authorization["']?\s{0,8}[:=]\s{0,8}["']?)((?:bearer|basic|digest|token|apikey)\s{1,8}[^\s"',;]+)/gi,
    keep: headStays,
  },
  { pattern: new RegExp(`${start}sk-ant-[A-Za-z0-9_-]{16,}`, "g") },
  { pattern: new RegExp(`${start}sk-${words}[A-Za-z0-9_-]{20,}`, "g") },
  { pattern: new RegExp(`${start}(?:apt|ant)_${words}[A-Za-z0-9_-]{16,}`, "g") },
  // Tokens of this gateway.
  { pattern: new RegExp(`${start}airlock_${words}[A-Za-z0-9_-]{32,}`, "g") },
  { pattern: new RegExp(`${start}xox[a-z]-[A-Za-z0-9-]{10,}`, "g") },
  { pattern: new RegExp(`${start}(?:gh[pousr]_|github_pat_)[A-Za-z0-9_]{20,}`, "g") },
  { pattern: new RegExp(`${start}(?:sk|rk)_(?:live|test)_[A-Za-z0-9]{16,}`, "g") },
  { pattern: new RegExp(`${start}(?:glpat-|npm_|hf_)[A-Za-z0-9_-]{20,}`, "g") },
  { pattern: new RegExp(`${start}AIza[A-Za-z0-9_-]{35}`, "g") },
  { pattern: /(?<![A-Za-z0-9])(?:AKIA|ASIA)[A-Z0-9]{16}(?![A-Za-z0-9])/g },
  {
    pattern: /(\baws_secret_access_key["']?\s{0,8}[:=]\s{0,8}["']?)([A-Za-z0-9/+=]{40})/gi,
    keep: headStays,
  },
  { pattern: /(?<![A-Za-z0-9_-])eyJ[A-Za-z0-9_-]{5,}\.[A-Za-z0-9_-]{5,}\.[A-Za-z0-9_-]*/g },
  {
    // api_key=…, "clientSecret": "…"
    pattern:
      /((?:\b|_)(?:bearer|token|api[_-]?key|access[_-]?token|refresh[_-]?token|client[_-]?secret|secret[_-]?key|password|passwd)["']?\s{0,8}[:=]\s{0,8}["']?)([^\s"',;&<>{}()[\]`]{12,})/gi,
    keep: (head, value) =>
      isName(value) || isWord(head, value) ? `${head}${value}` : headStays(head),
  },
  {
    // "bearer …" in a sentence: without a sign between, a word is a word.
    pattern: /(\b(?:bearer|token)\s{1,8})([A-Za-z0-9._~+/=-]{12,})/gi,
    keep: (head, value) =>
      isName(value) || !/\d/.test(value) || !/[A-Za-z]/.test(value)
        ? `${head}${value}`
        : headStays(head),
  },
];

/** What stands behind such a word and is a name for something, and no secret. */
function isName(value: string): boolean {
  return (
    // Ids of the gateway: a short prefix and 26 characters.
    /^[a-z]{2,4}_[0-9a-hjkmnp-tv-z]{26}\b/.test(value) ||
    /^(?:layer|art|cnt|call)_[0-9a-f]{8,64}\b/.test(value) ||
    /^sha256:[0-9a-f]{64}\b/.test(value) ||
    /^\d{4}-\d\d-\d\d(?:[T ][\d:.]+Z?)?$/.test(value) ||
    /^(?:\.{0,2}\/|[a-z]+:\/\/)/.test(value) ||
    /^\$\{?\w+/.test(value)
  );
}

/** `token: authentication failed` is a sentence. */
function isWord(head: string, value: string): boolean {
  return /(?:bearer|token):\s+$/i.test(head) && /^[a-z]+(?:-[a-z]+)*[.!?]?$/.test(value);
}

const randomRun = /(?<![A-Za-z0-9+/=_-])[A-Za-z0-9+/=-]{24,}(?![A-Za-z0-9+/=_-])/g;

function looksRandom(run: string): boolean {
  // A digest, in any of the usual lengths.
  if (/^[0-9a-f]+$|^[0-9A-F]+$/.test(run) && [32, 40, 56, 64, 96, 128].includes(run.length)) {
    return false;
  }
  const classes = [/[a-z]/, /[A-Z]/, /\d/, /[+/=-]/].filter((one) => one.test(run)).length;
  if (classes < 2 || entropyOf(run) < 3) return false;
  if (!/\d/.test(run) && run.length < 40) return false;
  // Paths, dates, UUIDs and names of models are made of short or plain parts.
  return run
    .split(/[-/]/)
    .some((part) => part.length > 12 && !/^(?:[A-Z]?[a-z]+|[A-Z]+|\d+)$/.test(part));
}

/** Shannon's, in bits per character. */
function entropyOf(text: string): number {
  const counts = new Map<string, number>();
  for (const char of text) counts.set(char, (counts.get(char) ?? 0) + 1);
  let bits = 0;
  for (const count of counts.values())
    bits -= (count / text.length) * Math.log2(count / text.length);
  return bits;
}

/** Whether `redactString` or `redactSecrets` would cut something out of it. */
export function containsSecretLikeValue(value: unknown, options: RedactOptions = {}): boolean {
  let found = false;
  walk(value, options, () => {
    found = true;
  });
  return found;
}

/**
 * A copy of a value without what looks like a credential: every string as `redactString` leaves it, and all that is under a
 * member whose name says what it is (`apiKey`, `authorization`, `password`, `clientSecret` …). Names, ids and counts of such
 * things stay (`tokenId`, `secretName`, `inputTokens`), and so do numbers of tokens, booleans and null.
 */
export function redactSecrets<T>(value: T, options: RedactOptions = {}): T {
  return walk(value, options, () => undefined) as T;
}

/** Nested deeper is not what JSON of ours looks like; it is cut, so that a ring ends. */
const depthMax = 64;

function walk(value: unknown, options: RedactOptions, onFound: () => void, depth = 0): unknown {
  if (typeof value === "string") {
    const bare = redactString(value, [], options);
    if (bare !== value) onFound();
    return bare;
  }
  if (typeof value !== "object" || value === null) return value;
  if (depth >= depthMax) return redacted;
  if (Array.isArray(value)) return value.map((one) => walk(one, options, onFound, depth + 1));
  const { toJSON } = value as { toJSON?: unknown };
  if (typeof toJSON === "function") {
    return walk(toJSON.call(value) as unknown, options, onFound, depth + 1);
  }
  return Object.fromEntries(
    Object.entries(value).map(([name, member]) => {
      if (!isSecretName(name) || isPlain(name, member)) {
        return [name, walk(member, options, onFound, depth + 1)];
      }
      if (member !== redacted) onFound();
      return [name, redacted];
    }),
  );
}

/** What says nothing of a secret, whatever its member is called. */
function isPlain(name: string, member: unknown): boolean {
  if (member === null || member === undefined || member === "") return true;
  if (typeof member === "boolean") return true;
  return typeof member === "number" && /token/i.test(name);
}

const secretWords = /^(?:authorization|token|secrets?|passwords?|passwd|credentials?|apikeys?)$/;
const aboutWords =
  /^(?:ids?|names?|count|kind|type|class|scopes?|hash|digest|version|limit|at|until|expires|refs?)$/;

/** `clientSecret`, `api_key`, `X-Api-Key`, and not `secretName`, `token_count` or `inputTokens`. */
function isSecretName(name: string): boolean {
  const parts = name
    .replace(/([a-z0-9])([A-Z])/g, "$1 $2")
    .toLowerCase()
    .split(/[^a-z0-9]+/)
    .filter(Boolean);
  const last = parts.at(-1) ?? "";
  if (aboutWords.test(last)) return false;
  const key = /^keys?$/.test(last) && /^(?:api|secret|private|access)$/.test(parts.at(-2) ?? "");
  return key || parts.some((part) => secretWords.test(part));
}
