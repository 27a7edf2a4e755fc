import {
  createHash,
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  type KeyObject,
  randomUUID,
  sign,
} from "node:crypto";
import { constants } from "node:fs";
import { type FileHandle, link, open, readdir, rm } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import type { AttestationKey } from "../contract/attestation.ts";

/** Signs what a gateway says of archives. The private key never leaves this closure. */
export interface Signer {
  key: AttestationKey;
  sign(bytes: Uint8Array): Buffer;
}

/** The key of a gateway cannot be used as it is found. The message never holds a private key. */
export class SigningKeyError extends Error {
  override name = "SigningKeyError";
}

const keyName = "attestation-key";
/** Of a PEM with one Ed25519 key: far more than it can hold. */
const pemBytesMax = 4096;

/**
 * Reads the key with which archives are signed, and makes one in the data directory where there is none: lost or moved
 * away, it is replaced at the next start, and what it signed is verified with its public half as before. `keyFile`: one
 * from outside (PKCS #8 in PEM), in whose presence none is made. Call it under the lock of the data directory.
 */
export async function openSigner(options: {
  dir: string;
  keyFile?: string | undefined;
}): Promise<Signer> {
  const { dir, keyFile } = options;
  if (keyFile !== undefined) return signerOf(await readOutside(keyFile), keyFile);
  const path = join(dir, keyName);
  await sweep(dir);
  return signerOf((await readOwn(path)) ?? (await make(path)), path);
}

function signerOf(pem: Buffer, path: string): Signer {
  const privateKey = parsePrivate(pem, path);
  pem.fill(0);
  const key = keyOf(createPublicKey(privateKey));
  return { key, sign: (bytes) => sign(null, bytes, privateKey) };
}

function parsePrivate(pem: Buffer, path: string): KeyObject {
  try {
    const key = createPrivateKey({ key: pem, format: "pem" });
    if (key.asymmetricKeyType === "ed25519") return key;
  } catch (cause) {
    throw unusable(path, "it is no private key in PEM", cause);
  }
  throw unusable(path, "it is no Ed25519 key, such as openssl genpkey -algorithm ed25519 makes");
}

/** A public key by the name under which it signs. */
export function keyOf(key: KeyObject): AttestationKey {
  return { id: keyIdOf(key), algorithm: "ed25519", publicKey: pemOf(key) };
}

/** The SHA-256 of a public key's SubjectPublicKeyInfo: what any tool computes from its PEM. */
export function keyIdOf(key: KeyObject): string {
  return `sha256:${createHash("sha256").update(spkiOf(key)).digest("hex")}`;
}

export function spkiOf(key: KeyObject): Buffer {
  return key.export({ type: "spki", format: "der" });
}

function pemOf(key: KeyObject): string {
  return key.export({ type: "spki", format: "pem" }).toString();
}

/** Undefined when there is none. One that others can read may have signed for others. */
async function readOwn(path: string): Promise<Buffer | undefined> {
  const file = await open(
    path,
    constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK,
  ).catch((error: unknown) => {
    if (codeOf(error) === "ENOENT") return undefined;
    if (codeOf(error) === "ELOOP") throw unusable(path, "it is a symbolic link, not a file");
    throw error;
  });
  return file && (await readPem(file, path, 0o177, "0600"));
}

async function readOutside(path: string): Promise<Buffer> {
  const file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK).catch((cause) => {
    throw unusable(path, `it cannot be read: ${codeOf(cause)}`, cause);
  });
  return await readPem(file, path, 0o027, "0600, 0400 or 0440");
}

async function readPem(
  file: FileHandle,
  path: string,
  forbidden: number,
  expected: string,
): Promise<Buffer> {
  try {
    const stat = await file.stat();
    if (!stat.isFile()) throw unusable(path, "it is not a file");
    if ((stat.mode & forbidden) !== 0) {
      const mode = (stat.mode & 0o7777).toString(8).padStart(4, "0");
      throw unusable(path, `its mode is ${mode}, expected ${expected}`);
    }
    if (stat.size > pemBytesMax) throw unusable(path, `it has ${stat.size} bytes`);
    return await file.readFile();
  } finally {
    await file.close();
  }
}

/** The whole key is on disk before it has its name; a link never replaces one that another start made in between. */
async function make(path: string): Promise<Buffer> {
  const temp = `${path}.${randomUUID()}`;
  const { privateKey } = generateKeyPairSync("ed25519");
  const file = await open(temp, "wx", 0o600);
  try {
    await file.writeFile(privateKey.export({ type: "pkcs8", format: "pem" }));
    await file.sync();
  } finally {
    await file.close();
  }
  try {
    await link(temp, path).catch((error: unknown) => {
      if (codeOf(error) !== "EEXIST") throw error;
    });
  } finally {
    await rm(temp, { force: true });
  }
  const directory = await open(dirname(path), constants.O_RDONLY | constants.O_DIRECTORY);
  try {
    await directory.sync();
  } finally {
    await directory.close();
  }
  const made = await readOwn(path);
  if (made === undefined) throw unusable(path, "it was just made, and is not there");
  return made;
}

/** A start that died between two steps left a key without its name. */
async function sweep(dir: string): Promise<void> {
  const abandoned = new RegExp(`^${keyName}\\.[0-9a-f-]{36}$`);
  for (const file of await readdir(dir)) {
    if (abandoned.test(basename(file))) await rm(join(dir, file), { force: true });
  }
}

function unusable(path: string, why: string, cause?: unknown): SigningKeyError {
  return new SigningKeyError(`Cannot sign archives with ${path}: ${why}`, { cause });
}

function codeOf(error: unknown): unknown {
  return error instanceof Error && "code" in error ? error.code : undefined;
}
