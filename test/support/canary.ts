import { randomBytes } from "node:crypto";
import { lstatSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

/** A secret that exists nowhere else, so that finding it anywhere proves a leak. Looks like a provider's key. */
export function newCanary(): string {
  return `sk-canary-${randomBytes(24).toString("base64url")}`;
}

/** The spellings under which a secret could be written down: a leak in an encoding is a leak. */
export function spellings(secret: string): Record<string, Buffer> {
  const bytes = Buffer.from(secret);
  return {
    plain: bytes,
    base64: Buffer.from(bytes.toString("base64").replace(/=+$/, "")),
    base64url: Buffer.from(bytes.toString("base64url")),
    hex: Buffer.from(bytes.toString("hex")),
    "upper-case hex": Buffer.from(bytes.toString("hex").toUpperCase()),
    percent: Buffer.from(encodeURIComponent(secret)),
    json: Buffer.from(JSON.stringify(secret).slice(1, -1)),
    utf16le: Buffer.from(secret, "utf16le"),
    reversed: Buffer.from([...secret].reverse().join("")),
  };
}

/** Where the secret stands in these bytes, by spelling; empty when it does not. */
export function findSecret(haystack: Uint8Array, secret: string): string[] {
  const bytes = Buffer.from(haystack.buffer, haystack.byteOffset, haystack.byteLength);
  return Object.entries(spellings(secret))
    .filter(([, needle]) => bytes.includes(needle))
    .map(([spelling]) => spelling);
}

/**
 * Every regular file below a directory that holds the secret, as `path (spelling)`; some names at its top left out, and
 * `removed` with them: what the gateway is deleting there is a run's own directory, which a test that cares looks at
 * before the run ends, and it goes while we look.
 */
export function filesWithSecret(
  dir: string,
  secret: string,
  leftOut: readonly string[] = [],
): string[] {
  return filesBelow(dir, ["removed", ...leftOut]).flatMap((path) =>
    findSecret(readUnlessGone(path), secret).map((spelling) => `${path} (${spelling})`),
  );
}

function filesBelow(dir: string, leftOut: readonly string[] = []): string[] {
  const names = unlessGone(() => readdirSync(dir)) ?? [];
  return names.flatMap((name) => {
    if (leftOut.includes(name)) return [];
    const path = join(dir, name);
    const stat = lstatSync(path, { throwIfNoEntry: false });
    if (stat?.isDirectory()) return filesBelow(path);
    return stat?.isFile() ? [path] : [];
  });
}

function readUnlessGone(path: string): Uint8Array {
  return unlessGone(() => readFileSync(path)) ?? new Uint8Array();
}

/** A running gateway deletes as well: what has gone between two looks holds nothing. */
function unlessGone<T>(look: () => T): T | undefined {
  try {
    return look();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
}
