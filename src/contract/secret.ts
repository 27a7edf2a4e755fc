import { z } from "zod";

/** The name of a secret: what the environment of a process can be asked for. */
export const SecretName = z
  .string()
  .regex(
    /^[A-Za-z_][A-Za-z0-9_]{0,127}$/,
    "expected a letter or _, then letters, digits and _, at most 128 in all",
  )
  .meta({ id: "SecretName" });

/** Fewer bytes cannot be told from ordinary text, and masking them would shred every log. */
export const secretBytesMin = 8;
const secretBytesMax = 64 * 1024;
/** The same for what has few characters of many bytes. Line breaks are not looked at. */
const secretCharsMin = 6;

/**
 * A value that nobody may see again. Refused when it is too short or too plain to be looked for in text: masking
 * `password` would shred logs without hiding anything.
 */
export const SecretValue = z
  .string()
  .refine((value) => {
    const bytes = new TextEncoder().encode(value).length;
    return bytes >= secretBytesMin && bytes <= secretBytesMax;
  }, `expected ${secretBytesMin} to ${secretBytesMax} bytes`)
  .refine((value) => value.replace(/[\r\n]/g, "").length >= secretCharsMin, {
    error: `expected at least ${secretCharsMin} characters beside line breaks`,
  })
  .refine((value) => !value.includes("\0"), "must not contain NUL")
  .refine((value) => !isPlain(value), {
    error: "is too plain to be a secret: it could not be told from ordinary text",
  });

const plainWords = new Set([
  ...["password", "passwort", "changeme", "secret", "letmein", "qwertyui", "username", "database"],
  ...["localhost", "undefined", "function", "password1", "password123", "admin", "administrator"],
  ...["development", "production", "example", "anthropic", "authorization", "application"],
]);

/** A common word, a run of digits or letters in order, or a few characters again and again. */
function isPlain(value: string): boolean {
  const text = value.trim().toLowerCase();
  if (new Set(text).size <= 2 || plainWords.has(text)) return true;
  const steps = new Set(
    [...text.slice(1)].map((char, at) => char.charCodeAt(0) - text.charCodeAt(at)),
  );
  return steps.size === 1;
}

/** A secret of the workspace, without its value: that is write-only. */
export const SecretInfo = z
  .object({
    name: SecretName,
    version: z.int().describe("1, 2, 3 …: each value that was set"),
    createdAt: z.iso.datetime(),
    updatedAt: z.iso.datetime().describe("When the present value was set"),
    updatedBy: z.string().describe("The token that set it"),
    maskedUntil: z.iso
      .datetime()
      .nullable()
      .describe("Until when the value before the present one is still cut out of everything"),
  })
  .meta({ id: "SecretInfo" });
export type SecretInfo = z.infer<typeof SecretInfo>;

export const SetSecret = z.strictObject({ value: SecretValue }).meta({ id: "SetSecret" });
export type SetSecret = z.infer<typeof SetSecret>;

/** What came of sealing everything anew under a new key. */
export const KeyRotation = z
  .object({
    from: z.string().describe("The id of the key that was"),
    to: z.string().describe("The id of the key that is"),
    resealed: z.int().describe("Values that were sealed anew"),
  })
  .meta({ id: "KeyRotation" });
export type KeyRotation = z.infer<typeof KeyRotation>;

/**
 * Secrets that a command has in its environment: a list of names, or environment variable to name. Values are never in
 * arguments, in the transcript or in the journal.
 */
export const CredentialEnv = z
  .union([
    z.array(SecretName).min(1).max(32),
    z.record(SecretName, SecretName).refine((map) => {
      const { length } = Object.keys(map);
      return length >= 1 && length <= 32;
    }, "expected 1 to 32 variables"),
  ])
  .meta({ id: "CredentialEnv" });
export type CredentialEnv = z.infer<typeof CredentialEnv>;

/** Environment variable to name of a secret, in order of variable. */
export function credentialVariables(given: CredentialEnv): Record<string, string> {
  const entries = Array.isArray(given)
    ? given.map((name): [string, string] => [name, name])
    : Object.entries(given);
  return Object.fromEntries(entries.sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0)));
}
