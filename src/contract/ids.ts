import { z } from "zod";

/**
 * Ids are `<prefix>_` and 26 lower-case characters of Crockford's base 32: 48 bits of time in milliseconds, then 80
 * random bits (the layout of a ULID). They sort by time as text, and nobody can guess one.
 */
export const idPrefixes = {
  run: "run",
  call: "call",
  output: "out",
  token: "tok",
  workspace: "ws",
  request: "req",
  proxyCall: "pxc",
  skill: "skl",
  agentsMd: "amd",
  file: "fil",
} as const;

export type IdKind = keyof typeof idPrefixes;

const body = "[0-7][0-9a-hjkmnp-tv-z]{25}";

function idSchema(kind: IdKind) {
  const prefix = idPrefixes[kind];
  return z
    .string()
    .regex(
      new RegExp(`^${prefix}_${body}$`),
      `expected an id like ${prefix}_01kadz3v6m5c0jx9s2qf8t7w4b`,
    );
}

export const RunId = idSchema("run").meta({ id: "RunId" });
export const CallId = idSchema("call").meta({ id: "CallId" });
export const OutputId = idSchema("output").meta({ id: "OutputId" });
export const TokenId = idSchema("token").meta({ id: "TokenId" });
export const WorkspaceId = idSchema("workspace").meta({ id: "WorkspaceId" });
export const ProxyCallId = idSchema("proxyCall").meta({ id: "ProxyCallId" });

/** A question to a person: `int_` and 26 characters of which all are random. */
export const InteractionId = z
  .string()
  .regex(/^int_[0-9a-hjkmnp-tv-z]{26}$/, "expected int_ and 26 lower-case letters and digits")
  .meta({ id: "InteractionId" });

/** An approval: `apr_` and 26 characters of which all are random (130 bits): nobody guesses one, and none follows another. */
export const ApprovalId = z
  .string()
  .regex(/^apr_[0-9a-hjkmnp-tv-z]{26}$/, "expected apr_ and 26 lower-case letters and digits")
  .meta({ id: "ApprovalId" });

/** A content digest: `sha256:` and 64 lower-case hex digits. No other spelling is accepted. */
export const Digest = z
  .string()
  .regex(/^sha256:[0-9a-f]{64}$/, "expected sha256: and 64 lower-case hex digits")
  .meta({ id: "Digest" });
export type Digest = z.infer<typeof Digest>;

const alphabet = "0123456789abcdefghjkmnpqrstvwxyz";
let lastTime = 0;
let lastRandom = 0n;

/**
 * Makes an id of the given kind. Within one process ids are strictly increasing, even inside one millisecond or when
 * the clock steps back: the random part is then counted up from the last one (the ULID rule).
 */
export function newId(kind: IdKind, now: number = Date.now()): string {
  if (now > lastTime) {
    lastTime = now;
    lastRandom = randomBits79();
  } else {
    lastRandom += 1n;
  }
  return `${idPrefixes[kind]}_${base32(BigInt(lastTime), 10)}${base32(lastRandom, 16)}`;
}

/** Makes the id of an approval, from 130 random bits. */
export function newApprovalId(): string {
  return `apr_${randomLetters()}`;
}

/** Makes the id of a question to a person, from 130 random bits. */
export function newInteractionId(): string {
  return `int_${randomLetters()}`;
}

function randomLetters(): string {
  const letters = [...crypto.getRandomValues(new Uint8Array(26))].map(
    (byte) => alphabet[byte & 31],
  );
  return letters.join("");
}

/** One bit is left free, so that counting up within a millisecond never overflows. */
function randomBits79(): bigint {
  const bytes = crypto.getRandomValues(new Uint8Array(10));
  let value = 0n;
  for (const byte of bytes) value = (value << 8n) | BigInt(byte);
  return value >> 1n;
}

function base32(value: bigint, length: number): string {
  let rest = value;
  let text = "";
  for (let i = 0; i < length; i++) {
    text = alphabet[Number(rest & 31n)] + text;
    rest >>= 5n;
  }
  return text;
}
