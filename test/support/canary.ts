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

/** Every regular file below a directory that holds the secret, as `path (spelling)`. */
export function filesWithSecret(dir: string, secret: string): string[] {
  const found: string[] = [];
  for (const name of readdirSync(dir)) {
    const path = join(dir, name);
    const stat = lstatSync(path);
    if (stat.isDirectory()) found.push(...filesWithSecret(path, secret));
    else if (stat.isFile()) {
      for (const spelling of findSecret(readFileSync(path), secret)) {
        found.push(`${path} (${spelling})`);
      }
    }
  }
  return found;
}
